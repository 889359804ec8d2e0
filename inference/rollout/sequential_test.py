"""Sequential tests that stay valid however often they are looked at: betting against "no worse".

A gambler who bets on each observation before seeing it, at odds that are fair or worse while the hypothesis
holds, multiplies the stake by 1/alpha with probability alpha at most, at whatever time one looks (Ville's
inequality). So the hypothesis is given up once the wealth reaches 1/alpha. Nothing is assumed of the
observations but bounds: no distribution, no independence, no common variance.

Sources: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024),
section 4, for the wealth process; Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
nonasymptotic confidence sequences", Annals of Statistics 49 (2021), section 4.2, for comparing two randomised
arms with predictable predictions of the outcome. The bets are a mixture of constant fractions of the largest
bet that cannot lose everything, as in Cover's universal portfolio (Mathematical Finance 1, 1991).

Of the libraries that offer such tests, confseq has had no release since 2023 and compiles C++ with Boost;
expectation does not install on this Python. This is the part of them that is needed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
FRACTIONS: Final = tuple(0.9 / 2**power for power in range(8))
PRIOR_MEAN: Final = 0.5


@dataclass(frozen=True)
class Observations:
    """Values (..., N) in order of arrival, whose conditional means are at most 0 under the hypothesis.

    `floor` (..., N) bounds each from below by its negative, and is known before the value is seen.
    """

    value: Floats
    floor: Floats


def log_wealth(observations: Observations) -> Floats:
    """The logarithm of the wealth after each observation, (..., N): an e-process for "no mean above 0"."""
    total: Floats = np.full(observations.value.shape, -np.inf)
    scaled = observations.value / observations.floor
    for fraction in FRACTIONS:
        total = np.logaddexp(total, np.cumsum(np.log1p(fraction * scaled), axis=-1))
    return np.subtract(total, np.log(len(FRACTIONS)))


def paired(challenger: Floats, champion: Floats, margin: float = 0.0) -> Observations:
    """How much more the challenger loses than the champion on the same requests, beyond `margin`.

    Both losses (..., N) lie in [0, 1].
    """
    difference = challenger - champion - margin
    return Observations(difference, np.full_like(difference, 1.0 + margin))


def two_arms(
    loss: Floats, is_challenger: npt.NDArray[np.bool_], share: Floats, margin: float = 0.0
) -> Observations:
    """How much more the challenger's arm loses than the champion's, beyond `margin`.

    `loss` (..., N) in [0, 1] of the model that answered; `share` (..., N) is the probability with which the
    unit was given to the challenger. Each observation estimates the effect without bias whatever the losses
    are, since the arm was drawn independently of them; subtracting the mean loss so far only calms it.
    """
    centred, mean = _centred(loss)
    value = centred * np.where(is_challenger, 1 / share, -1 / (1 - share)) - margin
    return Observations(value, np.maximum(mean / share, (1 - mean) / (1 - share)) + margin)


def two_arms_better(loss: Floats, is_challenger: npt.NDArray[np.bool_], share: Floats) -> Observations:
    """How much less the challenger's arm loses than the champion's: `two_arms` seen from the other side."""
    centred, mean = _centred(loss)
    value = centred * np.where(is_challenger, -1 / share, 1 / (1 - share))
    return Observations(value, np.maximum((1 - mean) / share, mean / (1 - share)))


def above(share: float, happened: npt.NDArray[np.bool_]) -> Observations:
    """How much more often than `share` something happened (..., N)."""
    value: Floats = happened.astype(np.float64) - share
    return Observations(value, np.full_like(value, share))


def _centred(loss: Floats) -> tuple[Floats, Floats]:
    """The losses less the mean of those before each, and that mean (with one prior loss of `PRIOR_MEAN`)."""
    count = np.arange(1, loss.shape[-1] + 1)
    mean = (np.cumsum(loss, axis=-1) - loss + PRIOR_MEAN) / count
    return loss - mean, mean
