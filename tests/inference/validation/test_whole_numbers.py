"""Whole numbers beyond 2**53 stay what they are: bounds, requests, the log, and rows scored in bulk."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from msgspec.structs import replace

from contracts.problem import RequestField
from features.repository.feature_store import open_store
from features.schema.service_columns import feature_columns
from features.settings import Settings
from inference.batch.historical import HistoricalReader
from inference.batch.job import BatchJob
from inference.errors import InvalidRequestError
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from inference.validation.schema import RequestSchema
from inference.validation.typed_request import TypedRequest
from tests.features.small_world import START, build_world
from tests.inference.logged_lines import DAY, LAYOUT, entry, open_log
from tests.inference.parking import PROBLEM

LAST = 2**53 + 1
SITE = RequestField(
    name="site", dtype="integer", minimum=LAST, maximum=LAST, example=LAST, description="Site"
)
NUMBERED = PROBLEM.model_copy(update={"entity_keys": (SITE,), "request_fields": ()})


@pytest.mark.parametrize("site", [LAST - 1, LAST + 1, f"{LAST}.0"])
def test_a_number_is_held_against_the_very_bound_that_the_problem_declares(site: object) -> None:
    schema, typed = RequestSchema(NUMBERED, False, 1), TypedRequest(NUMBERED, False, 1)
    assert typed.decode(b'{"site": %d}' % LAST) is not None
    assert schema.decode(b'{"site": %d}' % LAST, DAY)[0].fields == {"site": LAST}
    body = f'{{"site": {site}}}'.encode()
    assert typed.decode(body) is None
    with pytest.raises(InvalidRequestError):
        schema.decode(body, DAY)


def test_a_logged_number_is_read_back_though_another_row_has_none(tmp_path: Path) -> None:
    # given
    settings = Settings(var=tmp_path)
    log = open_log(settings)
    numbered, without = entry("a"), entry("b")
    site, opens_at, _, fee = numbered.keys
    lines = [
        replace(numbered, keys=(site, opens_at, LAST, fee)),
        replace(without, keys=(site, opens_at, None, fee)),
    ]
    # when
    log.append(lines, LAYOUT)
    log.close()
    # then
    rows = read_predictions(settings, DAY, DAY + timedelta(days=1))
    assert rows["key.spaces"].tolist()[0] - (LAST - 1) == 1
    assert rows["key.spaces"].isna().tolist() == [False, True]


def test_a_scored_row_gets_the_features_of_its_id_though_another_row_has_none(tmp_path: Path) -> None:
    # given: loads of two sites with neighbouring ids
    world = build_world(tmp_path)
    loads = {"site": [LAST - 1, LAST], "event_timestamp": [START] * 2, "load": np.array([1, 2], np.float32)}
    table = pd.DataFrame(loads | {"open": [False, True]})
    table.to_parquet(world.tables / "site_load.parquet", coerce_timestamps="us")
    settings = InferenceSettings(var=world.var, features=world)
    columns = feature_columns(open_store(world), "stored_v1")
    nothing = ((), pa.schema([]), tmp_path)
    job = BatchJob(settings, tmp_path, "1", columns, "stored_v1", True, False, *nothing)
    rows = {"site": [LAST - 1, None], "device": ["d0", "d0"], "event_timestamp": [DAY, DAY]}
    # when
    answered = HistoricalReader(job).add(pa.RecordBatch.from_pydict(rows))
    # then
    assert answered["load"].to_pylist() == [1, None]
