"""`/v2/models/NAME[/versions/VERSION]/infer`, as JSON or with raw tensors."""

from datetime import UTC, datetime
from typing import Final

from inference.errors import InferenceError
from inference.observability.call import Call
from inference.protocols.adapter import InferenceRequest, answer_headers, json_refusal
from inference.protocols.errors import one_message
from inference.protocols.inference_requests import read_questions
from inference.protocols.open_inference.infer_request import InferLimits
from inference.protocols.open_inference.json_messages import (
    HEADER_LENGTH,
    OCTETS,
    read_request,
    write_response,
)
from inference.protocols.served_name import addressed_model, require_version, signatures_of
from inference.rest.application_state import ApplicationState
from inference.rest.fast_path.middleware import FastResponse
from inference.rest.media_type import JSON_ONLY, UNNAMED, MediaTypes


class OpenInferenceAdapter:
    """The Open Inference Protocol v2 over HTTP."""

    name: Final = "open_inference"
    media_types: Final[MediaTypes] = JSON_ONLY | {OCTETS, UNNAMED}

    async def predict(self, state: ApplicationState, request: InferenceRequest, call: Call) -> FastResponse:
        """Answer an inference request."""
        model = addressed_model(state, request.address)
        signatures = signatures_of(state, model)
        with state.metrics.timed("decode", call.trace):
            limits = InferLimits(signatures, state.settings.max_items)
            decoded = read_request(request.body, request.headers.get(HEADER_LENGTH.lower()), limits)
            questions = read_questions(decoded.table, signatures, state.schema, datetime.now(UTC))
        require_version(state, request.address, questions)
        answers = await state.service.predict(questions, call)
        written = write_response(model.ref.name, decoded, answers)
        return FastResponse(
            200, written.body, written.content_type, answer_headers(answers, written.headers), answers
        )

    def refuse(self, error: InferenceError) -> FastResponse:
        """The protocol's error document."""
        return json_refusal(error, {"error": one_message(error)})


OPEN_INFERENCE: Final = OpenInferenceAdapter()
