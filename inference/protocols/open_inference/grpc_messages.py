"""The gRPC port's messages, as the `.proto` files here declare and `make protos` compiles them.

They live in a descriptor pool of their own: in the default pool, where generated `_pb2` modules put theirs,
they would clash with a client's generated code of the same names in one process.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClassesForFiles

COMPILED: Final = Path(__file__).with_suffix(".binpb")


@cache
def message_classes() -> Mapping[str, Any]:
    """The message classes by their full names, such as `inference.ModelInferRequest`."""
    files = FileDescriptorSet.FromString(COMPILED.read_bytes()).file
    pool = DescriptorPool()
    for file in files:
        pool.Add(file)
    classes: Mapping[str, Any] = GetMessageClassesForFiles([file.name for file in files], pool)
    return classes
