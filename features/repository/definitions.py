"""Reads the entities, views and services that a repository's `definitions.py` declares."""

from pathlib import Path
from typing import Any, Final

from feast import Entity, FeatureService, FeatureView, OnDemandFeatureView
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY
from feast.project import Project
from feast.repo_contents import RepoContents

from features.declarations import import_file

DEFINITIONS_FILE: Final = "definitions.py"


def read_definitions(folder: Path, project: str) -> RepoContents:
    """Return what `definitions.py` of the folder defines, sources of views included.

    Raises:
        RepositoryError: there is no such file.
    """
    objects = list(vars(import_file(folder / DEFINITIONS_FILE)).values())

    def defined(kind: type) -> list[Any]:
        return list({id(found): found for found in objects if isinstance(found, kind)}.values())

    views = defined(FeatureView)
    sources = {id(source): source for source in defined(DataSource) + [view.batch_source for view in views]}
    return RepoContents(
        projects=[Project(name=project)],
        data_sources=list(sources.values()),
        entities=[*defined(Entity), DUMMY_ENTITY],
        feature_views=views,
        on_demand_feature_views=defined(OnDemandFeatureView),
        feature_services=defined(FeatureService),
        stream_feature_views=[],
        label_views=[],
        permissions=[],
    )
