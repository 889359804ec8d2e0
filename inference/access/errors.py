"""Why a caller is not let in, and why a service is not started as it is configured."""

from collections.abc import Mapping
from typing import Final

from inference.errors import InferenceError

REALM: Final = 'Bearer realm="roundtrip"'


class UnauthenticatedError(InferenceError):
    """No credentials, or none that are valid (RFC 6750, section 3: 401 with a challenge)."""

    status, code = 401, "unauthenticated"

    def __init__(self, message: str, presented: bool = True) -> None:
        challenge = f'{REALM}, error="invalid_token"' if presented else REALM
        super().__init__(message, headers={"WWW-Authenticate": challenge})


class ForbiddenError(InferenceError):
    """The caller is known, but lacks the scope (RFC 6750, section 3.1: 403, `insufficient_scope`)."""

    status, code = 403, "forbidden"

    def __init__(self, scope: str) -> None:
        challenge = f'{REALM}, error="insufficient_scope", scope="{scope}"'
        super().__init__(
            f"this needs the scope {scope!r}, which the key or token does not have; use one that has it",
            headers={"WWW-Authenticate": challenge},
        )


class ForeignHostError(InferenceError):
    """An anonymous request for a host that is not the service's own, as a page's is after DNS rebinding."""

    status, code = 403, "foreign_host"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host!r} is no name of this service; call it by its own, add this one to "
            "ROUNDTRIP_ALLOWED_HOSTS, or have callers send credentials (ROUNDTRIP_API_KEYS)"
        )


class ForeignOriginError(InferenceError):
    """An anonymous request that a page of another site sent."""

    status, code = 403, "foreign_origin"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"a page of {origin!r} may not call this service unless callers send credentials; "
            "set ROUNDTRIP_API_KEYS (`python -m inference keys create NAME`)"
        )


class RateLimitedError(InferenceError):
    """The caller asks more often than it may; `Retry-After` says when to ask again."""

    status, code = 429, "rate_limited"

    def __init__(self, per_second: float, wait: int) -> None:
        super().__init__(
            f"more than {per_second:g} requests a second; ask again in {wait} s",
            headers=_retry_after(wait),
        )


class IssuerUnavailableError(InferenceError):
    """A token cannot be checked, because its issuer's keys are not known here (yet)."""

    status, code = 503, "issuer_unavailable"

    def __init__(self, reason: str, wait: int) -> None:
        super().__init__(f"the token cannot be checked: {reason}", headers=_retry_after(wait))


class AccessConfigurationError(Exception):
    """The service would be open to strangers, or closed to all, as it is configured; it does not start."""


class KeyFileError(AccessConfigurationError):
    """The file of API keys is missing, unreadable, or not as described."""


class KeyExistsError(KeyFileError):
    """A key with this id is there already."""


class UnknownKeyError(KeyFileError):
    """There is no key with this id."""


def _retry_after(seconds: int) -> Mapping[str, str]:
    return {"Retry-After": str(seconds)}
