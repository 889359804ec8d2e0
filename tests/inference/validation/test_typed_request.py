"""The typed decoder never takes what the models refuse, nor reads a value otherwise than they do."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.problem import Problem, ProblemError
from inference.errors import InferenceError
from inference.validation.feature_rows import FeatureRow, ModelInputs
from inference.validation.given_features import GivenFeaturesError
from inference.validation.limits import EARLIEST, INSTANCES, LATEST, LONGEST_ID, LONGEST_TEXT, RESERVED
from inference.validation.schema import RequestSchema
from inference.validation.typed_request import TypedRequest
from tests.inference.bundles import COLUMNS
from tests.inference.parking import PROBLEM
from tests.inference.validation.test_given_features import GIVEN
from tests.inference.world import instance

MOST_ITEMS = 3
SCHEMAS = {replay: RequestSchema(PROBLEM, replay, MOST_ITEMS) for replay in (False, True)}
TYPED = {replay: TypedRequest(PROBLEM, replay, MOST_ITEMS) for replay in (False, True)}
INPUTS = ModelInputs(COLUMNS)
TYPED_FOR_A_MODEL = {replay: TypedRequest(PROBLEM, replay, MOST_ITEMS, INPUTS) for replay in (False, True)}
AROUND = (datetime(1890, 1, 1), datetime(2210, 1, 1))  # noqa: DTZ001 - the strategy adds the zone
NUMBERS = (
    *(
        "0",
        "-0",
        "1",
        "40",
        "10000",
        "10001",
        "1.0",
        "40.0",
        "1e0",
        "4E1",
        "4e-1",
        "-1",
        "2.5",
        "-0.0",
        "1e-400",
    ),
    *(
        "1e400",
        "-1e400",
        "1" + "0" * 400,
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
    ),
    *(
        "18446744073709551616",
        "9007199254740993",
        "0.1000000000000000055511151231257827",
        "123456789012345678",
    ),
    *("01", "+1", ".5", "5.", "1e", "0x10", "1_000", "NaN", "Infinity", "-Infinity", "nan", "1 2", "--1"),
)
ODDITIES = ("null", "true", "false", "[]", "{}", '"40"', '""', "[1]", "tru", "")
TEXTS = (
    *(
        '"north"',
        '"\\u0000"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
        '"a\nb"',
        '"a\\nb"',
        '"\\x"',
        '"\\/"',
    ),
    *(
        '"' + "x" * 16 + '"',
        '"' + "x" * 17 + '"',
        '"' + "😀" * 16 + '"',
        '"' + "😀" * 17 + '"',
        '"é"',
        '"e\u0301"',
    ),
    '"' + "\\ud83d\\ude00" * 16 + '"',
)
MOMENTS = (
    *("2024-05-01T13:00:00Z", "2024-05-01T13:00:00z", "2024-05-01t13:00:00Z", "2024-05-01 13:00:00Z"),
    *("2024-05-01T13:00:00", "2024-05-01T13:00Z", "2024-05-01", "20240501T130000Z", "2024-W18-3T13:00:00Z"),
    *("2024-05-01T13:00:00+0200", "2024-05-01T13:00:00+02", "2024-05-01T13:00:00-00:00", "1714568400", ""),
    *("2024-05-01T13:00:00+24:00", "2024-05-01T13:00:00+23:59", "2024-05-01T13:00:00+19:59"),
    *("2024-05-01T13:00:00+05:99", "2024-05-01T13:00:00+05:30", "2024-05-01T13:00:00+05:30:15"),
    *("2024-05-01T24:00:00Z", "2024-05-01T13:00:60Z", "2024-05-01T13:60:00Z", "2024-02-30T13:00:00Z"),
    *("0000-01-01T00:00:00Z", "1900-01-01T00:00:00+14:00", "1899-12-31T23:59:59Z"),
    *("2200-01-01T00:00:00-00:01", "2200-01-01T00:00:00+00:01"),
    *("2199-12-31T23:59:59.999999Z", "2199-12-31T23:59:59.9999999Z", "2024-05-01T13:00:00.1234567Z"),
    *("2024-05-01T13:00:00.Z", "2024-05-01T13:00:00,5Z", "2024-05-01T13:00:00.5Z\n", " 2024-05-01T13:00:00Z"),
    *("2024-05-01T13:00:00\u221202:00", "\uff12\uff10\uff12\uff14-05-01T13:00:00Z"),
    "2024-05-01T13:00:00.000000000000Z",
)  # fmt: skip


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@st.composite
def spelled_moments(draw: st.DrawFn) -> str:
    """A zoned moment with any number of decimals."""
    zone = timezone(timedelta(minutes=draw(st.integers(-1_439, 1_439))))
    moment = draw(st.datetimes(AROUND[0], AROUND[1], timezones=st.just(zone))).isoformat()
    decimals = draw(st.text("0123456789", max_size=12))
    return f"{moment[:19]}{'.' if decimals else ''}{decimals}{moment[-6:]}"


numbers = st.sampled_from(NUMBERS) | st.integers().map(str) | st.floats().map(repr)
texts = st.sampled_from(TEXTS) | st.text(max_size=20).map(quoted) | st.text(max_size=20).map(json.dumps)
moments = (st.sampled_from(MOMENTS) | spelled_moments()).map(quoted)
anything = st.sampled_from(ODDITIES) | numbers | texts | moments
names = st.sampled_from(["a", "é", "", "site", "😀"]).map(quoted)
features = st.lists(st.tuples(names, numbers | texts | anything), max_size=4).map(
    lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
)
USUAL = {
    "site": st.just('"north"'),
    "opens_at": st.just('"2024-05-01T13:00:00Z"'),
    "spaces": st.just("40"),
    "fee": st.just("2.5"),
}
UNUSUAL = {
    "site": texts,
    "opens_at": moments,
    "spaces": numbers,
    "fee": numbers,
    "request_id": texts,
    "prediction_time": moments,
    "features": features,
    "colour": anything,
    "": anything,
}


@st.composite
def instances(draw: st.DrawFn) -> str:
    """An instance that is mostly right; fields may be left out, come twice, or be anything."""
    members = [(name, draw(value)) for name, value in USUAL.items() if draw(st.integers(0, 9))]
    for name in draw(st.lists(st.sampled_from(sorted(UNUSUAL)), max_size=2)):
        value = draw(UNUSUAL[name] | anything)
        if draw(st.booleans()):
            members = [member for member in members if member[0] != name]
        members.insert(draw(st.integers(0, len(members))), (name, value))
    return "{" + ", ".join(f"{quoted(name)}: {value}" for name, value in members) + "}"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """One bare instance or several, now and then with a byte that does not belong there."""
    wrapped = st.lists(instances(), max_size=MOST_ITEMS + 1).map(
        lambda many: f'{{"instances": [{",".join(many)}]}}'
    )
    body = draw(instances() | wrapped).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(body)))
        body = body[:place] + draw(st.binary(max_size=2)) + body[place:]
    return body


def read_by_models(body: bytes, replay: bool = False) -> list[Any] | None:
    schema = SCHEMAS[replay]
    try:
        return [schema._parts(instance) for instance in schema._validated(body)]
    except InferenceError:
        return None


@settings(max_examples=400)
@given(body=bodies(), replay=st.booleans())
@example(body=b'{"site":"a","site":7,"opens_at":"2024-05-01T13:00:00Z","spaces":1}', replay=False)
@example(body=b'{"site":"a","opens_at":"2024-05-01T13:00:00Z","spaces":1,"features":null}', replay=False)
@example(body=b'{"":null,"features":{}}', replay=False)
@example(body=b'\xef\xbb\xbf{"features":{}}', replay=False)
def test_what_the_typed_decoder_takes_the_models_read_alike(body: bytes, replay: bool) -> None:
    typed = TYPED[replay].decode(body)

    assert typed is None or repr(typed) == repr(read_by_models(body, replay))


given_values = st.none() | st.sampled_from(["", "hill", "2"]) | st.integers(-5, 5) | st.floats(width=32)
given_features = st.fixed_dictionaries(
    dict.fromkeys(GIVEN, given_values) | {"district": st.sampled_from(["", "hill", None, 7])},
    optional={"colour": given_values},
)


@settings(max_examples=300)
@given(features=given_features | st.just(GIVEN), along=st.sampled_from([{}, {"site": "north", "fee": None}]))
def test_a_models_rows_are_what_its_named_features_become(
    features: dict[str, Any], along: dict[str, Any]
) -> None:
    body = json.dumps({INSTANCES: [{"features": features, **along}] * 2}, allow_nan=True).encode()

    rows = TYPED_FOR_A_MODEL[False].decode(body)

    named = TYPED[False].decode(body)
    if rows is None:
        assert named is None or _refused(features)
    else:
        assert named is not None
        for (fields, row, *others), (other_fields, mapping, *others_named) in zip(rows, named, strict=True):
            assert isinstance(row, FeatureRow)
            assert isinstance(mapping, Mapping)
            assert row == INPUTS.given(mapping)
            assert (fields, others) == (other_fields, others_named)


def _refused(features: dict[str, Any]) -> bool:
    try:
        INPUTS.given(features)
    except GivenFeaturesError:
        return True
    return False


@settings(max_examples=150)
@given(moment=spelled_moments() | st.sampled_from(MOMENTS))
def test_each_moment_is_read_as_the_models_do(moment: str) -> None:
    body = json.dumps(instance(opens_at=moment, prediction_time=...)).encode()

    typed = TYPED[False].decode(body)

    assert typed is None or typed == read_by_models(body)


@pytest.mark.parametrize("document", [
    instance(prediction_time=...),
    instance(prediction_time=..., fee=...),
    instance(prediction_time=..., fee=None, request_id="a"),
    {"features": {"cars": 1.5, "district": "hill", "trend": None}},
    {"features": {"cars": 1}, "site": "north", "request_id": "é" * LONGEST_ID},
    {INSTANCES: [instance(prediction_time=...), {"features": {}}]},
    instance(prediction_time=..., opens_at="2024-05-01T13:00:00.123456+05:30"),
])  # fmt: skip
def test_what_is_usual_is_decoded_by_types(document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()

    typed = TYPED[False].decode(body)

    assert typed is not None
    assert typed == read_by_models(body)


@pytest.mark.parametrize(("moment", "taken"), [
    (EARLIEST, True),
    (EARLIEST - timedelta(microseconds=1), False),
    (LATEST - timedelta(microseconds=1), True),
    (LATEST, False),
])  # fmt: skip
def test_the_range_of_moments_is_the_models(moment: datetime, taken: bool) -> None:
    body = json.dumps(instance(opens_at=moment.isoformat(), prediction_time=...)).encode()

    assert (TYPED[False].decode(body) is not None) is taken
    assert (read_by_models(body) is not None) is taken


def test_given_texts_have_a_longest_length() -> None:
    for length, taken in ((LONGEST_TEXT, True), (LONGEST_TEXT + 1, False)):
        body = json.dumps({"features": {"district": "😀" * length}}).encode()
        assert (TYPED[False].decode(body) is not None) is taken
        assert (read_by_models(body) is not None) is taken


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_problem_may_not_take_the_names_of_requests(name: str) -> None:
    field = PROBLEM.request_fields[1].model_copy(update={"name": name})
    problem: Problem = PROBLEM.model_copy(update={"request_fields": (*PROBLEM.request_fields, field)})

    with pytest.raises(ProblemError, match=name):
        RequestSchema(problem, replay=False, max_items=MOST_ITEMS)
