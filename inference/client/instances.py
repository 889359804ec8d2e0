"""What is to be predicted, and how it goes over the wire."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import msgspec

FieldValue = str | int | float | datetime | None
FeatureValue = str | float | None


@dataclass(frozen=True)
class Instance:
    """One to be predicted: its fields, whose features the service looks up, or the features themselves.

    - `fields`: by the problem's names; a `datetime` needs a zone. With `features` they may be left out, and
      are then only logged.
    - `features`: by the model's names, `None` where one is missing; `model().columns` lists them.
    - `request_id`: names the prediction; given again it gets the answer that stands. Made if not given.
    - `prediction_time`: the instant whose knowledge counts; in the service's replay mode only.
    """

    fields: Mapping[str, FieldValue] | None = None
    features: Mapping[str, FeatureValue] | None = None
    request_id: str | None = None
    prediction_time: datetime | None = None


Asked = Instance | Mapping[str, FieldValue]


def encode_instances(asked: Iterable[Asked]) -> bytes:
    """The body of a request for these. Each has a request id, so that the body may be sent again.

    A mapping is an instance's fields, and may carry its `request_id` among them.
    """
    return msgspec.json.encode({"instances": [_document(one) for one in asked]})


def _document(asked: Asked) -> dict[str, object]:
    if not isinstance(asked, Instance):
        return {"request_id": uuid4().hex, **asked}
    given = {"features": asked.features, "prediction_time": asked.prediction_time}
    document = {"request_id": asked.request_id or uuid4().hex, **(asked.fields or {})}
    return document | {name: value for name, value in given.items() if value is not None}
