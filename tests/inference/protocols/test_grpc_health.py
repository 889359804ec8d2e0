"""The gRPC port answers the standard health check, and takes messages packed as gzip."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from grpc import StatusCode as Code
from tritonclient.grpc import service_pb2_grpc

from inference.settings import InferenceSettings
from tests.inference.callers import new_key
from tests.inference.given_rows import expected
from tests.inference.protocols.test_grpc import ALONE, typed_request
from tests.inference.running import PATIENCE, ServerProcess, free_port, is_live, process_client, wait_until
from tests.inference.world import copy_served, world_settings


@pytest.fixture(scope="module")
def grpc_settings(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    var = tmp_path_factory.mktemp("grpc_health") / "var"
    return copy_served(built_world, var, grpc_port=free_port())


@pytest.fixture(scope="module")
def http(grpc_settings: InferenceSettings) -> Iterator[httpx.Client]:
    with process_client(grpc_settings) as client:
        yield client


def check_health(settings: InferenceSettings, request: bytes) -> bytes:
    """What `grpc.health.v1.Health/Check` answers to anybody, as it is on the wire."""
    with grpc.insecure_channel(f"127.0.0.1:{settings.grpc_port}", ALONE) as channel:
        answer: bytes = channel.unary_unary("/grpc.health.v1.Health/Check")(request, timeout=PATIENCE)
        return answer


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService"])
def test_the_standard_health_check_is_answered(
    http: httpx.Client, grpc_settings: InferenceSettings, service: str
) -> None:
    named = b"\x0a" + bytes([len(service)]) + service.encode() if service else b""

    assert check_health(grpc_settings, named) == b"\x08\x01"


def test_a_service_that_is_not_there_has_no_health(
    http: httpx.Client, grpc_settings: InferenceSettings
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        check_health(grpc_settings, b"\x0a\x05other")

    assert refused.value.code() is Code.NOT_FOUND


def test_without_a_model_it_is_not_serving_and_needs_no_key(tmp_path: Path) -> None:
    settings = world_settings(tmp_path, grpc_port=free_port(), api_keys=tmp_path / "keys.json")
    new_key(tmp_path / "keys.json", "caller")
    server = ServerProcess(settings)
    try:
        wait_until(lambda: is_live(server.url), "the server")

        assert check_health(settings, b"") == b"\x08\x02"
    finally:
        server.kill()


def test_gzip_is_unpacked_and_deflate_refused(http: httpx.Client, grpc_settings: InferenceSettings) -> None:
    address = f"127.0.0.1:{grpc_settings.grpc_port}"
    with grpc.insecure_channel(address, ALONE, grpc.Compression.Gzip) as channel:
        packed = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(typed_request())
    with grpc.insecure_channel(address, ALONE, grpc.Compression.Deflate) as channel:
        deflated = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer.future(typed_request())
        code = deflated.code()

    assert list(packed.outputs[0].contents.fp64_contents) == expected(http)
    assert code is Code.UNIMPLEMENTED
