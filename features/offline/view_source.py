"""A Feast view's source in the terms of the as-of join: names mapped back to the file's columns."""

from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa
from feast import FeatureView
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.feature_view_projection import FeatureViewProjection
from feast.types import from_feast_to_pyarrow_type

from features.errors import UnsupportedRetrievalError
from features.offline.asof_sql import INNER, AsOfSource, SourceColumn


def view_source(
    view: FeatureView, path: str | tuple[str, ...], features: Sequence[str], prefix: str = ""
) -> AsOfSource:
    """Describe the view's source at `path`, answering `features` under `prefix`.

    Keys answer with the entity frame's names, which a projection may change; without entities there are none.

    Raises:
        UnsupportedRetrievalError: a name begins as those do that the join adds.
    """
    source = batch_source(view)
    for name in [*join_keys(view).values(), *(prefix + name for name in features)]:
        if name.lower().startswith(INNER):
            raise UnsupportedRetrievalError(
                f"view {view.name!r}: the join's own columns are called {INNER}…; rename {name!r}"
            )
    in_file = {answer: column for column, answer in source.field_mapping.items()}
    created = source.created_timestamp_column
    return AsOfSource(
        path=path,
        keys=tuple(SourceColumn(in_file.get(key, key), asked) for key, asked in join_keys(view).items()),
        columns=tuple(SourceColumn(in_file.get(name, name), prefix + name) for name in features),
        timestamp=in_file.get(source.timestamp_field, source.timestamp_field),
        created=in_file.get(created, created) if created else None,
        ttl=view.ttl if isinstance(view.ttl, timedelta) and view.ttl else None,
        view=view.name,
    )


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
