"""A Feast view's names: its keys as requests have them, its columns as the files of its source have them."""

import pyarrow as pa
from feast import FeatureView
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.feature_view_projection import FeatureViewProjection
from feast.types import from_feast_to_pyarrow_type

from features.errors import UnsupportedRetrievalError


def join_keys(view: FeatureView) -> dict[str, str]:
    """Return the view's join keys, each with the name it has in entity rows and requests."""
    renamed = view.projection.join_key_map
    names = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return {name: renamed.get(name, name) for name in names}


def declared_schema(view: FeatureView) -> pa.Schema:
    """Return the columns that the view declares, in the file's names, with Arrow's types."""
    in_file = {answer: column for column, answer in batch_source(view).field_mapping.items()}
    fields = [*view.entity_columns, *view.features]
    return pa.schema(
        [(in_file.get(each.name, each.name), from_feast_to_pyarrow_type(each.dtype)) for each in fields]
    )


def batch_source(view: FeatureView) -> DataSource:
    """Return the view's source of history.

    Raises:
        UnsupportedRetrievalError: it has none.
    """
    if view.batch_source is None:
        raise UnsupportedRetrievalError(
            f"view {view.name!r} has no batch source; give it a Parquet FileSource"
        )
    return view.batch_source


def used_name(projection: FeatureViewProjection) -> str:
    """Return the name that references and answers use: the alias if there is one."""
    return str(projection.name_to_use())  # type: ignore[no-untyped-call]
