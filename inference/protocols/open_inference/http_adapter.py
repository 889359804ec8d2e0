"""`/v2/models/NAME[/versions/VERSION]/infer`, as JSON or with raw tensors."""

from datetime import UTC, datetime
from typing import Final

from inference.application_state import ApplicationState
from inference.call import Call
from inference.errors import InferenceError
from inference.front_door import HotResponse
from inference.media_type import JSON_ONLY, UNNAMED, MediaTypes
from inference.protocols.door import Asked, answer_headers, json_refusal
from inference.protocols.errors import one_message
from inference.protocols.open_inference.infer_request import InferLimits
from inference.protocols.open_inference.json_messages import (
    HEADER_LENGTH,
    OCTETS,
    read_request,
    write_response,
)
from inference.protocols.questions import read_questions
from inference.protocols.served_address import addressed_model, require_version, signatures_of


class OpenInferenceDoor:
    """The Open Inference Protocol v2 over HTTP."""

    name: Final = "open_inference"
    media_types: Final[MediaTypes] = JSON_ONLY | {OCTETS, UNNAMED}

    async def predict(self, state: ApplicationState, asked: Asked, call: Call) -> HotResponse:
        """Answer an inference request."""
        model = addressed_model(state, asked.address)
        signatures = signatures_of(state, model)
        with state.metrics.timed("decode", call.trace):
            limits = InferLimits(signatures, state.settings.max_items)
            request = read_request(asked.body, asked.headers.get(HEADER_LENGTH.lower()), limits)
            questions = read_questions(request.table, signatures, state.schema, datetime.now(UTC))
        require_version(state, asked.address, questions)
        answers = await state.service.predict(questions, call)
        written = write_response(model.ref.name, request, answers)
        return HotResponse(
            200, written.body, written.content_type, answer_headers(answers, written.headers), answers
        )

    def refuse(self, error: InferenceError) -> HotResponse:
        """The protocol's error document."""
        return json_refusal(error, {"error": one_message(error)})


OPEN_INFERENCE: Final = OpenInferenceDoor()
