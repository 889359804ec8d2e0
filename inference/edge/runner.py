"""Predict with an edge bundle: JSON lines in, JSON lines out; needs numpy and onnxruntime only.

python run.py < features.jsonl > predictions.jsonl
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

INPUTS = {"categorical": ("", object), "numeric": (np.nan, np.float32)}


class Runner:
    """The exported model; refuses a folder in which a file is not the exported one."""

    def __init__(self, folder: Path) -> None:
        files = json.loads((folder / "manifest.json").read_bytes())["files"]
        content = {name: (folder / name).read_bytes() for name in files}
        for name, digest in files.items():
            if hashlib.sha256(content[name]).hexdigest() != digest:
                raise SystemExit(f"{name} is not the exported one; export again")
        columns = json.loads(content["contract.json"])["columns"]
        self.names = {kind: [c["name"] for c in columns if c["kind"] == kind] for kind in INPUTS}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            content["model.onnx"], options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [given.name for given in self.session.get_inputs()]

    def predict(self, features: dict[str, str | float | None]) -> float:
        """The prediction for one row; a feature that is left out, or null, is missing."""
        if unknown := set(features) - {*self.names["categorical"], *self.names["numeric"]}:
            raise ValueError(f"unknown features {sorted(unknown)}")
        row = {name: self.row(name, features) for name in self.inputs}
        return float(self.session.run(None, row)[0].reshape(-1)[0])

    def row(self, kind: str, features: dict[str, str | float | None]) -> np.ndarray:
        """One input of the graph, (1, columns of this kind)."""
        missing, dtype = INPUTS[kind]
        values = [missing if features.get(name) is None else features[name] for name in self.names[kind]]
        return np.array([values], dtype=dtype)


def answer(runner: Runner, line: str) -> dict[str, float | str]:
    """What is printed for a line; a row that cannot be predicted spoils no other."""
    try:
        return {"prediction": runner.predict(json.loads(line))}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    exported = Runner(Path(__file__).resolve().parent)
    for given in sys.stdin:
        print(json.dumps(answer(exported, given)), flush=True)
