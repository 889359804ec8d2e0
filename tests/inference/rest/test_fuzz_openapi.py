"""What the description allows, and what it forbids, is answered as described: no 5xx, in bounded memory."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.inference.callers import bearer, new_key
from tests.inference.parking import PROBLEM
from tests.inference.running import ServerProcess
from tests.inference.world import add_version, set_champion, world_settings

CHECKS: Final[list[Callable[..., Any]]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Of ten cases so many come without the key that opens, or name another model than the one that is there.
STRANGERS, LOST = 1, 2
FEW, MANY = 6, 220
LEAST_CASES = 10_000
# What a Python service grows by anyway while it meets new shapes of requests.
GROWTH_MIB = 96


@dataclass
class Fuzzed:
    """A served process with a key to it, and what it answered."""

    process: ServerProcess
    token: str
    session: requests.Session = field(default_factory=requests.Session)
    statuses: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Look for no proxies: ten thousand times that takes long."""
        self.session.trust_env = False

    def ask(self, case: schemathesis.Case) -> None:
        """Send one case and hold the answer against the description."""
        number = self.statuses.total() % 10
        if number >= STRANGERS:
            case.headers.pop("X-API-Key", None)
            case.headers.update({"Authorization": bearer(self.token)["authorization"]})
        if number >= LOST and "name" in case.path_parameters:
            case.path_parameters["name"] = PROBLEM.name
        response = case.call(session=self.session, timeout=30)
        self.statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    def resident_mib(self) -> float:
        """The memory that the process holds."""
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) / 1_024


@pytest.fixture(scope="module")
def fuzzed(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    var = tmp_path_factory.mktemp("fuzzed") / "var"
    shutil.copytree(built_world, var)
    keys = var / "keys.json"
    token = new_key(keys, "fuzz", ["predict", "events", "admin"])
    settings = world_settings(var, api_keys=keys)
    set_champion(settings, add_version(settings, 1.0))
    process = ServerProcess(settings)
    process.wait_until_ready()
    yield Fuzzed(process, token)
    process.kill()


def fuzz(fuzzed: Fuzzed, examples: int) -> None:
    """Ask each operation that many valid questions, and as many wrong ones."""
    schema = schemathesis.openapi.from_url(f"{fuzzed.process.url}/openapi.json")
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            fuzz_operation(fuzzed, found.ok(), mode, examples)


def fuzz_operation(fuzzed: Fuzzed, operation: APIOperation, mode: GenerationMode, examples: int) -> None:
    @hypothesis_settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        fuzzed.ask(case)

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # nothing about this operation can be wrong
        assert not list(operation.body)


def test_some_hundred_cases_are_answered_as_described(fuzzed: Fuzzed) -> None:
    fuzz(fuzzed, FEW)

    assert {200, 400, 401, 404, 422} <= set(fuzzed.statuses)
    assert max(fuzzed.statuses) < 500


@pytest.mark.nightly
@pytest.mark.timeout(1_500)
def test_ten_thousand_cases_are_answered_as_described_in_bounded_memory(fuzzed: Fuzzed) -> None:
    fuzz(fuzzed, FEW)
    before, asked = fuzzed.resident_mib(), fuzzed.statuses.total()

    fuzz(fuzzed, MANY)

    assert fuzzed.statuses.total() - asked >= LEAST_CASES
    assert max(fuzzed.statuses) < 500
    assert fuzzed.resident_mib() - before < GROWTH_MIB
