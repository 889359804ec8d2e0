"""A Feast view's source in the terms of the as-of join: names mapped back to the file's columns."""

from collections.abc import Sequence
from datetime import timedelta

from feast import FeatureView

from features.errors import UnsupportedRetrievalError
from features.offline.asof_sql import INNER, AsOfSource, SourceColumn
from features.schema.views import batch_source, join_keys


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
