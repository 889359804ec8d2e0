"""Request ids, the line of each request, and the service's own log: what they say and what they never say."""

import io
import json
import logging
import os
import signal
import threading
from datetime import datetime
from time import perf_counter
from typing import Any

import httpx
import pytest

from inference.core.answer import Answer
from inference.observability import request_log
from inference.observability.call import Call
from inference.observability.json_logging import JsonFormatter
from inference.observability.metrics import ServiceMetrics
from inference.observability.observer import RequestObserver
from inference.observability.request_ids import RequestIds, current_request_id
from inference.observability.request_log import WAITING_LINES, RequestLog, RequestLogLevel
from inference.settings import InferenceSettings
from tests.inference.running import (
    ROOT,
    SAYS_JSON,
    is_ready,
    list_warnings,
    running_server,
    started_command,
    wait_until,
)
from tests.inference.world import instance

CALL = Call(perf_counter(), "grpc", "key-1", "request-1")


def answer(version: str, role: Any = "champion") -> Answer:
    return Answer("a", 0.5, version, (), (), (), False, role)


def test_a_reader_that_goes_away_ends_no_log_and_is_said(
    settings: InferenceSettings, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(request_log, "STDERR", writing)
    with running_server(settings.model_copy(update={"request_log": "all"})) as client:
        assert not list_warnings(client)
        os.close(reading)
        (warning,) = wait_until(lambda: client.get("/health/ready").json()["warnings"], "the warning")
        assert warning["code"] == "requests_unlogged"
        assert "stderr takes no lines" in warning["message"]
        # when: somebody reads again
        reading, anew = os.pipe()
        os.dup2(anew, writing)
        wait_until(lambda: not list_warnings(client), "its end")
        assert b'"route":"/health/ready"' in os.read(reading, 65_536)
    for descriptor in (reading, writing, anew):
        os.close(descriptor)


def written(level: RequestLogLevel, *records: tuple[int, list[Answer]]) -> list[dict[str, Any]]:
    stream = io.BytesIO()
    log = RequestLog(level, stream)
    for status, answers in records:
        log.record(CALL, "/v1/predict", status, answers)
    log.close()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_line_that_says_who_asked_and_what_answered() -> None:
    (line,) = written("all", (200, [answer("7"), answer("7")]))

    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is not None
    assert line.pop("duration_ms") > 0
    assert line == {
        "event": "request",
        "request_id": "request-1",
        "protocol": "grpc",
        "route": "/v1/predict",
        "status": 200,
        "items": 2,
        "model_version": "7",
        "role": "champion",
        "caller": "key-1",
    }


def test_several_models_in_one_answer_are_all_named() -> None:
    (line,) = written("all", (200, [answer("7"), answer("8", "challenger"), answer("7")]))

    assert (line["model_version"], line["role"]) == ("7,8", "challenger,champion")


def test_errors_alone_are_written_where_only_they_are_asked_for() -> None:
    lines = written("errors", (200, [answer("7")]), (429, []), (503, []))

    assert [line["status"] for line in lines] == [429, 503]
    assert all("model_version" not in line for line in lines)


def test_a_reader_that_is_stuck_holds_nothing_up_and_is_told_what_it_missed() -> None:
    reading, writing = os.pipe()
    beyond = 5_000
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb") as writer:
        log = RequestLog("all", writer)
        for _ in range(WAITING_LINES + beyond):
            log.record(CALL, "/v1/predict", 200)

        def close() -> None:
            log.close()
            writer.close()

        closing = threading.Thread(target=close)
        closing.start()
        lines = [json.loads(line) for line in reader]
        closing.join()

    missed = [line["lines"] for line in lines if line["event"] == "dropped"]
    assert 0 < sum(missed) <= beyond
    assert len(lines) - len(missed) + sum(missed) == WAITING_LINES + beyond


@pytest.mark.parametrize("given", [b"order-17", b"0af7651916cd43dd8448eb211c80319c", b"a/b:c=1+2._-"])
def test_a_sane_id_is_the_callers(given: bytes) -> None:
    assert RequestIds().take(given) == given.decode()


@pytest.mark.parametrize(
    "given", [None, b"", b"x" * 129, b"two words", b'"quoted"', b"line\nbreak", b"caf\xc3\xa9", b"\x00"]
)
def test_any_other_id_is_made_anew(given: bytes | None) -> None:
    ids = RequestIds()

    made = {ids.take(given) for _ in range(100)} | {RequestIds().take(given)}

    assert len(made) == 101
    assert all(name.isalnum() and name.isascii() for name in made)


def test_the_services_own_log_carries_the_requests_id() -> None:
    observer = RequestObserver(ServiceMetrics())
    record = logging.LogRecord("inference", logging.WARNING, __file__, 1, "gone for %s s", (3,), None)
    token = current_request_id.set(None)
    try:
        before = json.loads(JsonFormatter().format(record))
        observer.identify([(b"host", b"here"), (b"x-request-id", b"order-17")])
        during = json.loads(JsonFormatter().format(record))
    finally:
        current_request_id.reset(token)

    assert "request_id" not in before
    assert during["request_id"] == "order-17"
    assert (during["level"], during["logger"], during["message"]) == ("warning", "inference", "gone for 3 s")


def test_an_exception_stays_on_its_line() -> None:
    try:
        int("first\nsecond")
    except ValueError as error:
        caught = (type(error), error, error.__traceback__)
    record = logging.LogRecord("inference", logging.ERROR, __file__, 1, "failed", (), caught)

    line = JsonFormatter().format(record)

    assert "\n" not in line
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_a_served_request_is_named_in_its_answer_and_on_its_line_and_shows_nothing_that_was_sent(
    settings: InferenceSettings, champion: str, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "rt_key.wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY"
    with running_server(settings.model_copy(update={"request_log": "all"})) as client:
        named = {"x-request-id": "order-17", "x-api-key": secret}
        answered = client.post("/v1/predict", json=instance("north"), headers=named)
        refused = client.post("/v1/predict", json=instance(spaces="heaps"), headers={"x-request-id": "a b"})
        client.get("/v1/model", headers={"x-request-id": "order-18"})
    said = capfd.readouterr().err

    lines = {line["request_id"]: line for line in map(json.loads, said.splitlines()) if "event" in line}
    assert answered.headers["x-request-id"] == "order-17"
    line = lines["order-17"]
    assert (line["route"], line["status"], line["items"]) == ("/v1/predict", 200, 1)
    assert (line["model_version"], line["role"], line["protocol"]) == ("1", "champion", "roundtrip")
    assert refused.headers["x-request-id"] != "a b"
    assert lines[refused.headers["x-request-id"]]["status"] == 422
    assert lines["order-18"]["route"] == "/v1/model"
    for sent in (secret, "north", "heaps"):
        assert sent not in said


@pytest.mark.slow
def test_everything_that_a_json_service_says_is_json(
    settings: InferenceSettings, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LOG_FORMAT": "json", "REQUEST_LOG": "errors"}.items():
        monkeypatch.setenv(f"ROUNDTRIP_{name}", value)
    with started_command(ROOT / "inference" / "__main__.py", settings) as (process, url):
        wait_until(lambda: is_ready(url), "a model")
        httpx.post(f"{url}/v1/predict", content=b"{", headers={**SAYS_JSON, "x-request-id": "order-19"})
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)

    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["status"] for line in lines if line.get("request_id") == "order-19"] == [400]
    assert any(line.get("message", "").startswith("Serving parking version") for line in lines)
