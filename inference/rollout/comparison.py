"""The two arms of a rollout compared: units and pairs out of the evidence, and the figures that decide."""

from math import exp

import numpy as np
import numpy.typing as npt
import pandas as pd

from inference.label_join import KNOWN_AT, LABEL
from inference.rollout.betting import Observations, above, log_wealth, paired, two_arms, two_arms_better
from inference.rollout.evidence import IS_CHALLENGERS, SHARE, STEP, UNIT, Evidence
from inference.rollout.losses import scaled_loss
from inference.rollout.policy import RolloutPolicy
from inference.rollout.record import Figures, Rollout

LARGEST_LOG_WEALTH = 30.0


def compare(rollout: Rollout, evidence: Evidence) -> Figures:
    """Weigh the evidence; reads nothing.

    Quality is compared by units in the order in which their labels became known, so that labels may be late
    and a caller who comes back is not counted as another one. Failures and slow requests are compared by
    requests, in the order in which they were logged: they are the machine's, not the caller's.
    """
    if rollout.policy.mode == "shadow":
        return _compare_pairs(rollout.policy, evidence)
    return _compare_arms(rollout, evidence.answers)


def _compare_pairs(policy: RolloutPolicy, evidence: Evidence) -> Figures:
    pairs = paired_requests(evidence)
    failed = pairs["shadow"].isna().to_numpy()
    slow = is_slow(pairs["latency_ms"], policy.slow_ms), is_slow(pairs["shadow_ms"], policy.slow_ms)
    labelled = labelled_pairs(pairs)
    champion, challenger = (_losses(policy, labelled, column) for column in ("prediction", "shadow"))
    share = _mean(pairs[LABEL].notna().to_numpy())
    return Figures(
        labels=(len(labelled), len(labelled)),
        labelled_requests=len(labelled),
        labels_this_step=len(labelled),
        requests=(len(pairs), len(pairs)),
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
    units = first_labelled(rows)
    mine, share = units[IS_CHALLENGERS].to_numpy(bool), units[SHARE].to_numpy(float)
    loss = _losses(policy, units, "prediction")
    theirs = rows[IS_CHALLENGERS].to_numpy(bool)
    slow = is_slow(rows["latency_ms"], policy.slow_ms)
    failed = (rows["role"] == "champion").to_numpy()[theirs]
    labelled = rows[LABEL].notna().to_numpy()
    return Figures(
        labels=(int((~mine).sum()), int(mine.sum())),
        labelled_requests=int((labelled & theirs).sum()),
        labels_this_step=int((labelled & theirs & (rows[STEP] == rollout.step).to_numpy()).sum()),
        requests=(int((~theirs).sum()), int(theirs.sum())),
        mean_loss=_mean_losses(policy, loss[~mine], loss[mine]),
        labelled_share=(_mean(labelled[~theirs]), _mean(labelled[theirs])),
        failures=int(failed.sum()),
        slow_share=(_mean(slow[~theirs]), _mean(slow[theirs])),
        wealth_worse=_wealth(two_arms(loss, mine, share)),
        wealth_better=_wealth(two_arms_better(loss, mine, share)),
        wealth_failing=_wealth(above(policy.error_share, failed)),
        wealth_slow=_wealth(
            two_arms(slow.astype(float), theirs, rows[SHARE].to_numpy(float), policy.slow_share)
        ),
    )


def first_labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """The first label of each unit, in order of arrival: a unit's further labels tell of the same draw."""
    known = rows[rows[LABEL].notna()].sort_values([KNOWN_AT, "request_id"])
    return known.drop_duplicates(UNIT, keep="first")


def labelled_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """The labelled ones of `paired_requests` that both models scored, in order of arrival."""
    return pairs[pairs[LABEL].notna() & pairs["shadow"].notna()].sort_values([KNOWN_AT, "request_id"])


def paired_requests(evidence: Evidence) -> pd.DataFrame:
    """The champion's answers with what the challenger made of them: `shadow`, `shadow_ms`; NaN if nothing."""
    shadows = evidence.shadows.rename(columns={"prediction": "shadow", "latency_ms": "shadow_ms"})
    columns = ["request_id", "shadow", "shadow_ms"]
    return evidence.answers.merge(shadows[columns], on="request_id", how="left", validate="one_to_one")


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
