"""Rows that are pushed, held to their view's expectations before either store has them."""

import logging
from collections.abc import Mapping
from functools import cached_property

import pandas as pd
import pandera.pandas as pa
from feast import FeatureStore, FeatureView

from features.errors import TableQualityError
from features.quality.expectation import Expectation
from features.quality.from_view import describe_columns, read_expectations, view_expectation
from features.quality.quarantine import Quarantine, quarantine_folder
from features.quality.rows import find_row_violations
from features.quality.violation import Violation
from features.schema.views import batch_source
from features.settings import FeatureSettings

logger = logging.getLogger(__name__)


class PushCheck:
    """Checks rows as the table would be checked: keys and instants are there, values within their ranges.

    Only what holds for each row by itself; how much may be missing, or how old it may be, is the table's.
    """

    def __init__(self, settings: FeatureSettings, store: FeatureStore) -> None:
        self._settings, self._store = settings, store

    def refuse(self, view: FeatureView, rows: pd.DataFrame) -> None:
        """Let rows pass that are all sound.

        Raises:
            TableQualityError: some are not; they are kept in the quarantine.
        """
        found, broken = self._find(view, rows.reset_index(drop=True))
        if found:
            self._quarantine(view, rows, "nothing was pushed").refuse(view.name, found, broken, layout=False)

    def set_aside(self, view: FeatureView, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that are sound; the others are kept in the quarantine, and a warning says why."""
        rows = rows.reset_index(drop=True)
        found, broken = self._find(view, rows)
        if not found:
            return rows
        try:
            quarantine = self._quarantine(view, rows, "the other rows are pushed")
            quarantine.refuse(view.name, found, broken, layout=False)
        except TableQualityError as error:
            logger.warning("Rows were not pushed: %s", error)
        return rows.drop(index=broken.index)

    @cached_property
    def _written(self) -> Mapping[str, Expectation]:
        return read_expectations(self._settings.feature_repo)

    def _find(self, view: FeatureView, rows: pd.DataFrame) -> tuple[list[Violation], pd.DataFrame]:
        """Return the first violations and the rows that break any: all, where a column is of no such type.

        The rows are counted from 0.
        """
        source = describe_columns(self._store, view)
        schema = view_expectation(view, source, self._written.get(view.name)).schema
        instants = [name for name in (source.timestamp, source.created) if name]
        known = {**schema.columns, **{name: pa.Column(nullable=False) for name in instants}}
        frame = rows.rename(columns=_in_file(view))
        columns = {name: column for name, column in known.items() if name in frame}
        found, broken = find_row_violations(frame, pa.DataFrameSchema(columns, coerce=True))
        return found, rows.loc[broken.index if len(broken) else slice(None)]

    def _quarantine(self, view: FeatureView, rows: pd.DataFrame, untouched: str) -> Quarantine:
        newest = pd.to_datetime(rows[batch_source(view).timestamp_field], utc=True).max()
        stamp = "pushed" if pd.isna(newest) else f"pushed-{newest:%Y-%m-%dT%H%M%S}"
        return Quarantine(quarantine_folder(self._settings.features_dir), stamp, untouched)


def _in_file(view: FeatureView) -> dict[str, str]:
    return {answer: column for column, answer in batch_source(view).field_mapping.items()}
