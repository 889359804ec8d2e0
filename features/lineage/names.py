"""What everything is called in lineage: an edge joins only where both of its ends say the same name.

Feast names its sources, views and services `<project>/<name>`; a built table takes the name of the source
that reads it. Files and model versions have namespaces of their own.
"""

from pathlib import Path
from typing import NamedTuple

import yaml

from features.errors import RepositoryError
from features.settings import FeatureSettings

FILES = "file"
MODELS = "mlflow"
BUILD_JOB = "build_features"
PRODUCER = "urn:roundtrip"


class Dataset(NamedTuple):
    """A node of the graph: anything that is read or made."""

    namespace: str
    name: str


def project_of(settings: FeatureSettings) -> str:
    """Return the Feast project that the repository's YAML names; it is the namespace of tables and views.

    Raises:
        RepositoryError: there is no such file, or it names none.
    """
    path = settings.feature_repo / "feature_store.yaml"
    declared = yaml.safe_load(path.read_text()) if path.is_file() else None
    if not isinstance(declared, dict) or "project" not in declared:
        raise RepositoryError(f"{path} does not say `project: <name>`; add that line")
    return str(declared["project"])


def table_name(path: Path | str) -> str:
    """Return what a table's file is called: the name of the source that reads it."""
    return f"{Path(path).stem}_table"


def model_version(model: str, version: str) -> Dataset:
    """Return a registered model version, under MLflow's own address of it."""
    return Dataset(MODELS, f"models:/{model}/{version}")
