"""The car parks once more, where who asks for which is nobody's business."""

from tests.inference.parking import PROBLEM as PARKING

PERSONAL = ("site", "spaces", "fee")
PROBLEM = PARKING.model_copy(
    update={
        "entity_keys": tuple(
            field.model_copy(update={"personal": field.name in PERSONAL}) for field in PARKING.entity_keys
        ),
        "request_fields": tuple(
            field.model_copy(update={"personal": field.name in PERSONAL}) for field in PARKING.request_fields
        ),
    }
)
