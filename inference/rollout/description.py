"""A rollout in words: where it stands, what the evidence says, what was decided."""

from collections.abc import Sequence

from inference.rollout.judge import Look
from inference.rollout.record import Entry, Figures, Rollout
from inference.rollout.verdict import HARMS


def show_look(name: str, seen: Look) -> str:
    """The rollout under way, its figures and the verdict, a line each."""
    lines = [show_rollout(name, seen.rollout), *_figures(seen.rollout, seen.figures)]
    return "\n".join([*lines, f"  verdict            {seen.verdict.action}: {seen.verdict.reason}"])


def show_rollout(name: str, rollout: Rollout) -> str:
    """Who runs against whom, and who gets what."""
    policy, step = rollout.policy, rollout.step
    share = f"{policy.shares[step]:.1%} by {policy.key}"
    split = {
        "shadow": "shadow: scores every request, answers none",
        "canary": f"canary, step {step + 1} of {len(policy.shares)}: {share}",
        "ab": f"A/B: {share}",
    }[policy.mode]
    return (
        f"{name}: version {rollout.challenger} against champion {rollout.champion} since "
        f"{rollout.steps_began[0]:%Y-%m-%d %H:%M:%S} UTC\n  {split}"
    )


def show_entry(entry: Entry) -> str:
    """One decision, in a line."""
    versions = f"version {entry.challenger} against {entry.champion}"
    return (
        f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.action:<10}  {versions}, share {entry.share:g}: {entry.reason}"
    )


def show_history(entries: Sequence[Entry]) -> str:
    """Every decision, oldest first."""
    return "\n".join(show_entry(entry) for entry in entries) or "no rollout has been started yet"


def _figures(rollout: Rollout, figures: Figures) -> list[str]:
    policy = rollout.policy
    needed = policy.labels_needed(rollout.step)
    losses = figures.mean_loss or (float("nan"), float("nan"))
    return [
        f"  {'':<18} {'champion':>10} {'challenger':>10}",
        _row("requests", *(f"{count}" for count in figures.requests)),
        _row("labelled units", *(f"{count}" for count in figures.labels)),
        f"  at this step       {figures.labels_this_step} labels of the challenger, {needed} needed",
        _row("labelled share", *(f"{share:.1%}" for share in figures.labelled_share)),
        _row(f"mean {policy.metric}", *(f"{loss:.4g}" for loss in losses)),
        _row(f"over {policy.slow_ms:g} ms", *(f"{share:.1%}" for share in figures.slow_share)),
        _row("failures", "", f"{figures.failures}"),
        f"  evidence           worse {figures.wealth_worse:.3g}, better {figures.wealth_better:.3g}, "
        f"failing {figures.wealth_failing:.3g}, slow {figures.wealth_slow:.3g}",
        f"  it takes           {HARMS / policy.alpha:g} to roll back, better {1 / policy.alpha:g} to win",
    ]


def _row(name: str, champion: str, challenger: str) -> str:
    return f"  {name:<18} {champion:>10} {challenger:>10}"
