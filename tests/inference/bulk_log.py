"""Predictions written to the log in bulk, as a batch job's are."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa

from inference.prediction_log.compaction import write_parts
from inference.prediction_log.schema import MISSING, PRESENT


def append_batch(folder: Path, frame: pd.DataFrame, schema: pa.Schema) -> list[Path]:
    """Write bulk predictions straight to sealed partitions; the paths written.

    Args:
        folder: `schema.log_folder(settings)`.
        frame: the columns of `schema`; those left out are null, a feature that is null is missing,
            `logged_at` is now and `source` "batch".
        schema: `schema.arrow_schema(columns, problem)`.
    """
    stamps: dict[str, Any] = {"logged_at": pd.Timestamp.now(UTC), "source": "batch", "role": "champion"}
    complete = frame.assign(**{name: value for name, value in stamps.items() if name not in frame})
    arrays = [_column(complete, field) for field in schema]
    return write_parts(
        pa.Table.from_arrays(arrays, schema=schema),
        folder,
        f"batch-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}",
    )


def _column(frame: pd.DataFrame, field: pa.Field) -> pa.Array:
    feature = field.name.replace("status.", "feature.", 1)
    if feature != field.name:
        known = frame[feature].notna() if feature in frame else np.zeros(len(frame), dtype=bool)
        return pa.array(np.where(known, PRESENT, MISSING))
    if field.name not in frame:
        return pa.nulls(len(frame), field.type)
    return pa.Array.from_pandas(frame[field.name], type=field.type)
