"""Keys and rows in the online store: Feast's own key bytes, and values that come back as they were."""

from typing import Any

import pytest
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from features.online.codec import KeyEncoder, decode_row, row_encoder
from features.schema.feature_types import FLOAT64, INT64, STRING


@pytest.mark.parametrize(
    "row", [{"site": 3, "device": "d1"}, {"site": -1, "device": ""}, {"site": 0, "device": "é"}]
)
def test_keys_are_feasts_own_bytes(row: dict[str, Any]) -> None:
    values = [Value(int64_val=row["site"]), Value(string_val=row["device"])]
    key = EntityKey(join_keys=["site", "device"], entity_values=values)
    encode = KeyEncoder({"site": "site", "device": "device"}, {"site": INT64, "device": STRING})
    assert encode(row) == serialize_entity_key(key, 3)


@pytest.mark.parametrize("site", [None, float("nan"), "1", 1.5, 2**70, True])
def test_a_value_that_is_no_key_matches_nothing(site: object) -> None:
    assert KeyEncoder({"site": "site"}, {"site": INT64})({"site": site}) is None
    assert KeyEncoder({"site": "site"}, {"site": INT64})({}) is None


def test_rows_come_back_as_they_were() -> None:
    types = {"level": FLOAT64, "mode": STRING, "count": INT64, "gone": FLOAT64, "nan": FLOAT64}
    row = row_encoder(types)([0.1 + 0.2, "low", 7, None, float("nan")])
    assert decode_row(row) == {"level": 0.1 + 0.2, "mode": "low", "count": 7, "gone": None, "nan": None}
