"""Says in OpenAPI which credentials each path asks for, and how a refusal looks."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import FastAPI

from inference.access.path_scopes import required_scope
from inference.settings import InferenceSettings

RefusalDocument = Callable[[str], type]
Refusals = Mapping[str, tuple[str, str | None]]

API_KEY_SCHEME: Final = "apiKey"
BEARER_SCHEME: Final = "bearerToken"
SCHEMES: Final[dict[str, Any]] = {
    API_KEY_SCHEME: {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A key of `python -m inference keys create`.",
    },
    BEARER_SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or a token of the issuer that the service trusts.",
    },
}
REFUSALS: Final[Refusals] = {
    "401": ("No credentials, or none that hold.", "WWW-Authenticate"),
    "403": ("The credentials lack the scope.", "WWW-Authenticate"),
}
FOREIGN: Final[Refusals] = {"403": ("A page of another site sent it, or it is for another host.", None)}
TOO_MANY: Final[Refusals] = {"429": ("More requests than the caller may send.", "Retry-After")}
AWAY: Final[Refusals] = {
    "503": ("The token cannot be checked just now, or the service is not ready.", "Retry-After")
}


def describe_access(app: FastAPI, settings: InferenceSettings, refusal: RefusalDocument) -> None:
    """Have `app.openapi()` carry the security schemes and the refusals, where credentials are asked for.

    `refusal`: the document that an error is at a path.
    """
    extend_openapi(app, lambda document: _describe(document, settings, refusal))


def extend_openapi(app: FastAPI, extend: Callable[[dict[str, Any]], None]) -> None:
    """Have `app.openapi()` hand its document to `extend` whenever it is made anew."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            extend(build())
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _describe(document: dict[str, Any], settings: InferenceSettings, refusal: RefusalDocument) -> None:
    guarded = settings.api_keys is not None or settings.oidc_issuer is not None
    refusals = {**_refusals(settings, guarded), **(TOO_MANY if settings.rate_limit or guarded else {})}
    if guarded:
        document["components"]["securitySchemes"] = SCHEMES
    for path, operations in document["paths"].items():
        if required_scope(path, settings.open_metrics) is None:
            continue
        for operation in operations.values():
            if guarded:
                operation["security"] = [{API_KEY_SCHEME: []}, {BEARER_SCHEME: []}]
            _add_refusals(operation["responses"], refusals, refusal(path).__name__)


def _refusals(settings: InferenceSettings, guarded: bool) -> Refusals:
    if not guarded:
        return FOREIGN
    return {**REFUSALS, **(AWAY if settings.oidc_issuer else {})}


def _add_refusals(responses: dict[str, Any], refusals: Refusals, model: str) -> None:
    for status, (description, header) in refusals.items():
        responses.setdefault(
            status,
            {
                "description": description,
                **({"headers": {header: {"schema": {"type": "string"}}}} if header else {}),
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}},
            },
        )
