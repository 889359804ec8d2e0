"""When the client asks again: what it sends, how long it waits, when it gives up, what it then says."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider

from inference.client import (
    NoAnswerError,
    Prediction,
    RefusedError,
    RetryPolicy,
    RoundtripClient,
    UnreadableAnswerError,
)
from inference.client.errors import NoModelError, RateLimitedError
from inference.client.retrying import PASSING
from tests.inference.running import free_port
from tests.inference.scripted_server import ScriptedAnswer, ScriptedServer

QUICK = RetryPolicy(first_wait=0.01)
FIELDS = {"site": "north"}
ANSWERED: ScriptedAnswer = (
    200,
    {},
    b'{"predictions": [{"request_id": "a", "prediction": 0.5, "model_version": "7", "missing": [],'
    b' "stale": [], "defaulted": [], "degraded": false, "role": "champion"}], "degraded": false}',
)


def refusal(status: int, code: str = "busy", **headers: str) -> ScriptedAnswer:
    return status, headers, b'{"error": {"code": "%s", "message": "m"}}' % code.encode()


def ask(url: str, retries: RetryPolicy = QUICK) -> Prediction:
    with RoundtripClient(url, retries=retries) as client:
        return client.predict(FIELDS)


@pytest.mark.parametrize("status", sorted(PASSING))
def test_what_passes_is_asked_again_as_it_was(status: int) -> None:
    with ScriptedServer(refusal(status), refusal(status), ANSWERED) as server:
        answered = ask(server.url)

    assert answered.prediction == 0.5
    assert len(server.asked) == 3
    assert len({body for _, body in server.asked}) == 1
    assert len({headers["x-request-id"] for headers, _ in server.asked}) == 1
    assert b'"request_id":' in server.asked[0][1]


def test_retry_after_is_waited_for() -> None:
    with ScriptedServer(refusal(429, **{"retry-after": "1"}), ANSWERED) as server:
        began = time.monotonic()
        ask(server.url)

    assert 1.0 <= time.monotonic() - began < 10.0


@pytest.mark.parametrize("as_date", [False, True])
def test_too_long_a_wait_is_left_to_the_caller(as_date: bool) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    after = later if as_date else "3600"
    with (
        ScriptedServer(refusal(429, "rate_limited", **{"retry-after": after})) as server,
        pytest.raises(RateLimitedError) as limited,
    ):
        ask(server.url)

    assert limited.value.retry_after == pytest.approx(3_600, abs=120)


def test_it_gives_up_after_so_many_attempts_with_the_last_error() -> None:
    with ScriptedServer(*[refusal(503, "no_model")] * QUICK.attempts) as server, pytest.raises(NoModelError):
        ask(server.url)

    assert len(server.asked) == QUICK.attempts


@pytest.mark.parametrize(
    ("status", "code"), [(500, "internal"), (422, "invalid_request"), (409, "request_id_reused")]
)
def test_what_does_not_pass_is_not_asked_again(status: int, code: str) -> None:
    with ScriptedServer(refusal(status, code)) as server, pytest.raises(RefusedError) as refused:
        ask(server.url)

    assert (refused.value.status, refused.value.error_code) == (status, code)
    assert len(server.asked) == 1


def test_a_code_that_is_not_known_yet_is_a_refusal_all_the_same() -> None:
    with ScriptedServer(refusal(418, "unheard_of")) as server, pytest.raises(RefusedError) as refused:
        ask(server.url)

    assert type(refused.value) is RefusedError


@pytest.mark.parametrize(
    ("status", "content"), [(200, b"<html>"), (502, b"<html>"), (200, b'{"predictions": 3}')]
)
def test_what_is_no_answer_of_this_service_is_named(status: int, content: bytes) -> None:
    with (
        ScriptedServer(*[(status, {}, content)] * QUICK.attempts) as server,
        pytest.raises(UnreadableAnswerError, match=str(status)),
    ):
        ask(server.url)


def test_silence_ends_with_an_error_that_says_so() -> None:
    with pytest.raises(NoAnswerError, match="ConnectError"):
        ask(f"http://127.0.0.1:{free_port()}", RetryPolicy(2, 0.01))


def test_an_address_that_is_none_is_not_tried_twice() -> None:
    began = time.monotonic()

    with pytest.raises(NoAnswerError, match="UnsupportedProtocol"):
        ask("nowhere", RetryPolicy(5, first_wait=60, longest_wait=60))
    assert time.monotonic() - began < 10


def test_credentials_and_the_trace_are_sent_along() -> None:
    tokens = iter(["first", "second"])
    tracer = TracerProvider().get_tracer("test")
    with (
        ScriptedServer(refusal(503), ANSWERED, ANSWERED) as server,
        RoundtripClient(server.url, token=lambda: next(tokens), retries=QUICK) as by_token,
        RoundtripClient(server.url, api_key="rt_a.b") as by_key,
        tracer.start_as_current_span("outer") as outer,
    ):
        by_token.predict(FIELDS)
        by_key.predict(FIELDS)

    sent = [headers for headers, _ in server.asked]
    assert [headers.get("authorization") for headers in sent] == ["Bearer first", "Bearer second", None]
    assert sent[2]["x-api-key"] == "rt_a.b"
    assert f"{outer.get_span_context().trace_id:032x}" in sent[0]["traceparent"]


def test_the_wait_grows_up_to_its_limit_and_is_drawn() -> None:
    policy = RetryPolicy(attempts=100, first_wait=1.0, longest_wait=8.0)
    silence = httpx.ReadTimeout("silence")

    for attempt, longest in ((1, 1.0), (3, 4.0), (9, 8.0)):
        waits = [policy.wait_after(silence, attempt) or 0.0 for _ in range(300)]
        assert longest * 0.8 < max(waits) <= longest
        assert min(waits) < longest * 0.2
    assert policy.wait_after(silence, policy.attempts) is None
