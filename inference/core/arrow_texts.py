"""Arrow columns as text: bare bytes, as Hive and old Spark write their strings, are read as UTF-8."""

import pyarrow as pa
import pyarrow.compute as pc


def as_texts(column: pa.Array) -> pa.Array:
    """The column as text; a dictionary stays one, of texts.

    Raises:
        pa.ArrowException: it holds no text, or bytes that are not UTF-8.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        if kind.value_type == pa.string():
            return column
        return pa.DictionaryArray.from_arrays(column.indices, as_texts(column.dictionary))
    if pa.types.is_fixed_size_binary(kind):
        column = pc.cast(column, pa.binary())
    elif not _is_textual(kind):
        raise pa.ArrowTypeError(f"{kind} is no text")
    return pc.cast(column, pa.string())


def _is_textual(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_null(kind)
    )
