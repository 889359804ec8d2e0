"""The room's views that events keep fresh, in one service with all their columns."""

from feast import FeatureService

from features.flight_delay.definitions import (
    aircraft_legs,
    aircraft_legs_push,
    carrier,
    carrier_operations,
    carrier_operations_push,
    dest,
    destination_operations,
    destination_operations_push,
    origin,
    origin_operations,
    origin_operations_push,
    tailnum,
)

__all__ = ["aircraft_legs_push", "carrier", "carrier_operations_push", "dest"]
__all__ += ["destination_operations_push", "origin", "origin_operations_push", "tailnum"]

streamed_v1 = FeatureService(
    name="streamed_v1",
    features=[origin_operations, carrier_operations, destination_operations, aircraft_legs],
)
