"""A whole bulk run: find the files and the version, score what is not kept yet, write the output."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.bundle.reader import Bundle, read_bundle
from contracts.problem import load_problem
from contracts.registry import current, fetch_bundle, version_ref
from inference.batch.errors import UnwritableError
from inference.batch.inputs import PART_ROWS, InputFile, Part, divide, find_inputs
from inference.batch.job import BatchJob, plan_job
from inference.batch.local_run import score_locally
from inference.batch.log_files import remove_drafts
from inference.batch.logged import require_loggable
from inference.batch.output import write_output
from inference.batch.part_log import log_name
from inference.batch.parts_folder import clear, folder_for, held, is_whole, pin_version, pinned_version
from inference.errors import BatchInputError, NoModelError
from inference.prediction_log.schema import log_folder
from inference.settings import InferenceSettings


@dataclass(frozen=True)
class BatchOptions:
    """How to score: `log` the predictions, write the `features` too, on a `ray` cluster, with `threads`.

    `ray` is "local" or a cluster's address. `threads` are enough for every core if not said, and count only
    without Ray.
    `part_rows`: how many rows at least are scored between two points from which a run can go on.
    """

    log: bool = False
    features: bool = False
    ray: str | None = None
    threads: int | None = None
    part_rows: int = PART_ROWS


DEFAULT = BatchOptions()


def score_file(
    settings: InferenceSettings, source: Path, target: Path, options: BatchOptions = DEFAULT
) -> int:
    """Score Parquet files with the served alias's version into one file; the number of rows.

    The rows keep their order and the columns that are no feature, and get `prediction` and `model_version`.
    They hold the features, or entity keys, request fields and `event_timestamp`, at which the features are
    then read. Memory does not grow with the length of the files. A run that was interrupted goes on after the
    last whole part, with the version that it began with, when it is started again.

    Raises:
        BatchInputError: a file is not there, damaged, or holds neither; what was scored before is kept.
        NoModelError: the alias names no version.
        BatchError: another run writes the same output, the disk is full, or the cluster cannot be used.
    """
    source, target = source.absolute(), target.absolute()
    files = find_inputs(source)
    if any(file.path.resolve() == target.resolve() for file in files):
        raise BatchInputError(f"{target} is also an input; give another --output")
    folder = folder_for(target)
    version, bundle = _served(settings, pinned_version(folder, source))
    try:
        with held(folder):
            pin_version(folder, source, version)
            job = plan_job(settings, bundle, version, files, folder, options.log, options.features)
            return run_job(job, files, target, options)
    except OSError as error:
        raise UnwritableError(
            f"{target}, its parts or the log cannot be written ({error}); free disk space or mend the place, "
            "then run again: it goes on from there"
        ) from error


def run_job(job: BatchJob, files: Sequence[InputFile], target: Path, options: BatchOptions) -> int:
    """Score what is not kept yet and write the output; the caller holds the job's folder."""
    parts = divide(files, options.part_rows)
    waiting = [part for part in parts if not is_whole(job.path(part))]
    if job.log:
        require_loggable(job.read, load_problem(job.settings.problem))
        remove_drafts(log_folder(job.settings), {log_name(job.path(part)) for part in waiting})
    draft = job.folder / "output.draft"
    rows = write_output(_finished(job, parts, waiting, options), job.schema, job.repeated, draft, target)
    clear(job.folder)
    return rows


def _finished(
    job: BatchJob, parts: Sequence[Part], waiting: Sequence[Part], options: BatchOptions
) -> Iterator[Path]:
    """Every part's file in order, each as soon as it is whole."""
    numbers = {part.number for part in waiting}
    scored = _score(job, waiting, options)
    for part in parts:
        yield next(scored) if part.number in numbers else job.path(part)


def _score(job: BatchJob, waiting: Sequence[Part], options: BatchOptions) -> Iterator[Path]:
    if options.ray is None:
        return score_locally(job, waiting, options.threads)
    from inference.batch.ray_cluster import score_on_ray

    return score_on_ray(job, waiting, options.ray)


def _served(settings: InferenceSettings, pinned: str | None) -> tuple[str, Bundle]:
    """The version of the alias, or the one that an interrupted run began with."""
    registry, name, alias = settings.registry, load_problem(settings.problem).name, settings.alias
    ref = current(registry, name, alias) if pinned is None else version_ref(registry, name, pinned)
    if ref is None:
        raise NoModelError(f"model {name!r} has no {alias}; train one first")
    return ref.version, read_bundle(fetch_bundle(registry, ref), ref.digest)
