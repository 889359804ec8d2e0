"""HEAD has the status and the headers of GET, and no body, on every path that GET answers."""

import re

import httpx

from tests.inference.parking import PROBLEM

# What two answers in a row need not share; and the page of figures counts the request before.
OWN, CHANGING = {"date", "x-request-id"}, "/metrics"
UNDESCRIBED = ["/docs", "/openapi.json", "/nowhere", "/v1/predict"]
FILLED = {"name": PROBLEM.name, "model_name": PROBLEM.name, "version": "1", "label": "champion"}


def paths_of(service: httpx.Client) -> list[str]:
    """Every path that is described with a GET, filled in, and a few that are not."""
    described = service.get("/openapi.json").json()["paths"]
    asked = [path for path, methods in described.items() if "get" in methods]
    return [*(re.sub(r"{(\w+)}", lambda found: FILLED[found[1]], path) for path in asked), *UNDESCRIBED]


def test_head_answers_as_get_does(shared_service: httpx.Client) -> None:
    paths = paths_of(shared_service)
    assert "/health/ready" in paths
    for path in paths:
        told, asked = shared_service.get(path), shared_service.head(path)
        assert (asked.status_code, asked.content) == (told.status_code, b""), path
        names = told.headers.keys() - (OWN | ({"content-length"} if path == CHANGING else set()))
        assert asked.headers.keys() - OWN >= names, path
        assert {name: asked.headers[name] for name in names} == {name: told.headers[name] for name in names}


def test_head_is_not_described_twice(shared_service: httpx.Client) -> None:
    described = shared_service.get("/openapi.json").json()["paths"]
    assert all("head" not in methods for methods in described.values())
