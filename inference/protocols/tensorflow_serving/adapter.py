"""`/v1/models/NAME[/versions/VERSION|/labels/LABEL]:predict`, in row and in columnar format.

Source: TensorFlow Serving's RESTful API.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from inference.errors import InferenceError, InvalidRequestError
from inference.observability.call import Call
from inference.protocols.adapter import InferenceRequest, json_answer, json_refusal
from inference.protocols.errors import one_message
from inference.protocols.inference_requests import read_questions
from inference.protocols.served_name import addressed_model, require_version, signatures_of
from inference.protocols.signatures import GIVEN
from inference.protocols.table import Column, Table, table_of_object, table_of_records
from inference.rest.application_state import ApplicationState
from inference.rest.fast_path.middleware import FastResponse
from inference.rest.media_type import JSON_ONLY, UNNAMED, MediaTypes
from inference.validation.json_object import read_object

DEFAULT_SIGNATURE: Final = "serving_default"
ROWS, COLUMNS, SIGNATURE = "instances", "inputs", "signature_name"
ANSWERED: Final = {ROWS: "predictions", COLUMNS: "outputs"}


class TensorFlowServingAdapter:
    """TensorFlow Serving's predict call."""

    name: Final = "tensorflow_serving"
    media_types: Final[MediaTypes] = JSON_ONLY | {UNNAMED}

    async def predict(self, state: ApplicationState, request: InferenceRequest, call: Call) -> FastResponse:
        """Answer a predict request."""
        signatures = signatures_of(state, addressed_model(state, request.address))
        with state.metrics.timed("decode", call.trace):
            document = read_object(request.body)
            form = _form(document)
            table = _read_table(document[form], form, signatures.known, state.settings.max_items)
            questions = read_questions(
                table, signatures, state.schema, datetime.now(UTC), _signature(document.get(SIGNATURE))
            )
        require_version(state, request.address, questions)
        answers = await state.service.predict(questions, call)
        return json_answer({ANSWERED[form]: [answer.prediction for answer in answers]}, answers)

    def refuse(self, error: InferenceError) -> FastResponse:
        """TensorFlow Serving's error document."""
        return json_refusal(error, {"error": one_message(error)})


TENSORFLOW_SERVING: Final = TensorFlowServingAdapter()


def _form(document: dict[str, Any]) -> str:
    forms = [form for form in (ROWS, COLUMNS) if document.get(form) is not None]
    strange = set(document) - {ROWS, COLUMNS, SIGNATURE}
    if len(forms) != 1 or strange:
        raise InvalidRequestError(
            f"send an object with either {ROWS!r} (a list of rows) or {COLUMNS!r} (lists by name), and at "
            f"most {SIGNATURE!r} besides"
        )
    return forms[0]


def _signature(sent: object) -> str | None:
    if sent is None or sent == "":  # both say that none is named
        return None
    return GIVEN if sent == DEFAULT_SIGNATURE else str(sent)[:64]


def _read_table(sent: object, form: str, known: Mapping[str, None], limit: int) -> Table:
    if form == ROWS:
        if not isinstance(sent, list):
            raise InvalidRequestError(f"{ROWS!r} is no list; send a list of {{name: value}}")
        table = table_of_records(sent, known, limit)
    else:
        table = table_of_object(sent, known, limit)
    return replace(table, columns={name: _plain(values) for name, values in table.columns.items()})


def _plain(values: Column) -> list[Any]:
    return [_unwrapped(value) if isinstance(value, dict) else value for value in values]


def _unwrapped(value: dict[str, Any]) -> Any:
    """Text that was sent as `{"b64": ...}`; what is no such object is left for the checks to refuse."""
    encoded = value.get("b64")
    if len(value) != 1 or not isinstance(encoded, str):
        return value
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return value
