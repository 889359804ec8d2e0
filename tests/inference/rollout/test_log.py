"""What is scored unseen has its request's id: in the log it neither hides the answer nor passes for one."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from features.settings import Settings
from inference.prediction_log.reader import read_predictions, read_shadows
from inference.prediction_log.schema import log_folder
from inference.prediction_log.writer import PredictionLog
from tests.inference.logged_lines import DAY, LAYOUT, NEVER, entry

NEXT_DAY = DAY + timedelta(days=1)
REMEMBERED = 100


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path)


@pytest.mark.parametrize("shadow_first", [False, True])
def test_answer_and_shadow_of_one_request_are_read_apart(settings: Settings, shadow_first: bool) -> None:
    log = PredictionLog(log_folder(settings), 10_000, NEVER, REMEMBERED)
    answer = entry("a", version="1", value=0.5)
    shadow = msgspec.structs.replace(entry("a", version="2", value=0.7), role="shadow")
    writes = [lambda: log.append([answer], LAYOUT), lambda: log.append_shadows([shadow], LAYOUT)]
    for write in reversed(writes) if shadow_first else writes:
        write()

    for _ in ("in the journal", "sealed"):
        answers, shadows = (read(settings, DAY, NEXT_DAY) for read in (read_predictions, read_shadows))
        assert answers[["role", "model_version", "prediction"]].to_numpy().tolist() == [
            ["champion", "1", 0.5]
        ]
        assert shadows[["role", "model_version", "prediction"]].to_numpy().tolist() == [["shadow", "2", 0.7]]
        log.close()


def test_a_retry_gets_its_answer_again_after_a_shadow_was_scored(settings: Settings) -> None:
    log = PredictionLog(log_folder(settings), 10_000, NEVER, REMEMBERED)
    log.append([entry("a", version="1", value=0.5)], LAYOUT)
    log.append_shadows([msgspec.structs.replace(entry("a", version="2", value=0.7), role="shadow")], LAYOUT)

    [again] = log.append([entry("a", version="1", value=0.9)], LAYOUT)

    assert (again.prediction, again.role) == (0.5, "champion")
    assert log.lines == 2
    log.close()


def test_what_a_challenger_answers_is_an_answer(settings: Settings) -> None:
    log = PredictionLog(log_folder(settings), 10_000, NEVER, REMEMBERED)
    log.append([msgspec.structs.replace(entry("a", version="2"), role="challenger")], LAYOUT)

    assert read_predictions(settings, DAY, NEXT_DAY)["role"].tolist() == ["challenger"]
    assert read_shadows(settings, DAY, NEXT_DAY).empty
    log.close()
