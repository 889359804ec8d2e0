"""What one writes first: FastAPI, a pydantic model of the features, the graph. `plain_fastapi PORT WORKERS`.

No access check, no log, no metrics, no batching. `BUNDLE` in the environment names the bundle.
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, create_model

from contracts.bundle.reader import read_bundle
from contracts.matrix import FeatureMatrix, names_of


def create_app() -> FastAPI:
    """The application for the bundle in `BUNDLE`."""
    bundle = read_bundle(Path(os.environ["BUNDLE"]))
    scorer, columns = bundle.scorer(), bundle.contract.columns
    fields: dict[str, Any] = {
        column.name: (str if column.kind == "categorical" else float, ...) for column in columns
    }
    row = create_model("Row", **fields)
    names = names_of(columns, "categorical"), names_of(columns, "numeric")
    app = FastAPI()

    class Request(BaseModel):
        rows: list[row]

    class Answer(BaseModel):
        predictions: list[float]

    @app.post("/predict")
    async def predict(request: Request) -> Answer:
        categorical, numeric = (
            [[getattr(given, name) for name in wanted] for given in request.rows] for wanted in names
        )
        matrix = FeatureMatrix(
            np.array(categorical, dtype=object).reshape(len(request.rows), -1),
            np.array(numeric, dtype=np.float32),
        )
        return Answer(predictions=scorer.score_matrix(matrix).tolist())

    return app


if __name__ == "__main__":
    uvicorn.run(
        "experiments.benchmarks.http_serving.plain_fastapi:create_app",
        factory=True,
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
    )
