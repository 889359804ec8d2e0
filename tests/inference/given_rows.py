"""Rows of given features, and what our own protocol answers to them: what every other one must answer too."""

from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from tests.inference.bundles import COLUMNS

ROWS: list[dict[str, Any]] = [
    {"cars": 12.5, "trend": 0.1, "capacity": 200, "district": "hill", "hour": 13, "free_share": 0.2},
    {"cars": -40.0, "trend": None, "capacity": 300, "district": None, "hour": 0, "free_share": None},
    {"cars": None, "trend": -1e-7, "capacity": 400, "district": "Öst", "hour": 23, "free_share": 1 / 3},
]


def expected(client: httpx.Client, rows: list[dict[str, Any]] = ROWS) -> list[float]:
    """The predictions of `/v1/predict` for the same features."""
    response = client.post("/v1/predict", json={"instances": [{"features": row} for row in rows]})
    assert response.status_code == 200, response.text
    return [answer["prediction"] for answer in response.json()["predictions"]]


def columns_of(rows: list[dict[str, Any]] = ROWS) -> dict[str, list[Any]]:
    """The rows by column."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def arrays_of(rows: list[dict[str, Any]] = ROWS) -> dict[str, npt.NDArray[Any]]:
    """The rows as the arrays that a client of tensors has: FP64 with NaN, and texts with empty ones."""
    return {
        column.name: np.array([row[column.name] for row in rows], np.float64)
        if column.kind == "numeric"
        else np.array([row[column.name] or "" for row in rows], np.object_)
        for column in COLUMNS
    }
