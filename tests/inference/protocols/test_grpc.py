"""The Open Inference Protocol over gRPC, as Triton's own client speaks it."""

import asyncio
import random
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from grpc import StatusCode as Code
from tritonclient.grpc import service_pb2, service_pb2_grpc

from inference.app import create_app
from inference.errors import PortTakenError
from inference.prediction_log.reader import read_predictions
from inference.protocols.open_inference.grpc_messages import COMPILED, message_classes
from inference.server import take_port
from inference.settings import InferenceSettings
from tests.inference.commanded import commanded
from tests.inference.given_rows import ROWS, arrays_of, columns_of, expected
from tests.inference.parking import PROBLEM
from tests.inference.running import (
    PATIENCE,
    ROOT,
    ServerProcess,
    environment_of,
    free_port,
    process_client,
    wait_until,
)
from tests.inference.world import copy_served, instance

CALLS = 8
# Channels of one process to one address are one connection otherwise.
ALONE = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture(scope="module")
def grpc_settings(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    var = tmp_path_factory.mktemp("grpc") / "var"
    return copy_served(built_world, var, grpc_port=free_port(), max_items=50, max_body_bytes=100_000)


@pytest.fixture(scope="module")
def http(grpc_settings: InferenceSettings) -> Iterator[httpx.Client]:
    with process_client(grpc_settings) as client:
        yield client


@pytest.fixture(scope="module")
def client(http: httpx.Client, grpc_settings: InferenceSettings) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{grpc_settings.grpc_port}") as opened:
        yield opened


@pytest.fixture(scope="module")
def stub(http: httpx.Client, grpc_settings: InferenceSettings) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{grpc_settings.grpc_port}") as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def test_server_and_model_say_what_they_are(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(PROBLEM.name)
    assert client.is_model_ready(PROBLEM.name, "1")
    assert client.get_server_metadata().extensions == ["binary_tensor_data"]
    described = client.get_model_metadata(PROBLEM.name)
    assert described.versions == ["1"]
    assert [sent.name for sent in described.inputs] == list(columns_of())


def test_triton_s_client_is_answered_as_our_own_protocol_answers(
    client: triton.InferenceServerClient, http: httpx.Client
) -> None:
    result = client.infer(PROBLEM.name, inputs_of_grpc(), request_id="call-1")

    assert result.as_numpy("prediction").tolist() == expected(http)
    assert result.as_numpy("model_version").tolist() == [b"1"] * len(ROWS)
    assert not result.as_numpy("degraded").any()
    response = result.get_response()
    assert (response.id, response.model_version) == ("call-1", "1")
    assert not response.parameters["degraded"].bool_param


def inputs_of_grpc() -> list[Any]:
    inputs = []
    for name, array in arrays_of().items():
        tensor = triton.InferInput(name, list(array.shape), "BYTES" if array.dtype == object else "FP64")
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs


def test_the_asynchronous_client_is_answered_too(
    http: httpx.Client, grpc_settings: InferenceSettings
) -> None:
    async def ask() -> list[list[float]]:
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{grpc_settings.grpc_port}") as opened:
            answers = await asyncio.gather(*(opened.infer(PROBLEM.name, inputs_of_grpc()) for _ in range(20)))
            return [answer.as_numpy("prediction").tolist() for answer in answers]

    assert asyncio.run(ask()) == [expected(http)] * 20


def typed_request(**changes: Any) -> Any:
    request = service_pb2.ModelInferRequest(model_name=PROBLEM.name)
    for name, values in columns_of().items():
        text = name == "district"
        tensor = request.inputs.add(name=name, datatype="BYTES" if text else "FP64", shape=[len(values)])
        if text:
            tensor.contents.bytes_contents.extend((value or "").encode() for value in values)
        else:
            tensor.contents.fp64_contents.extend(float("nan") if value is None else value for value in values)
    return request


def test_typed_contents_are_answered_with_typed_contents(stub: Any, http: httpx.Client) -> None:
    request = typed_request()
    request.outputs.add(name="prediction")
    request.outputs.add(name="model_version")

    response = stub.ModelInfer(request)

    prediction, version = response.outputs
    assert list(prediction.contents.fp64_contents) == expected(http)
    assert list(version.contents.bytes_contents) == [b"1"] * len(ROWS)
    assert not response.raw_output_contents


def test_request_fields_in_their_stead_are_looked_up(stub: Any, http: httpx.Client) -> None:
    request = service_pb2.ModelInferRequest(model_name=PROBLEM.name)
    asked = instance()
    for name in ("site", "opens_at", "prediction_time"):
        tensor = request.inputs.add(name=name, datatype="BYTES", shape=[1, 1])
        tensor.contents.bytes_contents.append(asked[name].encode())
    request.inputs.add(name="spaces", datatype="INT32", shape=[1]).contents.int_contents.append(40)

    response = stub.ModelInfer(request)

    own = http.post("/v1/predict", json=instance(fee=None)).json()["predictions"][0]["prediction"]
    assert list(response.outputs[0].contents.fp64_contents) == [own]


def with_change(change: str) -> Any:
    request = typed_request()
    cars = request.inputs[0]
    if change == "lacking":
        del request.inputs[0]
    elif change == "unknown":
        cars.name = "colour"
    elif change == "shape":
        cars.shape[:] = [2**40]
    elif change == "count":
        cars.contents.fp64_contents.append(1.0)
    elif change == "contents":
        cars.datatype = "FP32"
    elif change == "half":
        cars.datatype = "FP16"
    elif change == "infinite":
        cars.contents.fp64_contents[1] = float("inf")
    elif change == "raws":
        request.raw_input_contents.append(b"12345678")
    elif change == "text":
        request.inputs[3].contents.bytes_contents[1] = b"\xff"
    elif change == "output":
        request.outputs.add(name="probability")
    elif change == "memory":
        cars.parameters["shared_memory_region"].string_param = "region"
    return request


WRONG = [
    ("lacking", Code.INVALID_ARGUMENT, "lacks ['cars']"),
    ("unknown", Code.INVALID_ARGUMENT, "'colour' is no input"),
    ("shape", Code.RESOURCE_EXHAUSTED, "at most 50"),
    ("count", Code.INVALID_ARGUMENT, "has 4 elements"),
    ("contents", Code.INVALID_ARGUMENT, "send fp32_contents"),
    ("half", Code.INVALID_ARGUMENT, "raw_input_contents"),
    ("infinite", Code.INVALID_ARGUMENT, "row 1"),
    ("raws", Code.INVALID_ARGUMENT, "6 inputs, but 1 raw"),
    ("text", Code.INVALID_ARGUMENT, "no UTF-8"),
    ("output", Code.INVALID_ARGUMENT, "no output"),
    ("memory", Code.INVALID_ARGUMENT, "shared_memory"),
]


@pytest.mark.parametrize(("change", "code", "message"), WRONG)
def test_what_is_wrong_has_a_status_and_says_what_to_do(
    stub: Any, change: str, code: Code, message: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(with_change(change))

    assert refused.value.code() is code, refused.value.details()
    assert message in refused.value.details()


@pytest.mark.parametrize(("name", "version"), [("another", ""), (PROBLEM.name, "2")])
def test_another_model_or_version_is_not_found(stub: Any, name: str, version: str) -> None:
    calls = [
        lambda: stub.ModelInfer(service_pb2.ModelInferRequest(model_name=name, model_version=version)),
        lambda: stub.ModelReady(service_pb2.ModelReadyRequest(name=name, version=version)),
        lambda: stub.ModelMetadata(service_pb2.ModelMetadataRequest(name=name, version=version)),
    ]

    for call in calls:
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert refused.value.code() is Code.NOT_FOUND


def test_a_message_over_the_limit_and_one_that_is_none_are_refused(
    http: httpx.Client, grpc_settings: InferenceSettings
) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{grpc_settings.grpc_port}") as channel:
        send = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as large:
            send(bytes(2 * grpc_settings.max_body_bytes))
        with pytest.raises(grpc.RpcError) as garbage:
            send(b"\xff" * 100)

    assert large.value.code() is Code.RESOURCE_EXHAUSTED
    assert garbage.value.code() is Code.INVALID_ARGUMENT


def test_the_messages_are_those_of_the_protocol() -> None:
    theirs = service_pb2.DESCRIPTOR.pool
    ours = message_classes()["inference.ModelInferRequest"].DESCRIPTOR.file

    for message in all_messages(ours.message_types_by_name.values()):
        assert shape_of(message) == shape_of(theirs.FindMessageTypeByName(message.full_name))


def test_the_messages_are_those_of_the_proto_files(tmp_path: Path) -> None:
    folder, compiled = COMPILED.parent, tmp_path / COMPILED.name
    protoc = Path(sys.executable).with_name("protoc")

    options = (f"--proto_path={folder}", f"--descriptor_set_out={compiled}")
    subprocess.run([protoc, *options, *sorted(folder.glob("*.proto"))], check=True)

    assert compiled.read_bytes() == COMPILED.read_bytes(), "run `make protos`"


def all_messages(messages: Iterable[Any]) -> Iterator[Any]:
    for message in messages:
        yield message
        yield from all_messages(message.nested_types)


def shape_of(message: Any) -> Sequence[tuple[Any, ...]]:
    return [
        (
            field.name,
            field.number,
            field.type,
            field.is_repeated,
            field.message_type and field.message_type.full_name,
            field.containing_oneof and field.containing_oneof.name,
        )
        for field in message.fields
    ]


def test_calls_under_way_are_answered_when_the_service_ends(
    settings: InferenceSettings, champion: str
) -> None:
    chosen = settings.model_copy(update={"grpc_port": free_port()})
    codes: list[Code] = []

    def ask() -> None:
        with grpc.insecure_channel(f"127.0.0.1:{chosen.grpc_port}") as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            while Code.UNAVAILABLE not in codes:
                try:
                    stub.ModelInfer(typed_request())
                    codes.append(Code.OK)
                except grpc.RpcError as error:
                    codes.append(error.code())

    server = ServerProcess(chosen)
    try:
        server.wait_until_ready()
        asking = [threading.Thread(target=ask) for _ in range(3)]
        for thread in asking:
            thread.start()
        wait_until(lambda: len(codes) > 50, "answers")
        server.process.terminate()
        server.process.join(PATIENCE)
        for thread in asking:
            thread.join(PATIENCE)
    finally:
        server.kill()

    # What no handler has taken yet when the server stops is cancelled by gRPC itself (grpc/grpc#41785).
    assert {Code.OK, Code.UNAVAILABLE} <= set(codes) <= {Code.OK, Code.UNAVAILABLE, Code.CANCELLED}
    now = datetime.now(UTC)
    logged = read_predictions(chosen, now - timedelta(hours=1), now + timedelta(hours=1))
    assert len(logged) == len(ROWS) * codes.count(Code.OK)


def test_a_busy_port_is_named(settings: InferenceSettings) -> None:
    with take_port("127.0.0.1", 0) as busy:
        busy.listen()
        chosen = settings.model_copy(update={"grpc_port": busy.getsockname()[1]})
        app = create_app(chosen)

        async def start() -> None:
            async with app.router.lifespan_context(app):
                pass

        with pytest.raises(PortTakenError, match="ROUNDTRIP_GRPC_PORT"):
            asyncio.run(start())


IMPORTED = """
import asyncio, sys
from inference.app import create_app
from inference.settings import InferenceSettings

async def start():
    app = create_app(InferenceSettings())
    async with app.router.lifespan_context(app):
        print(*sorted(name for name in ("grpc", "google.protobuf.descriptor_pool") if name in sys.modules))

asyncio.run(start())
"""


@pytest.mark.slow
def test_without_a_port_grpc_is_not_imported(settings: InferenceSettings) -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        env=environment_of(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "grpc" not in run.stdout.split()


@pytest.mark.slow
def test_workers_share_the_port(
    settings: InferenceSettings, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("ROUNDTRIP_GRPC_PORT", str(port))

    def answered() -> bool:
        """Over connections of their own, so that either worker may get them."""
        codes = []
        for _ in range(CALLS):
            with grpc.insecure_channel(f"127.0.0.1:{port}", ALONE) as channel:
                call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
                codes.append(call.future(typed_request(), timeout=PATIENCE).code())
        return set(codes) == {Code.OK}

    with commanded(settings, workers=2) as command:
        wait_until(answered, "both workers")
        command.kill_a_worker(random.Random(0))
        wait_until(answered, "both workers again")
        status, said = command.end()

    assert status == 0, said
