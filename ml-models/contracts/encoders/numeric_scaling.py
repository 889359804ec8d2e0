"""Numbers for models that want them scaled: impute, clip to the range seen, standardise, flag the missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from contracts.encoders.onnx_graphs import GraphBuilder
from contracts.matrix import Floats, Numbers

TAIL = 0.002
SMALLEST_FLAGGED_SHARE = 0.002


def finite(numeric: Numbers) -> Numbers:
    """The numbers with infinities as NaN: an overflow is a missing value, not an extreme one."""
    return np.where(np.isinf(numeric), np.float32(np.nan), numeric)


@dataclass(frozen=True)
class NumericScaling:
    """Fitted ranges of the F numeric columns, each float32 (F,).

    Clipping keeps one absurd value from deciding a prediction and keeps float32 from overflowing. `flagged`
    is one where missing values were seen often enough to learn from, and zero where a flag would be noise.
    """

    fill: Numbers
    low: Numbers
    high: Numbers
    mean: Numbers
    scale: Numbers
    flagged: Numbers

    @classmethod
    def fit(cls, numeric: Numbers) -> NumericScaling:
        """Learn median, range (without the outermost 0.2 % each side), mean and deviation of each column."""
        values = finite(numeric).astype(np.float64)
        flagged = np.isnan(values).mean(axis=0) >= SMALLEST_FLAGGED_SHARE
        empty = np.isnan(values).all(axis=0)
        values[:, empty] = 0.0
        low, fill, high = _quantiles(values, (TAIL, 0.5, 1 - TAIL))
        clipped = np.clip(np.where(np.isnan(values), fill, values), low, high)
        scale = clipped.std(axis=0)
        scale[scale < 1e-9] = 1.0
        parts = (fill, low, high, clipped.mean(axis=0), scale, flagged)
        return cls(*(part.astype(np.float32) for part in parts))

    def transform(self, numeric: Numbers) -> Numbers:
        """Scaled values and missing flags, float32 (N, 2F)."""
        values = finite(numeric)
        missing = np.isnan(values)
        clipped = np.clip(np.where(missing, self.fill, values), self.low, self.high)
        return np.concatenate([(clipped - self.mean) / self.scale, missing * self.flagged], axis=1)

    def append_to(self, graph: GraphBuilder) -> str:
        """Append the same arithmetic; returns float32 (N, 2F)."""
        values = graph.finite_numbers()
        missing = graph.add("IsNaN", values)
        filled = graph.add("Where", missing, graph.constant(self.fill), values)
        clipped = graph.add(
            "Min", graph.add("Max", filled, graph.constant(self.low)), graph.constant(self.high)
        )
        centred = graph.add("Sub", clipped, graph.constant(self.mean))
        scaled = graph.add("Div", centred, graph.constant(self.scale))
        flags = graph.add("Mul", graph.add("Cast", missing, to=1), graph.constant(self.flagged))
        return graph.join([scaled, flags])

    def as_lists(self) -> dict[str, list[float]]:
        """The fitted ranges, ready for JSON."""
        return {part.name: getattr(self, part.name).tolist() for part in fields(self)}

    @classmethod
    def from_lists(cls, saved: Mapping[str, list[float]]) -> NumericScaling:
        """Read the ranges back."""
        return cls(**{name: np.asarray(values, np.float32) for name, values in saved.items()})


def _quantiles(values: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles of what is there in each column, (levels, F)."""
    columns = [np.quantile(column[~np.isnan(column)], levels) for column in values.T]
    return np.array(columns, dtype=np.float64).reshape(-1, len(levels)).T
