"""`/invocations`: a frame as JSON or CSV in, predictions out. Source: MLflow's scoring server."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.message import Message
from typing import Final

from inference.errors import InferenceError, UnsupportedMediaTypeError
from inference.observability.call import Call
from inference.protocols.adapter import InferenceRequest, json_answer, json_refusal
from inference.protocols.errors import one_message
from inference.protocols.inference_requests import read_questions
from inference.protocols.mlflow_scoring.csv_frame import read_csv
from inference.protocols.mlflow_scoring.json_frame import read_json
from inference.protocols.served_name import addressed_model, signatures_of
from inference.protocols.signatures import Signatures
from inference.protocols.table import Table
from inference.rest.application_state import ApplicationState
from inference.rest.fast_path.middleware import FastResponse
from inference.rest.media_type import MediaTypes

READERS: Final[dict[str, Callable[[bytes, Signatures, int], Table]]] = {
    "application/json": read_json,
    "text/csv": read_csv,
}
CHARSETS: Final = ("utf-8", "utf8")
ERROR_CODES: Final = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
OTHER_ERROR: Final = "BAD_REQUEST"


class MlflowAdapter:
    """MLflow's scoring call."""

    name: Final = "mlflow"
    media_types: Final[MediaTypes] = frozenset(map(str.encode, READERS))

    async def predict(self, state: ApplicationState, request: InferenceRequest, call: Call) -> FastResponse:
        """Answer a scoring request."""
        signatures = signatures_of(state, addressed_model(state, request.address))
        read = _reader(request.headers.get("content-type", ""))
        with state.metrics.timed("decode", call.trace):
            table = read(request.body, signatures, state.settings.max_items)
            questions = read_questions(table, signatures, state.schema, datetime.now(UTC))
        answers = await state.service.predict(questions, call)
        return json_answer({"predictions": [answer.prediction for answer in answers]}, answers)

    def refuse(self, error: InferenceError) -> FastResponse:
        """MLflow's error document."""
        code = ERROR_CODES.get(error.status, OTHER_ERROR)
        return json_refusal(error, {"error_code": code, "message": one_message(error)})


MLFLOW: Final = MlflowAdapter()


def _reader(content_type: str) -> Callable[[bytes, Signatures, int], Table]:
    header = Message()
    header["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    charset = header.get_param("charset", CHARSETS[0])
    read = READERS.get(header.get_content_type()) if content_type else None
    if read is None or str(charset).lower() not in CHARSETS:
        raise UnsupportedMediaTypeError(
            f"content type {content_type[:64]!r} is not read here; send {' or '.join(READERS)} in UTF-8"
        )
    return read
