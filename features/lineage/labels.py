"""What the reader is told of each dataset of the graph: its kind, its name, and how it came to be."""

from features.lineage.graph import Step
from features.lineage.names import BUILD_JOB, FILES, MODELS, Dataset

# By the beginning of the name of the job that made it; the first that fits.
KINDS = {
    "on_demand_feature_view_": "on-demand view",
    "feature_view_": "feature view",
    "feature_service_": "feature service",
    "saved_dataset_": "saved data set",
    f"{BUILD_JOB}.": "table",
    "materialize_": "online table",
}
SHORT = 12


def label(dataset: Dataset, step: Step | None, version: str | None = None) -> str:
    """Describe a dataset that `step` made (None: it was only read), read in `version` if that is known."""
    told = [f"version {version[:SHORT]}"] if version else []
    if step is not None:
        told += _told(dataset, step)
    return f"{_kind(dataset, step)} {_name(dataset)}" + (f" ({', '.join(told)})" if told else "")


def _kind(dataset: Dataset, step: Step | None) -> str:
    if dataset.namespace in (FILES, MODELS):
        return "raw file" if dataset.namespace == FILES else "model version"
    if step is None:
        return "source"
    return next((kind for job, kind in KINDS.items() if step.job.startswith(job)), "dataset")


def _name(dataset: Dataset) -> str:
    return dataset.name.removeprefix("models:/") if dataset.namespace == MODELS else dataset.name


def _told(dataset: Dataset, step: Step) -> list[str]:
    told = [f"{step.rows[dataset]} rows"] if dataset in step.rows else []
    if dataset.namespace == MODELS:
        told += [f"{key.replace('_', ' ')} {value}" for key, value in sorted(step.tags.items())]
    keys = ", ".join(each.name for each in step.inputs if each in step.named)
    return [*told, *([f"by {keys}"] if keys else []), f"{step.at:%Y-%m-%d %H:%M:%S}Z"]
