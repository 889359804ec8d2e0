"""The two arms of a rollout compared: units and pairs out of the evidence, and the figures that decide."""

from math import exp
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from inference.prediction_log.label_join import LABEL
from inference.prediction_log.reader import REQUEST
from inference.rollout.draws import SHARE, STEP, first_of_each_draw, first_of_each_unit
from inference.rollout.evidence import IS_CHALLENGERS, KNOWABLE_AT, Evidence
from inference.rollout.losses import scaled_loss
from inference.rollout.policy import RolloutPolicy
from inference.rollout.record import Figures, Rollout
from inference.rollout.sequential_test import (
    Observations,
    above,
    log_wealth,
    paired,
    two_arms,
    two_arms_better,
)

LARGEST_LOG_WEALTH = 30.0


def compare(rollout: Rollout, evidence: Evidence) -> Figures:
    """Weigh the evidence; reads nothing.

    Everything is compared by units, each counted once for each time that its arm was drawn (see `draws`), in
    the order in which it could be known: quality as labels arrive, so that they may be late; failures and
    latency as requests are logged.
    """
    if rollout.policy.mode == "shadow":
        return _compare_pairs(rollout.policy, evidence)
    return _compare_arms(rollout, evidence.answers)


def _compare_pairs(policy: RolloutPolicy, evidence: Evidence) -> Figures:
    pairs = paired_requests(evidence)
    known = labelled_pairs(pairs)
    units, labelled = first_of_each_unit(pairs), first_of_each_unit(known)
    failed = units["shadow"].isna().to_numpy()
    slow = is_slow(units["latency_ms"], policy.slow_ms), is_slow(units["shadow_ms"], policy.slow_ms)
    champion, challenger = (_losses(policy, labelled, column) for column in ("prediction", "shadow"))
    share = _mean(pairs[LABEL].notna().to_numpy())
    return Figures(
        labels=(len(labelled), len(labelled)),
        labelled_requests=len(known),
        labels_this_step=len(known),
        requests=(len(pairs), len(pairs)),
        units=(len(units), len(units)),
        mean_loss=_mean_losses(policy, champion, challenger),
        labelled_share=(share, share),
        failures=int(failed.sum()),
        slow_share=(_mean(slow[0]), _mean(slow[1])),
        wealth_worse=_wealth(paired(challenger, champion)),
        wealth_better=_wealth(paired(champion, challenger)),
        wealth_failing=_wealth(above(policy.error_share, failed)),
        wealth_slow=_wealth(paired(slow[1].astype(float), slow[0].astype(float), policy.slow_share)),
    )


def _compare_arms(rollout: Rollout, rows: pd.DataFrame) -> Figures:
    policy = rollout.policy
    units = first_of_each_draw(labelled_rows(rows), policy.shares)
    mine, share = units[IS_CHALLENGERS].to_numpy(bool), units[SHARE].to_numpy(float)
    loss = _losses(policy, units, "prediction")
    requests = first_of_each_draw(rows, policy.shares)
    theirs = requests[IS_CHALLENGERS].to_numpy(bool)
    slow = is_slow(requests["latency_ms"], policy.slow_ms)
    failed = (requests["role"] == "champion").to_numpy()[theirs]
    return Figures(
        **_count(rollout, rows),
        labels=_of_each_arm(mine),
        units=_of_each_arm(theirs),
        mean_loss=_mean_losses(policy, loss[~mine], loss[mine]),
        failures=int(failed.sum()),
        slow_share=(_mean(slow[~theirs]), _mean(slow[theirs])),
        wealth_worse=_wealth(two_arms(loss, mine, share)),
        wealth_better=_wealth(two_arms_better(loss, mine, share)),
        wealth_failing=_wealth(above(policy.error_share, failed)),
        wealth_slow=_wealth(
            two_arms(slow.astype(float), theirs, requests[SHARE].to_numpy(float), policy.slow_share)
        ),
    )


def _count(rollout: Rollout, rows: pd.DataFrame) -> dict[str, Any]:
    """The figures of a rollout with two arms that count every request, also of callers who came back."""
    mine, labelled = rows[IS_CHALLENGERS].to_numpy(bool), rows[LABEL].notna().to_numpy()
    return {
        "labelled_requests": int((labelled & mine).sum()),
        "labels_this_step": int((labelled & mine & (rows[STEP] == rollout.step).to_numpy()).sum()),
        "requests": _of_each_arm(mine),
        "labelled_share": (_mean(labelled[~mine]), _mean(labelled[mine])),
    }


def _of_each_arm(mine: npt.NDArray[np.bool_]) -> tuple[int, int]:
    return int((~mine).sum()), int(mine.sum())


def labelled_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a label, in the order in which a judge could know them."""
    return rows[rows[LABEL].notna()].sort_values([KNOWABLE_AT, "request_id"])


def labelled_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """The labelled ones of `paired_requests` that both models scored, in order of arrival."""
    return labelled_rows(pairs[pairs["shadow"].notna()])


def paired_requests(evidence: Evidence) -> pd.DataFrame:
    """The champion's answers with what the challenger made of them: `shadow`, `shadow_ms`; NaN if nothing."""
    shadows = evidence.shadows.rename(columns={"prediction": "shadow", "latency_ms": "shadow_ms"})
    columns = [*REQUEST, "shadow", "shadow_ms"]
    return evidence.answers.merge(shadows[columns], on=list(REQUEST), how="left", validate="one_to_one")


def is_slow(latency: pd.Series, limit: float) -> npt.NDArray[np.bool_]:
    """Whether each latency (ms) exceeds the limit; an unknown one does not."""
    return np.asarray(latency.fillna(0.0).to_numpy(dtype=np.float64) > limit)


def _losses(policy: RolloutPolicy, rows: pd.DataFrame, prediction: str) -> npt.NDArray[np.float64]:
    label, predicted = (rows[column].to_numpy(np.float64) for column in (LABEL, prediction))
    return scaled_loss(policy.metric, policy.loss_cap, label, predicted)


def _wealth(observations: Observations) -> float:
    path = log_wealth(observations)
    return exp(min(float(path[-1]), LARGEST_LOG_WEALTH)) if len(path) else 1.0


def _mean(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _mean_losses(
    policy: RolloutPolicy, champion: npt.NDArray[np.float64], challenger: npt.NDArray[np.float64]
) -> tuple[float, float] | None:
    """The mean losses in the metric's own unit, cut off at the cap."""
    if not len(champion) or not len(challenger):
        return None
    return float(champion.mean() * policy.loss_cap), float(challenger.mean() * policy.loss_cap)
