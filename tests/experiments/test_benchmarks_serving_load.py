"""The closed-loop load: reads answers however they come, counts each, goes on when a connection broke."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from experiments.benchmarks.http_serving import world
from experiments.benchmarks.http_serving.answer_reading import AnswerReader
from experiments.benchmarks.http_serving.contestants import echo
from experiments.benchmarks.http_serving.load import Onward, Plan, Step, run_load
from experiments.benchmarks.http_serving.tally import Tally
from experiments.benchmarks.http_serving.wire import Columns, write_json
from experiments.processes import Supervisor, free_port
from tests.experiments.answering import (
    BETWEEN_PIECES,
    BODY,
    CHUNKED,
    EMPTY,
    FIRST,
    LAST,
    REFUSED,
    answer,
    answering,
)

SECONDS = 0.4


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [(FIRST, 200, BODY), (LAST, 200, BODY), (CHUNKED, 200, BODY), (REFUSED, 503, b""), (EMPTY, 204, b"")],
    ids=["length first", "length last", "chunked", "no body", "no length"],
)
def test_an_answer_is_whole_at_its_last_byte_wherever_it_is_cut(
    given: bytes, status: int, body: bytes
) -> None:
    reader = AnswerReader()

    for cut in range(1, len(given)):
        assert [reader.feed(given[:cut]), reader.feed(given[cut:])] == [False, True]
        assert (reader.status, reader.body) == (status, body)
    assert [reader.feed(given[place : place + 1]) for place in range(len(given))][-2:] == [False, True]


def test_answers_of_all_kinds_follow_each_other() -> None:
    reader = AnswerReader()

    for given in (FIRST, CHUNKED, REFUSED, CHUNKED, LAST, EMPTY, FIRST):
        assert reader.feed(given)
        assert reader.body == (b"" if given in (REFUSED, EMPTY) else BODY)
        assert (b"\r\nretry-after:" in reader.head) == (given == REFUSED)


def test_only_what_was_sent_after_the_warm_up_counts() -> None:
    tally = Tally(since=10.0)

    for sent, answered, status in ((9.9, 10.5, 200), (10.0, 10.1, 200), (11.0, 11.3, 200), (11.0, 12.0, 503)):
        tally.add(sent, answered, status)

    load = tally.summarise(2.0)
    assert load.statuses == {200: 2, 503: 1}
    assert (load.rate, load.refused) == (1, 1)
    assert load.p50_ms == pytest.approx(200)
    assert load.p99_ms == pytest.approx(298)


@pytest.fixture(scope="module")
def echo_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with Supervisor(tmp_path_factory.mktemp("logs")) as supervisor:
        port = free_port(21_600)
        command = echo(world).command(port, 1)  # type: ignore[arg-type]
        supervisor.start("echo", command, {}, f"http://127.0.0.1:{port}").wait_for_answer("/")
        yield port


def test_the_load_counts_answers_after_the_warm_up(echo_port: int) -> None:
    step = Step(echo_port, "/", {}, [b'{"row":1}', b'{"row":2}'])

    load = run_load(Plan(step, connections=4, warm_up=0.1, seconds=SECONDS))

    assert load.refused == 0
    assert load.statuses[200] == pytest.approx(load.rate * SECONDS, rel=0.01)
    assert 0 < load.p50_ms <= load.p99_ms < SECONDS * 1_000


def test_the_load_says_what_was_not_answered(echo_port: int) -> None:
    step = Step(echo_port, "/", {"transfer-encoding": "unknown"}, [b"{}"])

    load = run_load(Plan(step, connections=1, warm_up=0.0, seconds=SECONDS))

    assert load.rate == 0
    assert load.refused == sum(load.statuses.values()) > 0


def test_requests_larger_than_a_socket_takes_at_once_are_answered(echo_port: int) -> None:
    step = Step(echo_port, "/", {}, [b"x" * 12_000_000])

    load = run_load(Plan(step, connections=2, warm_up=0.0, seconds=SECONDS))

    assert load.statuses[200] >= 2
    assert load.refused == 0


def test_each_answer_counts_though_connections_break() -> None:
    places = count()
    kinds = [[FIRST[:30], FIRST[30:]], [CHUNKED[:70], CHUNKED[70:]], [REFUSED], [FIRST[:60], b""], [b""]]

    with answering(lambda _body: kinds[next(places) % len(kinds)]) as port:
        load = run_load(Plan(Step(port, "/", {}, [b"{}"]), connections=1, warm_up=0.0, seconds=SECONDS))

    asked = sum(load.statuses.values())
    assert asked == next(places)
    assert load.statuses[200] == pytest.approx(0.4 * asked, abs=2)
    assert load.statuses[503] == pytest.approx(0.2 * asked, abs=2)
    assert load.statuses[0] == pytest.approx(0.4 * asked, abs=2)


def test_a_latency_ends_with_the_answers_last_byte() -> None:
    pieces = [FIRST[place : place + 10] for place in range(0, len(FIRST), 10)]

    with answering(lambda _body: pieces) as port:
        load = run_load(Plan(Step(port, "/", {}, [b"{}"]), connections=2, warm_up=0.0, seconds=SECONDS))

    assert load.refused == 0
    assert load.p50_ms >= (len(pieces) - 1) * BETWEEN_PIECES * 1_000


def test_an_answer_that_takes_longer_than_the_load_is_waited_for() -> None:
    pieces = [FIRST[place : place + 1] for place in range(len(FIRST))]
    took = (len(pieces) - 1) * BETWEEN_PIECES

    with answering(lambda _body: pieces) as port:
        load = run_load(Plan(Step(port, "/", {}, [b"{}"]), connections=1, warm_up=took / 4, seconds=took / 8))

    assert load.statuses == {200: 1}
    assert load.rate <= 1 / took


def test_what_the_first_server_answers_is_asked_of_the_second(tmp_path: Path) -> None:
    row = write_json({"metadata": {"feature_names": ["kind"]}, "results": [{"values": ["red"]}]})
    told = answer(b"content-length: %d" % len(row), body=row)
    asked: list[bytes] = []

    def second(body: bytes) -> list[bytes]:
        asked.append(body)
        return [REFUSED] if len(asked) % 2 else [CHUNKED]

    with answering(lambda _body: [told]) as features, answering(second) as model:
        onward = Onward(Step(model, "/", {}, []), Columns(("kind",), ()), "lists")
        load = run_load(Plan(Step(features, "/", {}, [b"{}"]), 1, 0.0, SECONDS, onward))

    assert set(asked) == {b'{"categorical":[["red"]],"numeric":[[]]}'}
    assert load.statuses[200] == pytest.approx(len(asked) / 2, abs=1)
    assert sum(load.statuses.values()) == len(asked)
