"""The ranking, wired: data once → windows → a model each → importance → advice → confirmation → MLflow."""

from dataclasses import dataclass
from datetime import datetime

from contracts.metrics import improvement, require_comparable
from contracts.problem import Problem
from training.errors import RankingError
from training.estimators.base import Estimator
from training.pipeline import Stopwatch, run_plainly
from training.ranking.data import RankingData, read_ranking_data
from training.ranking.history import log_ranking, read_last_ranks
from training.ranking.importance import RankedFeature, WindowImportance, proposed_drops, rank_features
from training.ranking.splits import (
    FAMILY,
    REPEATS,
    cheap_estimator,
    cut_window,
    judge_window,
    measure_window,
    window_ends,
)
from training.settings import TrainingSettings

WINDOWS = 3
ROWS = 60_000


@dataclass(frozen=True)
class RankingRequest:
    """What to rank: over `windows` windows before the newest, known as of `as_of` (UTC)."""

    as_of: datetime
    windows: int = WINDOWS
    family: str = FAMILY
    repeats: int = REPEATS
    rows: int = ROWS


@dataclass(frozen=True)
class Confirmation:
    """The primary metric on the newest window, which the ranking has not seen, with and without the drops."""

    metric: str
    with_all: float
    without_drops: float
    better_without: float


@dataclass(frozen=True)
class RankingOutcome:
    """A ranking and where it is logged."""

    request: RankingRequest
    ranking: list[RankedFeature]
    windows: list[WindowImportance]
    drops: list[str]
    confirmation: Confirmation | None
    compared: bool
    run_id: str
    seconds: dict[str, float]


def rank(settings: TrainingSettings, problem: Problem, request: RankingRequest) -> RankingOutcome:
    """Rank the features of the problem's service, propose drops, confirm them, and log all of it.

    Raises:
        RankingError: there is no window, or no candidate of that family.
        DatasetError: there is too little data, or it breaks its schema.
        UnknownMetricError: the primary metric cannot be compared.
    """
    if request.windows < 1:
        raise RankingError("ranking needs at least one window; give --windows 1 or more")
    require_comparable(problem.task, problem.primary_metric)
    estimator = cheap_estimator(problem, request.family)
    run = Stopwatch(run_plainly)
    ends = window_ends(problem, request.as_of, request.windows)
    data = run("read", read_ranking_data, settings, problem, request.as_of, ends[-1], request.rows)
    windows = [
        run(f"judge {end:%Y-%m-%d}", _judge, settings, problem, estimator, request, data, end) for end in ends
    ]
    previous = read_last_ranks(settings.registry, problem)
    ranking = rank_features(data.training_set.columns, windows, previous)
    drops = proposed_drops(ranking)
    confirmation = run("confirm", _confirm, settings, problem, request, data, drops)
    run_id = run("log", _log, settings, problem, request, windows, ranking, confirmation)
    return RankingOutcome(request, ranking, windows, drops, confirmation, bool(previous), run_id, run.seconds)


def _judge(
    settings: TrainingSettings,
    problem: Problem,
    estimator: Estimator,
    request: RankingRequest,
    data: RankingData,
    end: datetime,
) -> WindowImportance:
    window = cut_window(data, problem, end)
    return judge_window(window, problem, estimator, settings.seed, request.repeats)


def _confirm(
    settings: TrainingSettings,
    problem: Problem,
    request: RankingRequest,
    data: RankingData,
    drops: list[str],
) -> Confirmation | None:
    """Fit twice for the newest window; None where nothing, or everything, would be dropped."""
    if not drops or len(drops) == len(data.training_set.columns):
        return None
    estimator = cheap_estimator(problem, request.family)
    window = cut_window(data, problem, request.as_of)
    everything = measure_window(window, problem, estimator, settings.seed)
    fewer = measure_window(window.without(drops), problem, estimator, settings.seed)
    gained = improvement(problem.task, problem.primary_metric, fewer, everything)
    return Confirmation(problem.primary_metric, everything, fewer, gained)


def _log(
    settings: TrainingSettings,
    problem: Problem,
    request: RankingRequest,
    windows: list[WindowImportance],
    ranking: list[RankedFeature],
    confirmation: Confirmation | None,
) -> str:
    params: dict[str, str | int | float] = {
        "as_of": request.as_of.isoformat(),
        "windows": request.windows,
        "family": request.family,
        "repeats": request.repeats,
        "rows": request.rows,
        "seed": settings.seed,
        "drops": ", ".join(proposed_drops(ranking)),
    }
    confirmed = (
        {}
        if confirmation is None
        else {
            f"{confirmation.metric}_with_all": confirmation.with_all,
            f"{confirmation.metric}_without_drops": confirmation.without_drops,
        }
    )
    return log_ranking(settings.registry, problem, params, windows, ranking, confirmed)
