"""The graph behind BentoML."""

import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(
    workers=int(os.environ["WORKERS"]), metrics={"enabled": True}, logging={"access": {"enabled": False}}
)
class Scoring:
    """Rows to their predictions."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        self.inputs = {given.name for given in self.session.get_inputs()}

    @bentoml.api
    async def predict(self, categorical: list[list[str]], numeric: list[list[float]]) -> list[float]:
        """Score in the event loop: a thread per call is slower."""
        rows = {
            "categorical": np.array(categorical, dtype=object),
            "numeric": np.array(numeric, dtype=np.float32),
        }
        (prediction,) = self.session.run(["prediction"], {name: rows[name] for name in self.inputs})
        return prediction.reshape(-1).tolist()
