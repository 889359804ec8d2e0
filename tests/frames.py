"""Frames as tests read them."""

from typing import Any

import pandas as pd


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows by column; pandas' stubs know of no column that its name is a text."""
    rows: Any = frame.to_dict("records")
    return list(rows)
