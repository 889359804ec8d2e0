"""What the log and the labels say about a rollout: each arm's requests, failures, slow ones, and losses."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from contracts.problem import Problem
from features.contract import INGESTED_AT, read_ingested_labels
from features.errors import ContradictionError, TableMissingError
from features.settings import FeatureSettings
from inference.prediction_log.label_join import KNOWN_AT, LABEL, join_labels
from inference.prediction_log.reader import read_predictions, read_shadows
from inference.prediction_log.segment import BATCH
from inference.rollout.draws import POSITION, STEP, UNIT
from inference.rollout.errors import OutcomesUnreadableError
from inference.rollout.record import Rollout
from inference.rollout.split import position, unit_of
from inference.settings import InferenceSettings
from inference.validation.limits import EARLIEST

IS_CHALLENGERS = "is_challengers"
KNOWABLE_AT = "knowable_at"


@dataclass(frozen=True)
class Evidence:
    """The online requests of a rollout, oldest first (by `logged_at`), with what is known of their labels.

    Columns of `answers`: those of the log, `label` (NaN when unknown), `knowable_at` (when a judge could see
    both), `unit`, its `position`, `step`, and `is_challengers` (whether the unit is the challenger's).
    `shadows`: what the challenger scored unseen.
    """

    answers: pd.DataFrame
    shadows: pd.DataFrame


def gather_evidence(
    settings: InferenceSettings, problem: Problem, rollout: Rollout, as_of: datetime, now: datetime
) -> Evidence:
    """Read the requests since the rollout began, and the labels known as of `as_of`; `now` is the wall clock.

    Raises:
        PredictionLogError: the log cannot be read.
        OutcomesUnreadableError: the labels cannot be read just now.
    """
    start = EARLIEST if settings.replay else rollout.steps_began[0]  # in replay, time is the callers'
    answers = _counted(read_predictions(settings, start, as_of), rollout, now)
    shadows = _counted(read_shadows(settings, start, as_of), rollout, now)
    labelled = join_labels(answers, _read_labels(settings.features, problem, as_of), problem.label)
    assigned = assign_arms(labelled.assign(**{KNOWABLE_AT: _knowable_at(labelled)}), rollout)
    if rollout.policy.mode == "shadow":
        return Evidence(_since_first(assigned, shadows, rollout), shadows)
    return Evidence(since_settled(assigned, rollout), shadows)


def _read_labels(settings: FeatureSettings, problem: Problem, as_of: datetime) -> pd.DataFrame:
    try:
        return read_ingested_labels(settings.tables, problem.label, as_of)
    except TableMissingError:  # no outcome has been recorded yet
        times = dict.fromkeys((KNOWN_AT, INGESTED_AT), "datetime64[us, UTC]")
        empty = {"example_id": "object", problem.label.name: "float64", **times}
        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in empty.items()})
    except ContradictionError as error:
        raise OutcomesUnreadableError(str(error)) from error
    except duckdb.Error as error:  # it may be replaced at this very moment
        raise OutcomesUnreadableError(
            f"the outcomes in {settings.tables} cannot be read ({error}); try again, or build them anew with "
            "`python -m features build`"
        ) from error


def _knowable_at(labelled: pd.DataFrame) -> pd.Series:
    """When both answer and label were there: what is ingested late must not come before what was judged."""
    return labelled[[INGESTED_AT, "logged_at"]].max(axis=1).where(labelled[LABEL].notna())


def _counted(rows: pd.DataFrame, rollout: Rollout, now: datetime) -> pd.DataFrame:
    """The two versions' rows; not batches, nor the last moments: their other half may be unwritten."""
    logged = (rows["logged_at"] >= rollout.steps_began[0]) & (rows["logged_at"] <= now - _settling(rollout))
    versions = rows["model_version"].isin([rollout.champion, rollout.challenger])
    counted = rows[logged & versions & (rows["source"] != BATCH)]
    return counted.sort_values(["logged_at", "request_id"], ignore_index=True)


def assign_arms(rows: pd.DataFrame, rollout: Rollout) -> pd.DataFrame:
    """Say of each row whose it is, as the servers' own rule has it."""
    policy = rollout.policy
    values = _key_values(rows, policy.key)
    units = [
        unit_of(policy.key, request_id, {policy.key: None if pd.isna(value) else value})
        for request_id, value in zip(rows["request_id"], values, strict=True)
    ]
    began = pd.DatetimeIndex(rollout.steps_began)
    step = began.searchsorted(pd.DatetimeIndex(rows["logged_at"]), side="right") - 1
    positions = np.array([position(policy.salt, unit) for unit in units])
    mine = positions < np.asarray(policy.shares)[step]
    added: dict[str, Any] = {UNIT: units, POSITION: positions, STEP: step, IS_CHALLENGERS: mine}
    return rows.assign(**added)


def _key_values(rows: pd.DataFrame, key: str) -> pd.Series:
    """The logged values of the sticky key; whole numbers beside nulls, which pandas made floats, as such."""
    column = f"key.{key}"
    if column not in rows:
        return pd.Series([None] * len(rows), dtype=object)
    values = rows[column]
    return values.astype("Int64") if is_float_dtype(values) else values


def since_settled(rows: pd.DataFrame, rollout: Rollout) -> pd.DataFrame:
    """The rows logged once servers had surely followed their step, and had the challenger."""
    began = pd.DatetimeIndex(rollout.steps_began)[rows[STEP]]
    follows = rows["logged_at"] >= began + _settling(rollout)
    return _since_first(rows[follows], rows[rows["role"] == "challenger"], rollout)


def _since_first(rows: pd.DataFrame, challengers: pd.DataFrame, rollout: Rollout) -> pd.DataFrame:
    """The rows logged since the challenger first scored and every server had the time to load it."""
    if challengers.empty:
        return rows.iloc[:0]
    began = challengers["logged_at"].min() + _settling(rollout)
    since: pd.DataFrame = rows[rows["logged_at"] >= began].reset_index(drop=True)
    return since


def _settling(rollout: Rollout) -> timedelta:
    return timedelta(seconds=rollout.policy.settle_seconds)
