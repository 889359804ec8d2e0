"""The graph behind LitServe: `server.py MODEL PORT WORKERS`."""

import sys

import litserve
import numpy as np
import onnxruntime


class Scoring(litserve.LitAPI):
    """One request's rows to their predictions."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Open the graph in the worker."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(sys.argv[1], options)
        self.inputs = {given.name for given in self.session.get_inputs()}

    def decode_request(self, request: dict) -> dict:
        """Arrays from the request's two lists."""
        rows = {
            "categorical": np.array(request["categorical"], dtype=object),
            "numeric": np.array(request["numeric"], dtype=np.float32),
        }
        return {name: rows[name] for name in self.inputs}

    def predict(self, rows: dict) -> np.ndarray:
        """Score."""
        return self.session.run(["prediction"], rows)[0]

    def encode_response(self, prediction: np.ndarray) -> dict:
        """A plain list."""
        return {"predictions": prediction.reshape(-1).tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Scoring(), accelerator="cpu", workers_per_device=int(sys.argv[3]))
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[2]),
        num_api_servers=int(sys.argv[3]),
        log_level="warning",
        generate_client_file=False,
    )
