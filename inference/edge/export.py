"""Write an edge bundle: choose the graph, lay the folder out, hold it against the served model, keep it."""

import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from contracts.bundle.contract import CONTRACT_FILE, MODEL_FILE
from contracts.bundle.reader import Bundle, read_bundle
from contracts.parity import prediction_scale
from contracts.problem import Problem, load_problem
from contracts.registry import current, fetch_bundle, version_ref
from inference.edge import runner
from inference.edge.checking import (
    PARITY_LIMIT,
    largest_error,
    require_parity,
    run_exported,
    time_exported,
    time_served,
)
from inference.edge.errors import OutputTakenError
from inference.edge.manifest import (
    MANIFEST_FILE,
    README_FILE,
    RUNNER_FILE,
    EdgeManifest,
    describe,
    digests,
)
from inference.edge.quantisation import METRIC_TOLERANCE, GraphChoice, choose_graph
from inference.edge.sample import METRICS, Sample, read_sample
from inference.errors import NoModelError
from inference.settings import InferenceSettings

EXPORTED = (MODEL_FILE, CONTRACT_FILE, RUNNER_FILE)


def export_version(settings: InferenceSettings, output: Path, version: str | None = None) -> EdgeManifest:
    """Export a registered version, the served alias's if none is named, into the new folder `output`.

    Raises:
        NoModelError: the alias names no version.
        OutputTakenError: `output` holds something.
        EdgeParityError, SampleError: it cannot be shown to answer as the served model; nothing is written.
        UnknownVersionError, BundleError: the version cannot be read.
    """
    problem = load_problem(settings.problem)
    registry, alias = settings.registry, settings.alias
    ref = version_ref(registry, problem.name, version) if version else current(registry, problem.name, alias)
    if ref is None:
        raise NoModelError(f"model {problem.name!r} has no {alias}; train one first, or name a --version")
    return export_bundle(read_bundle(fetch_bundle(registry, ref), ref.digest), ref.version, problem, output)


def export_bundle(bundle: Bundle, version: str, problem: Problem, output: Path) -> EdgeManifest:
    """Export a bundle; `output` appears only once everything has been checked."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputTakenError(f"{output} is taken; name a new folder")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as draft:
        folder = Path(draft) / "bundle"
        manifest = _lay_out(folder, bundle, version, problem)
        folder.replace(output)
    return manifest


def _lay_out(folder: Path, bundle: Bundle, version: str, problem: Problem) -> EdgeManifest:
    sample = read_sample(bundle)
    choice = choose_graph(bundle, sample)
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes(choice.graph)
    shutil.copyfile(bundle.folder / CONTRACT_FILE, folder / CONTRACT_FILE)
    shutil.copyfile(Path(runner.__file__), folder / RUNNER_FILE)
    (folder / MANIFEST_FILE).write_text(json.dumps({"files": digests(folder, EXPORTED)}))
    manifest = _check(folder, bundle, version, sample, choice)
    (folder / README_FILE).write_text(describe(manifest, problem), encoding="utf-8")
    complete = manifest.model_copy(update={"files": digests(folder, (*EXPORTED, README_FILE))})
    (folder / MANIFEST_FILE).write_text(complete.model_dump_json(indent=1), encoding="utf-8")
    return complete


def _check(folder: Path, bundle: Bundle, version: str, sample: Sample, choice: GraphChoice) -> EdgeManifest:
    served, answers = bundle.scorer(), run_exported(folder, sample)
    scale = prediction_scale(sample.task, sample.label)
    parity_error = largest_error(answers, choice.answers, scale)
    require_parity(parity_error)
    contract = bundle.contract
    return EdgeManifest(
        problem=contract.problem,
        model_version=version,
        family=contract.family,
        task=contract.task,
        exported_at=datetime.now(UTC),
        quantised=choice.quantised,
        metric=METRICS[contract.task],
        metric_served=choice.metric_served,
        metric_exported=choice.metric,
        metric_tolerance=METRIC_TOLERANCE,
        tried_metric=choice.tried_metric,
        tried_bytes=choice.tried_bytes,
        parity_error=parity_error,
        parity_limit=PARITY_LIMIT,
        parity_rows=len(answers),
        largest_difference=largest_error(answers, served.score_matrix(sample.matrix), scale),
        bytes_served=choice.bytes_served,
        bytes_exported=len(choice.graph),
        latency_served=time_served(served, sample),
        latency_exported=time_exported(folder, sample),
        files={},
    )
