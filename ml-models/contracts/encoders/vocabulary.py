"""Categories to whole numbers: 0 for unknown or rare, 1 for missing, then the known ones by frequency."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.encoders.onnx_graphs import CATEGORICAL_INPUT, ML_DOMAIN, GraphBuilder
from contracts.matrix import MISSING_CATEGORY, Categories

OTHER = 0
MISSING = 1


@dataclass(frozen=True)
class Vocabulary:
    """The known categories of each column; looks at no label, so it cannot leak one."""

    known: tuple[tuple[str, ...], ...]

    @classmethod
    def fit(cls, categorical: Categories, minimum_count: int, maximum_size: int) -> Vocabulary:
        """Keep what is seen at least `minimum_count` times, at most `maximum_size` values a column."""
        return cls(tuple(_frequent(column, minimum_count, maximum_size) for column in categorical.T))

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many codes each column has, those for unknown and missing included."""
        return tuple(len(column) + 2 for column in self.known)

    def encode(self, categorical: Categories) -> npt.NDArray[np.int64]:
        """Codes (N, C)."""
        codes = np.empty(categorical.shape, dtype=np.int64)
        for position, known in enumerate(self.known):
            lookup = {value: code for code, value in enumerate((MISSING_CATEGORY, *known), start=MISSING)}
            codes[:, position] = [lookup.get(value, OTHER) for value in categorical[:, position]]
        return codes

    def append_to(self, graph: GraphBuilder) -> list[str]:
        """Append the encoders; returns one int64 (N,) per column."""
        return [self._append_column(graph, position) for position in range(len(self.known))]

    def _append_column(self, graph: GraphBuilder, position: int) -> str:
        column = graph.add(
            "Gather", CATEGORICAL_INPUT, graph.constant(np.asarray(position, np.int64)), axis=1
        )
        keys = [MISSING_CATEGORY, *self.known[position]]
        codes = list(range(MISSING, MISSING + len(keys)))
        return graph.add(
            "LabelEncoder",
            column,
            domain=ML_DOMAIN,
            keys_strings=keys,
            values_int64s=codes,
            default_int64=OTHER,
        )


def _frequent(column: Categories, minimum_count: int, maximum_size: int) -> tuple[str, ...]:
    counts = Counter(column.tolist())
    counts.pop(MISSING_CATEGORY, None)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(value for value, count in ranked[:maximum_size] if count >= minimum_count)
