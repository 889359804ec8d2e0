"""A server is asked for several times what it can answer: its capacity, calm hours, overload."""

from pathlib import Path

import pytest

from experiments.benchmarks.http_serving import overload
from experiments.benchmarks.http_serving.load import Step
from experiments.benchmarks.http_serving.overload import CALM_SHARE, TIMES, expected_answers, press
from tests.experiments.answering import BETWEEN_PIECES, BODY, FIRST, answering

SECONDS = 0.5


def test_what_is_asked_follows_from_what_can_be_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overload, "CAPACITY_CONNECTIONS", 4)
    monkeypatch.setattr(overload, "OPEN_CONNECTIONS", 8)
    with answering(lambda _body: [FIRST[:30], FIRST[30:]]) as port:
        pressed = press(Step(port, "/", {}, [b"{}"]), [BODY], tmp_path, SECONDS)

    asked = pressed.capacity.rate * SECONDS
    assert pressed.capacity.p50_ms >= BETWEEN_PIECES * 1_000
    for share, load in ((CALM_SHARE, pressed.calm), (TIMES, pressed.overload)):
        assert load.asked + load.missed == pytest.approx(share * asked, rel=0.3)
        assert load.statuses == {200: load.asked}
        assert (load.wrong, load.unsaid) == (0, 0)


def test_an_answer_is_told_by_its_first_prediction() -> None:
    first, second = expected_answers([0.25710809230804443, 0.5, 0.18159329891204834], batch=2)

    assert first in b'{"predictions":[{"prediction":0.2571080923080444,"model_version":"1"}]}'
    assert second in b'{"predictions":[{"prediction":0.1815932,"model_version":"1"}]}'
    assert second not in b'{"predictions":[{"prediction":0.1925932,"model_version":"1"}]}'
