"""The messages of the gRPC port's services, declared here and built when it opens.

They live in a descriptor pool of their own: in the default pool they would clash with a client's generated
code of the same names in one process. Names and numbers are the protocol's and are wire format.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClassesForFiles

PACKAGE: Final = "inference"
SERVICE: Final = f"{PACKAGE}.GRPCInferenceService"
HEALTH_PACKAGE: Final = "grpc.health.v1"

# A field is "[repeated ]type name"; its number is its place, from 1. A type that is no scalar is a message,
# by its full name within the package. `params` is the map from text to InferParameter.
NAMED: Final = ("string name", "string version")
TENSOR: Final = ("string name", "string datatype", "repeated int64 shape")
CONTENTS: Final = (*TENSOR, "params parameters", "InferTensorContents contents")
MESSAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "InferParameter": (
        "bool bool_param",
        "int64 int64_param",
        "string string_param",
        "double double_param",
        "uint64 uint64_param",
    ),
    "InferTensorContents": (
        "repeated bool bool_contents",
        "repeated int32 int_contents",
        "repeated int64 int64_contents",
        "repeated uint32 uint_contents",
        "repeated uint64 uint64_contents",
        "repeated float fp32_contents",
        "repeated double fp64_contents",
        "repeated bytes bytes_contents",
    ),
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready",),
    "ModelReadyRequest": NAMED,
    "ModelReadyResponse": ("bool ready",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": (*NAMED, "repeated string extensions"),
    "ModelMetadataRequest": NAMED,
    "ModelMetadataResponse": (
        "string name",
        "repeated string versions",
        "string platform",
        "repeated ModelMetadataResponse.TensorMetadata inputs",
        "repeated ModelMetadataResponse.TensorMetadata outputs",
    ),
    "ModelMetadataResponse.TensorMetadata": TENSOR,
    "ModelInferRequest": (
        "string model_name",
        "string model_version",
        "string id",
        "params parameters",
        "repeated ModelInferRequest.InferInputTensor inputs",
        "repeated ModelInferRequest.InferRequestedOutputTensor outputs",
        "repeated bytes raw_input_contents",
    ),
    "ModelInferRequest.InferInputTensor": CONTENTS,
    "ModelInferRequest.InferRequestedOutputTensor": ("string name", "params parameters"),
    "ModelInferResponse": (
        "string model_name",
        "string model_version",
        "string id",
        "params parameters",
        "repeated ModelInferResponse.InferOutputTensor outputs",
        "repeated bytes raw_output_contents",
    ),
    "ModelInferResponse.InferOutputTensor": CONTENTS,
}
HEALTH_MESSAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "HealthCheckRequest": ("string service",),
    "HealthCheckResponse": ("int32 status",),  # an enumeration, which is the same on the wire
}
ONE_OF: Final = {"InferParameter": "parameter_choice"}
MAP_OF_PARAMETERS: Final = "params"
SCALARS: Final = frozenset(FieldDescriptorProto.Type.keys())


@cache
def message_classes() -> Mapping[str, Any]:
    """The message classes of `inference.GRPCInferenceService`, by their name within the package."""
    return _build(PACKAGE, MESSAGES)


@cache
def health_classes() -> Mapping[str, Any]:
    """The message classes of `grpc.health.v1.Health`."""
    return _build(HEALTH_PACKAGE, HEALTH_MESSAGES)


def _build(package: str, messages: Mapping[str, tuple[str, ...]]) -> Mapping[str, Any]:
    pool, file = DescriptorPool(), _file(package, messages)
    pool.Add(file)
    classes = GetMessageClassesForFiles([file.name], pool)
    return {name.removeprefix(f"{package}."): built for name, built in classes.items()}


def _file(package: str, messages: Mapping[str, tuple[str, ...]]) -> FileDescriptorProto:
    file = FileDescriptorProto(name=f"roundtrip/{package}.proto", package=package, syntax="proto3")
    declared: dict[str, DescriptorProto] = {}
    for name, fields in messages.items():
        outer, _, short = name.rpartition(".")
        place = declared[outer].nested_type if outer else file.message_type
        declared[name] = place.add(name=short)
        for number, field in enumerate(fields, start=1):
            _add_field(declared[name], name, number, field)
        if name in ONE_OF:
            declared[name].oneof_decl.add(name=ONE_OF[name])
    return file


def _add_field(message: DescriptorProto, full_name: str, number: int, declaration: str) -> None:
    *repeated, dtype, name = declaration.split()
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if repeated or dtype == MAP_OF_PARAMETERS:
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if dtype == MAP_OF_PARAMETERS:
        dtype = _add_map_entry(message, full_name)
    scalar = f"TYPE_{dtype.upper()}"
    if scalar in SCALARS:
        field.type = FieldDescriptorProto.Type.Value(scalar)
    else:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{PACKAGE}.{dtype}"
    if full_name in ONE_OF:
        field.oneof_index = 0


def _add_map_entry(message: DescriptorProto, full_name: str) -> str:
    entry = message.nested_type.add(name="ParametersEntry")
    entry.options.map_entry = True
    _add_field(entry, "", 1, "string key")
    _add_field(entry, "", 2, "InferParameter value")
    return f"{full_name}.ParametersEntry"
