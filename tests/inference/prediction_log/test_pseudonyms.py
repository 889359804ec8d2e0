"""Personal fields are logged under pseudonyms that group and join as the values did, and tell nothing."""

import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import SecretStr

from inference.batch.run import BatchOptions, score_file
from inference.prediction_log.errors import PseudonymKeyError
from inference.prediction_log.label_join import LABEL, join_labels
from inference.prediction_log.pseudonyms import OWNER_ONLY, SHORTEST_KEY, Pseudonyms
from inference.prediction_log.reader import read_predictions
from inference.prediction_log.schema import log_folder
from inference.settings import InferenceSettings
from tests.inference.parking import PROBLEM as PARKING
from tests.inference.personal_parking import PERSONAL, PROBLEM
from tests.inference.running import running_server
from tests.inference.world import NOON, instance

PROBLEM_PATH = "tests.inference.personal_parking:PROBLEM"


@pytest.fixture
def private(settings: InferenceSettings, champion: str) -> InferenceSettings:
    """A world of the test's own in which three fields are personal."""
    return settings.model_copy(update={"problem": PROBLEM_PATH})


@pytest.fixture
def service(private: InferenceSettings) -> Iterator[httpx.Client]:
    with running_server(private) as client:
        yield client


@pytest.fixture
def pseudonyms(tmp_path: Path) -> Pseudonyms:
    return Pseudonyms(PROBLEM, b"k" * SHORTEST_KEY)


def logged(settings: InferenceSettings) -> pd.DataFrame:
    return read_predictions(settings, NOON, NOON + timedelta(hours=1)).set_index("request_id")


def ask(client: httpx.Client, request_id: str, site: str = "north", **changes: object) -> httpx.Response:
    return client.post("/v1/predict", json=instance(site, request_id=request_id, **changes))


def test_the_log_groups_by_what_it_does_not_tell(private: InferenceSettings, service: httpx.Client) -> None:
    for request_id, site, fee in (("a", "north", 2.5), ("b", "north", None), ("c", "east", 2.5)):
        assert ask(service, request_id, site, fee=fee).status_code == 200

    rows = logged(private)

    assert rows["key.site"]["a"] == rows["key.site"]["b"] != rows["key.site"]["c"]
    assert rows["key.fee"]["a"] == rows["key.fee"]["c"]
    assert rows["key.fee"]["b"] is None
    assert rows[["key.site", "key.spaces"]].map(len).eq(32).all(axis=None)
    assert rows["key.opens_at"]["a"] == pd.Timestamp(NOON + timedelta(hours=1))
    assert rows["feature.cars"].notna().all()  # read for the value, not for its pseudonym


def test_nothing_on_disk_has_the_value(private: InferenceSettings, service: httpx.Client) -> None:
    ask(service, "a", "north", spaces=4_711)

    segments = list(log_folder(private).rglob("*.jsonl"))
    assert segments
    for segment in segments:
        assert b"north" not in segment.read_bytes()
        assert b"4711" not in segment.read_bytes()
    assert "north" not in logged(private).to_csv()


def test_retries_are_known_by_their_pseudonyms_even_after_a_restart(private: InferenceSettings) -> None:
    with running_server(private) as client:
        first = ask(client, "again").json()
    with running_server(private) as client:
        assert ask(client, "again").json()["predictions"][0]["prediction"] == pytest.approx(
            first["predictions"][0]["prediction"]
        )
        ask(client, "once")
        assert ask(client, "once", "east").status_code == 409

    assert sorted(logged(private).index) == ["again", "once"]


def test_bulk_and_online_predictions_have_the_same_pseudonyms(
    private: InferenceSettings, service: httpx.Client, tmp_path: Path
) -> None:
    ask(service, "online", "north", spaces=40, fee=2.5)
    examples = private.features.tables / "examples.parquet"

    score_file(private, examples, tmp_path / "scored.parquet", BatchOptions(log=True))

    rows: Any = logged(private)
    keys = [f"key.{name}" for name in PERSONAL]
    assert rows.loc["example-north", keys].tolist() == rows.loc["online", keys].tolist()
    assert (
        pd.read_parquet(tmp_path / "scored.parquet")["site"].tolist()[0] == "north"
    )  # the caller's own file


def test_labels_still_join(private: InferenceSettings, service: httpx.Client) -> None:
    ask(service, "a")
    labels = pd.DataFrame({"example_id": ["a"], PARKING.label.name: [0.5], "known_at": [pd.Timestamp(NOON)]})

    joined = join_labels(logged(private).reset_index(), labels, PARKING.label)

    assert joined[LABEL].tolist() == [0.5]


def test_who_has_the_key_finds_what_is_logged_of_someone(
    private: InferenceSettings, service: httpx.Client
) -> None:
    ask(service, "a", "north")
    ask(service, "b", "east")

    names = Pseudonyms.configured(private, PROBLEM)

    assert names is not None
    rows = logged(private)
    assert rows.index[rows["key.site"] == names.of("site", "north")].tolist() == ["a"]


def test_the_key_and_the_field_tell_pseudonyms_apart(pseudonyms: Pseudonyms) -> None:
    other = Pseudonyms(PROBLEM, b"l" * SHORTEST_KEY)

    assert pseudonyms.of("site", "north") == pseudonyms.of("site", "north")
    assert pseudonyms.of("site", "north") != other.of("site", "north")
    assert pseudonyms.of("site", "north") != pseudonyms.of("fee", "north")


@pytest.mark.parametrize(
    ("online", "bulk"),
    [
        (40, 40.0),
        (2.5, 2.5),
        ("2024-05-01T13:00:00+00:00", pd.Timestamp("2024-05-01T15:00+02:00")),
        (2**60, 2**60),
    ],
)
def test_one_value_has_one_pseudonym_however_it_is_typed(
    pseudonyms: Pseudonyms, online: str | float, bulk: float | datetime
) -> None:
    assert pseudonyms.of("fee", online) == pseudonyms.of("fee", bulk)


def test_columns_of_other_fields_stay_as_they_are(pseudonyms: Pseudonyms) -> None:
    values = pa.chunked_array([["north", None]])

    assert pseudonyms.conceal_column("opens_at", values) is values
    assert pseudonyms.conceal_column("site", values).to_pylist() == [pseudonyms.of("site", "north"), None]


def test_a_problem_without_personal_fields_needs_no_key(settings: InferenceSettings) -> None:
    assert Pseudonyms.configured(settings, PARKING) is None
    assert not (settings.var / "access").exists()


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = InferenceSettings(var=tmp_path)

    with ThreadPool(8) as pool:
        made = pool.map(lambda _: Pseudonyms.configured(settings, PROBLEM), range(16))

    assert len({names.of("site", "north") for names in made if names}) == 1
    [key] = (tmp_path / "access").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == OWNER_ONLY


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    settings = InferenceSettings(var=tmp_path)
    Pseudonyms.configured(settings, PROBLEM)
    (tmp_path / "access" / "pseudonym.key").chmod(0o644)

    with pytest.raises(PseudonymKeyError, match="chmod 600"):
        Pseudonyms.configured(settings, PROBLEM)


def test_a_key_may_be_given_and_must_be_long(tmp_path: Path) -> None:
    settings = InferenceSettings(var=tmp_path, pseudonym_key=SecretStr("k" * SHORTEST_KEY))
    given = Pseudonyms.configured(settings, PROBLEM)

    assert given is not None
    assert given.of("site", "north") == Pseudonyms(PROBLEM, b"k" * SHORTEST_KEY).of("site", "north")
    assert not (tmp_path / "access").exists()
    with pytest.raises(PseudonymKeyError, match="ROUNDTRIP_PSEUDONYM_KEY"):
        Pseudonyms.configured(settings.model_copy(update={"pseudonym_key": SecretStr("short")}), PROBLEM)
