"""Taking a fixed sample of rows, and typing them as reports need them."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from features.schema.feature_column import FeatureColumn

SEED: Final = 7
FEATURE_PREFIX: Final = "feature."


def sample_rows(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """At most `rows` rows, the same ones each time, in their order."""
    if len(frame) <= rows:
        return frame.reset_index(drop=True)
    return frame.sample(rows, random_state=SEED).sort_index().reset_index(drop=True)


def logged_features(predictions: pd.DataFrame, columns: Sequence[FeatureColumn]) -> pd.DataFrame:
    """The model's features out of logged predictions, under their own names.

    A feature that the log does not have (an older model's rows) is missing.
    """
    names = {f"{FEATURE_PREFIX}{column.name}": column for column in columns}
    logged = predictions.reindex(columns=list(names)).rename(columns=lambda name: names[name].name)
    return as_typed(logged, columns)


def as_typed(frame: pd.DataFrame, columns: Sequence[FeatureColumn]) -> pd.DataFrame:
    """Only `columns`: numbers as float64 with NaN, categories as text with None."""
    return pd.DataFrame(
        {
            column.name: _numbers(frame[column.name])
            if column.kind == "numeric"
            else _text(frame[column.name])
            for column in columns
        },
        index=frame.index,
    )


def _numbers(values: pd.Series) -> pd.Series:
    return values.astype("float64")


def _text(values: pd.Series) -> pd.Series:
    text = values.astype(object)
    return text.where(text.notna() & (text != ""), None)
