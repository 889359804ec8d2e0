"""What goes into an on-demand function and what must come out: lists of values by name, one item per row."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from features.errors import RepositoryError

Columns = dict[str, list[Any]]
ViewFeature = tuple[str, str]
OnDemandFunction = Callable[[Columns], Columns]


def gather_inputs(
    requests: Sequence[Mapping[str, Any]],
    fields: Iterable[str],
    stored: Mapping[str, Sequence[Mapping[str, Any]]],
    inputs: Mapping[str, ViewFeature],
) -> Columns:
    """Return a view's inputs as lists, from request rows and from each stored view's rows."""
    columns: Columns = {name: [request[name] for request in requests] for name in fields}
    for name, (view, feature) in inputs.items():
        columns[name] = [row.get(feature) for row in stored[view]]
    return columns


def check_answer(view: str, declared: Iterable[str], computed: Collection[str]) -> None:
    """Refuse an answer of an on-demand view that lacks a declared feature.

    Raises:
        RepositoryError: the code has moved on since the repository was applied.
    """
    missing = [name for name in declared if name not in computed]
    if missing:
        raise RepositoryError(
            f"on-demand view {view!r} no longer computes {missing}; run `python -m features apply`"
        )
