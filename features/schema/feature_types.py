"""Feast's types by the names it prints for them, so that serving can name types without importing Feast."""

from typing import Final

STRING: Final = "String"
BOOL: Final = "Bool"
INT32: Final = "Int32"
INT64: Final = "Int64"
FLOAT32: Final = "Float32"
FLOAT64: Final = "Float64"
UNIX_TIMESTAMP: Final = "UnixTimestamp"

# What a feature may be declared to be while it cannot be read.
Default = str | int | float | bool
