"""`python -m training rank` on the second problem: history in MLflow, drops confirmed, no look ahead."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner, Result

from contracts.registry import open_client
from tests.second_problem.problem import PROBLEM
from tests.second_problem.tables import DAYS, START
from tests.second_problem.world import build_docks, dock_environment
from training.command import app
from training.errors import EmptyWindowError
from training.ranking.data import RankingData, read_ranking_data
from training.ranking.run import RankingOutcome, RankingRequest, rank
from training.ranking.splits import cheap_estimator, cut_window, measure_window, window_ends
from training.settings import TrainingSettings

AS_OF = START + timedelta(days=DAYS - 3)
LATER = AS_OF + timedelta(days=2)
NOISE, STRONGEST = "weekday", {"docks", "district"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    return build_docks(tmp_path_factory.mktemp("docks") / "var")


@pytest.fixture(scope="module")
def outcomes(settings: TrainingSettings) -> list[RankingOutcome]:
    """Two rankings, two days apart."""
    return [rank(settings, PROBLEM, RankingRequest(as_of)) for as_of in (AS_OF, LATER)]


@pytest.fixture(scope="module")
def data(settings: TrainingSettings) -> RankingData:
    return read_ranking_data(settings, PROBLEM, AS_OF, window_ends(PROBLEM, AS_OF, 3)[-1], rows=2_000)


def run(settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    for name, value in dock_environment(settings.var).items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(app, ["rank", *arguments])


def test_what_carries_the_demand_comes_first_and_noise_is_dropped(outcomes: list[RankingOutcome]) -> None:
    for outcome in outcomes:
        assert {feature.name for feature in outcome.ranking[:2]} == STRONGEST
        assert outcome.drops == [NOISE]
        assert all(feature.beyond_noise == 1 for feature in outcome.ranking[:5])


def test_the_second_ranking_is_compared_with_the_first(outcomes: list[RankingOutcome]) -> None:
    first, second = outcomes
    assert (first.compared, second.compared) == (False, True)
    assert {feature.moved for feature in first.ranking} == {None}
    before = {feature.name: feature.rank for feature in first.ranking}
    assert all(feature.moved == before[feature.name] - feature.rank for feature in second.ranking)


def test_a_ranking_is_a_run_with_metrics_a_table_and_a_figure(
    settings: TrainingSettings, outcomes: list[RankingOutcome]
) -> None:
    first = outcomes[0]
    logged = open_client(settings.registry).get_run(first.run_id)
    for feature in first.ranking:
        assert logged.data.metrics[f"rank/{feature.name}"] == feature.rank
        assert logged.data.metrics[f"importance/{feature.name}"] == pytest.approx(feature.mean)
    assert logged.data.params["drops"] == NOISE
    assert first.confirmation is not None
    assert logged.data.metrics["rmse_without_drops"] == pytest.approx(first.confirmation.without_drops)
    (table,) = (
        path for path in settings.registry.artifact_root.rglob("ranking.json") if first.run_id in str(path)
    )
    shown = json.loads(table.read_text())
    assert [row[shown["columns"].index("name")] for row in shown["data"]] == [it.name for it in first.ranking]
    assert (table.parent / "importance.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_ranking_again_is_the_same(
    settings: TrainingSettings, outcomes: list[RankingOutcome]
) -> None:
    again = rank(settings, PROBLEM, RankingRequest(AS_OF))
    assert [feature.windows for feature in again.ranking] == [
        feature.windows for feature in outcomes[0].ranking
    ]


def test_the_windows_end_before_the_one_that_confirms() -> None:
    gate = PROBLEM.windows.gate
    assert window_ends(PROBLEM, AS_OF, 3) == [AS_OF - gate, AS_OF - 2 * gate, AS_OF - 3 * gate]


def test_a_window_is_learned_from_only_what_was_known_when_it_began(data: RankingData) -> None:
    # Given that the labels of the week before a window became known only after it had begun
    end = AS_OF - PROBLEM.windows.gate
    begin, frame = end - PROBLEM.windows.gate, data.training_set.frame
    before = frame["event_timestamp"].between(begin - timedelta(days=7), begin, inclusive="left")
    known_at = frame["known_at"].where(~before, begin + timedelta(minutes=1))
    late = replace(data.training_set, frame=frame.assign(known_at=known_at))

    # When / then nothing is left to calibrate on: those five days are within that week
    with pytest.raises(EmptyWindowError, match="calibration"):
        cut_window(replace(data, training_set=late), PROBLEM, end)


def test_a_window_is_judged_whole_and_what_came_before_is_sampled(data: RankingData) -> None:
    window, frame = cut_window(data, PROBLEM, AS_OF), data.training_set.frame
    begin = AS_OF - PROBLEM.windows.gate
    assert len(window.held) == (frame["event_timestamp"] >= begin).sum()
    assert len(window.parts["fit"]) < (frame["event_timestamp"] < begin).sum()


def test_leaving_out_the_strongest_costs_and_leaving_out_noise_does_not(data: RankingData) -> None:
    window, estimator = cut_window(data, PROBLEM, AS_OF), cheap_estimator(PROBLEM)
    whole = measure_window(window, PROBLEM, estimator, seed=1)
    without_noise = measure_window(window.without([NOISE]), PROBLEM, estimator, seed=1)
    without_strong = measure_window(
        window.without([*STRONGEST, "rides_last_day"]), PROBLEM, estimator, seed=1
    )
    assert without_noise < 1.1 * whole
    assert without_strong > 1.3 * whole


def test_the_command_prints_the_table(settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(settings, monkeypatch, "--as-of", AS_OF.isoformat(), "--windows", "1", "--rows", "1000")
    assert done.exit_code == 0, done.output
    assert f"{NOISE}" in done.output
    assert "drop: " in done.output
    assert "Without the " in done.output
    assert "Logged as MLflow run" in done.output


def test_the_command_explains_itself(settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(settings, monkeypatch, "--help")
    assert done.exit_code == 0
    for said in ("--as-of", "--windows", "--family", "--repeats", "--rows", "shuffling"):
        assert said in done.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--as-of", "2020-01-01T00:00:00Z"), 1, "EmptyWindowError"),
        (("--as-of", (START + timedelta(days=20)).isoformat()), 1, "fewer --windows"),
        (("--as-of", AS_OF.isoformat(), "--family", "oracle"), 1, "no candidate 'oracle'"),
        (("--as-of", "2024-04-01"), 2, "no zone"),
        (("--as-of", AS_OF.isoformat(), "--windows", "0"), 2, "--windows"),
        ((), 2, "--as-of"),
    ],
)
def test_what_cannot_be_ranked_is_said(
    settings: TrainingSettings,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    done = run(settings, monkeypatch, *arguments)
    assert done.exit_code == code, done.output
    assert said in done.output
