"""What an edge bundle says about itself: `manifest.json` for the runner, README.md for people."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.bundle.contract import file_digest
from contracts.problem import Problem, Task

MANIFEST_FILE, README_FILE, RUNNER_FILE = "manifest.json", "README.md", "run.py"


class EdgeManifest(BaseModel):
    """Figures of the export; `files` maps every other file to its SHA-256.

    `parity_error` is the largest difference between the runner in its own process and the exported graph;
    `largest_difference` the largest between the runner and the served model. Both are of probabilities, or
    shares of the labels' spread (of the answer, where that is larger). Sizes in bytes, latencies in
    microseconds for one row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    problem: str
    model_version: str
    family: str
    task: Task
    exported_at: AwareDatetime
    quantised: bool
    metric: str
    metric_served: float
    metric_exported: float
    metric_tolerance: float
    tried_metric: float | None
    tried_bytes: int | None
    parity_error: float
    parity_limit: float
    parity_rows: int
    largest_difference: float
    bytes_served: int
    bytes_exported: int
    latency_served: float
    latency_exported: float
    files: dict[str, str]


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of each file by its name."""
    return {name: file_digest(folder / name) for name in names}


def describe(manifest: EdgeManifest, problem: Problem) -> str:
    """The README: what this is, how to run it, and the figures."""
    rows = "\n".join(f"| {name} | {served} | {exported} |" for name, served, exported in comparison(manifest))
    kind = "eight-bit weights" if manifest.quantised else "single precision, as served"
    return f"""# {problem.title}

Version {manifest.model_version} of `{manifest.problem}` ({manifest.family}, {kind}).

    pip install numpy onnxruntime
    python run.py < features.jsonl > predictions.jsonl

A line of the input is one row, `{{"feature": value, …}}`, with the features of `contract.json`; one that is
left out or null is missing. A line of the output is `{{"prediction": …}}`, or `{{"error": …}}` for that row
alone. The runner refuses to start when a file is not the exported one.

| | served | here |
|---|---|---|
{rows}

The runner was held against the served model on {manifest.parity_rows:,} rows of its reference sample.
"""


def comparison(manifest: EdgeManifest) -> list[tuple[str, str, str]]:
    """The figures side by side: (name, served, exported)."""
    return [
        ("bytes of the model", f"{manifest.bytes_served:,}", f"{manifest.bytes_exported:,}"),
        (
            "microseconds for one row",
            f"{manifest.latency_served:,.0f}",
            f"{manifest.latency_exported:,.0f}",
        ),
        (manifest.metric, f"{manifest.metric_served:.5f}", f"{manifest.metric_exported:.5f}"),
        (_difference(manifest.task), "", f"{manifest.largest_difference:.2g}"),
    ]


def _difference(task: Task) -> str:
    return "largest difference" if task == "binary" else "largest difference, in spreads of the label"
