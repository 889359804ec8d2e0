"""The model card, derived from the problem and from what was measured."""

from contracts.bundle.contract import Contract
from contracts.problem import Problem
from training.gate import GateVerdict


def write_card(problem: Problem, contract: Contract, verdict: GateVerdict) -> str:
    """Return the card in Markdown."""
    sections = [
        f"# {problem.title}",
        problem.card.strip(),
        _facts(problem, contract),
        _windows(contract),
        _metrics(verdict),
        "## Gate\n\n" + "\n".join(f"- {reason}" for reason in verdict.reasons),
        _inputs(contract),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _facts(problem: Problem, contract: Contract) -> str:
    return "\n".join(
        [
            f"- Task: {problem.task}; label `{problem.label.name}` = `{problem.label.expression}`",
            f"- Model family: {contract.family}",
            f"- Data known by {contract.as_of.isoformat()}, fingerprint `{contract.data_fingerprint[:16]}`",
            f"- Asked {problem.horizon} before `{problem.event_time_field}`",
            f"- Code: `{contract.code_version}`",
            f"- The ONNX graph answers within {contract.parity_error:.1e}{_scale(problem)} of the model",
        ]
    )


def _scale(problem: Problem) -> str:
    return "" if problem.task == "binary" else " of the label's spread"


def _windows(contract: Contract) -> str:
    rows = [
        f"| {name} | {window.start:%Y-%m-%d %H:%M} | {window.end:%Y-%m-%d %H:%M} | {window.rows:,} |"
        for name, window in contract.windows.items()
    ]
    return "\n".join(["## Windows", "", "| window | from | to | rows |", "|---|---|---|---|", *rows])


def _metrics(verdict: GateVerdict) -> str:
    rivals = {"challenger": verdict.challenger, "champion": verdict.champion, "base rate": verdict.base_rate}
    present = {name: metrics for name, metrics in rivals.items() if metrics is not None}
    head = f"| metric | {' | '.join(present)} |"
    rows = [
        f"| {name} | " + " | ".join(f"{metrics[name]:.4f}" for metrics in present.values()) + " |"
        for name in verdict.challenger
    ]
    title = f"## Metrics on the gate window ({verdict.sample:,} rows)"
    return "\n".join([title, "", head, "|---" * (len(present) + 1) + "|", *rows])


def _inputs(contract: Contract) -> str:
    listed = [f"- `{column.name}` ({column.kind})" for column in contract.columns]
    return "\n".join([f"## Inputs: feature service `{contract.feature_service}`", "", *listed])
