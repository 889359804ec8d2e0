"""Arrow tables as frames whose whole numbers stay whole: pandas makes floats of a column that has a null."""

import pandas as pd
import pyarrow as pa


def exact_frame(table: pa.Table | pa.RecordBatch) -> pd.DataFrame:
    """Return the table as a frame; whole numbers beside nulls are `Int64`, which tells all ids apart."""
    frame: pd.DataFrame = table.to_pandas()
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if pa.types.is_integer(field.type) and column.null_count:
            frame.isetitem(place, pd.array(column.to_pylist(), dtype=_nullable(field.type)))
    return frame


def _nullable(kind: pa.DataType) -> str:
    return "UInt64" if pa.types.is_uint64(kind) else "Int64"
