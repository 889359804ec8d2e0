"""The graph behind MLServer, as a runtime of its own."""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput


class Scoring(MLModel):
    """Two tensors to one."""

    async def load(self) -> bool:
        """Open the graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        self.wanted = {given.name for given in self.session.get_inputs()}
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Score."""
        rows = {given.name: read_tensor(given) for given in payload.inputs if given.name in self.wanted}
        (prediction,) = self.session.run(["prediction"], rows)
        output = NumpyCodec.encode_output("prediction", prediction.reshape(-1))
        return InferenceResponse(model_name=self.name, outputs=[output])


def read_tensor(given: RequestInput) -> np.ndarray:
    """An array of the tensor's shape: strings or numbers."""
    if given.datatype == "BYTES":
        return np.array(StringCodec.decode_input(given), dtype=object).reshape(given.shape)
    return NumpyCodec.decode_input(given)
