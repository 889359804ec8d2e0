"""Several models behind one core: each question to its own, failures to the champion, shadows unseen."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.registry import version_ref
from inference.core.answer import Answer
from inference.errors import ExplanationUnavailableError, InvalidRequestError, ScoringError
from inference.model_loading.model_follower import ModelFollower
from inference.model_loading.served_model import ServedModel, load_model
from inference.model_loading.serving_set import ServingSet
from inference.observability.call import Call
from inference.observability.cost import Prices
from inference.observability.metrics import ServiceMetrics
from inference.prediction import shadow_scoring
from inference.prediction.admission import Admission
from inference.prediction.service import PredictionService
from inference.prediction_log.reader import read_predictions, read_shadows
from inference.prediction_log.schema import log_folder
from inference.prediction_log.writer import PredictionLog
from inference.rollout.split import Mode, Split
from inference.settings import InferenceSettings
from inference.validation.schema import Question
from tests.inference.bundles import COLUMNS, LevelModel, LogModel
from tests.inference.parking import PROBLEM
from tests.inference.running import PATIENCE, wait_until
from tests.inference.validation.test_given_features import GIVEN
from tests.inference.world import NOON, add_model

TOMORROW = datetime(2100, 1, 1, tzinfo=UTC)
FEWER_COLUMNS = tuple(column for column in COLUMNS if column.name != "trend")


class Core:
    """The core over a serving set of the test's choice."""

    def __init__(self, settings: InferenceSettings) -> None:
        self.settings = settings
        self.log = PredictionLog(log_folder(settings), 1_000, 1_000.0, 1_000)
        self.follower = ModelFollower(settings, PROBLEM, on_load=lambda _: None)
        self.metrics = ServiceMetrics(Prices.declared(settings))
        self.service = PredictionService(
            self.follower, self.log, self.metrics, Admission(1.0, 1_000), settings.inline_items
        )

    def load(self, model: LevelModel, **changes: int) -> ServedModel:
        version = add_model(self.settings, model, **changes)
        return load_model(self.settings, PROBLEM, version_ref(self.settings.registry, PROBLEM.name, version))

    def close(self) -> None:
        self.service.close()
        self.log.close()

    def serve(self, champion: LevelModel, challenger: LevelModel, mode: Mode, share: float = 0.5) -> None:
        policy = Split(mode, share, "request_id", "salt")
        self.follower.serving = ServingSet(self.load(champion), self.load(challenger), policy)

    def predict(self, *questions: Question, large: bool = False, explain: bool = False) -> tuple[Answer, ...]:
        async def ask() -> tuple[Answer, ...]:
            if large:
                return self.service.predict_blocking(questions, Call(perf_counter()))
            return await self.service.predict(questions, Call(perf_counter(), explain=explain))

        return asyncio.run(ask())


@pytest.fixture
def core(settings: InferenceSettings) -> Iterator[Core]:
    core = Core(settings)
    yield core
    core.close()


def questions(count: int, **changes: float | str | None) -> list[Question]:
    """Alternately looked up and given."""
    fields = {"site": "north", "opens_at": NOON, "spaces": 40, "fee": 2.5}
    return [
        Question(f"request-{number}", {}, NOON, {**GIVEN, **changes})
        if number % 2
        else Question(f"request-{number}", fields, NOON)
        for number in range(count)
    ]


@pytest.mark.parametrize("large", [False, True])
def test_each_question_is_answered_by_its_own_model_in_order(core: Core, large: bool) -> None:
    core.serve(LevelModel(1.0), LevelModel(2.0), "ab")

    answers = core.predict(*questions(12), large=large)

    assert [answer.request_id for answer in answers] == [f"request-{number}" for number in range(12)]
    roles = {answer.request_id: answer.role for answer in answers}
    assert set(roles.values()) == {"champion", "challenger"}
    for answer in answers:
        level, version = (1.0, "1") if answer.role == "champion" else (2.0, "2")
        assert answer.prediction == pytest.approx(level + 0.125)
        assert answer.model_version == version
    logged = read_predictions(core.settings, NOON, TOMORROW).set_index("request_id")["role"]
    assert logged.to_dict() == roles


@pytest.mark.parametrize("large", [False, True])
def test_what_a_challenger_fails_at_is_answered_by_the_champion(core: Core, large: bool) -> None:
    core.serve(LevelModel(1.0), LogModel(2.0), "ab", share=0.999)

    answers = core.predict(*questions(6, cars=-2_000.0), large=large)

    assert [answer.role for answer in answers[1::2]] == ["champion"] * 3
    assert [answer.role for answer in answers[::2]] == ["challenger"] * 3
    assert answers[1].prediction == pytest.approx(-1.0)
    assert b'roundtrip_model_failures_total{role="challenger",version="2"}' in core.metrics.render()


def test_features_that_only_the_champion_reads_go_to_the_champion(core: Core) -> None:
    core.serve(LevelModel(1.0), LevelModel(2.0, FEWER_COLUMNS), "ab", share=0.999)

    looked_up, given = core.predict(*questions(2))

    assert (looked_up.role, given.role) == ("challenger", "champion")


def test_the_champion_s_own_failure_is_the_caller_s(core: Core) -> None:
    core.serve(LogModel(1.0), LevelModel(2.0), "shadow")

    with pytest.raises(ScoringError):
        core.predict(*questions(2, cars=-2_000.0))
    with pytest.raises(InvalidRequestError, match="version 1"):
        core.predict(Question("a", {}, NOON, {"cars": 1.0}))


def test_a_shadow_is_logged_once_for_each_answer_and_never_answers(core: Core) -> None:
    core.serve(LevelModel(1.0), LevelModel(2.0, FEWER_COLUMNS), "shadow")

    answers = core.predict(*questions(5))
    again = core.predict(*questions(5))

    assert answers == again
    assert {answer.role for answer in answers} == {"champion"}
    wait_until(lambda: len(read_shadows(core.settings, NOON, TOMORROW)) == 3, "shadows")
    shadows = read_shadows(core.settings, NOON, TOMORROW).set_index("request_id")
    assert set(shadows["model_version"]) == {"2"}
    assert shadows["prediction"].tolist() == pytest.approx([2.125] * 3)
    assert len(read_predictions(core.settings, NOON, TOMORROW)) == 5


class ObservedLock:
    """Says when somebody has to wait for it."""

    def __init__(self, waited_for: threading.Event) -> None:
        self._lock, self._waited_for = threading.Lock(), waited_for

    def __enter__(self) -> None:
        if self._lock.locked():
            self._waited_for.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_requests_that_begin_shadow_scoring_at_once_start_one_thread(
    settings: InferenceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the first thread is made when a second request has come as far, or waits for it
    arrived = threading.Event()
    second = threading.Thread(target=lambda: core.predict(*questions(4)[2:], large=True))

    class ObservedThread(threading.Thread):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)
            if len(made) == 1:
                second.start()
                assert arrived.wait(PATIENCE)
            else:
                arrived.set()

    made = list[ObservedThread]()
    monkeypatch.setattr(shadow_scoring, "Lock", lambda: ObservedLock(arrived))
    monkeypatch.setattr(shadow_scoring, "Thread", ObservedThread)
    core = Core(settings)
    core.serve(LevelModel(1.0), LevelModel(2.0), "shadow")
    # when
    core.predict(*questions(2), large=True)
    second.join()
    # then
    assert len(made) == 1
    core.close()
    assert len(read_shadows(settings, NOON, TOMORROW)) == 4


def test_a_shadow_that_fails_harms_nobody(core: Core) -> None:
    core.serve(LevelModel(1.0), LogModel(2.0), "shadow")

    answers = core.predict(*questions(4, cars=-2_000.0))

    assert len(answers) == 4
    counted = b'roundtrip_model_failures_total{role="shadow",version="2"} 1.0'
    wait_until(lambda: counted in core.metrics.render(), "the shadow's failure")


def test_an_explained_answer_is_the_logged_one_with_reasons(core: Core) -> None:
    core.serve(LevelModel(1.0), LevelModel(2.0), "shadow")

    (plain,) = core.predict(questions(2)[1])
    (explained,) = core.predict(questions(2)[1], explain=True)

    assert plain.reasons is None
    assert explained.prediction == plain.prediction
    assert {reason.feature for reason in explained.reasons or ()} >= {"cars"}
    assert len(read_predictions(core.settings, NOON, TOMORROW)) == 1


def test_an_explained_retry_explains_the_row_that_was_answered(core: Core) -> None:
    core.follower.serving = ServingSet(core.load(LevelModel(1.0)))
    (asked, other), much_later = questions(3)[::2], NOON + timedelta(days=9)

    (first,) = core.predict(asked)
    (again,) = core.predict(replace(asked, as_of=much_later), explain=True)
    (fresh,) = core.predict(other, explain=True)

    assert again.prediction == first.prediction
    assert again.reasons == fresh.reasons


def test_what_cannot_be_explained_is_not_logged(core: Core) -> None:
    core.follower.serving = ServingSet(core.load(LevelModel(1.0), reference_rows=0))

    with pytest.raises(ExplanationUnavailableError, match="ask without explain"):
        core.predict(questions(2)[1], explain=True)

    assert read_predictions(core.settings, NOON, TOMORROW).empty


def test_a_challenger_without_reasons_leaves_them_to_the_champion(core: Core) -> None:
    champion, challenger = core.load(LevelModel(1.0)), core.load(LevelModel(2.0), reference_rows=0)
    core.follower.serving = ServingSet(champion, challenger, Split("ab", 0.999, "request_id", "salt"))

    (answer,) = core.predict(questions(2)[1], explain=True)

    assert (answer.role, answer.prediction) == ("champion", pytest.approx(1.125))  # type: ignore[comparison-overlap]
    assert answer.reasons
    assert len(read_predictions(core.settings, NOON, TOMORROW)) == 1
