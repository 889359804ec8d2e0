"""The one access check of every protocol: who calls, whether they may, and how often."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from math import inf
from time import time
from typing import Final, Protocol, Self

from inference.access.caller import ANYBODY, Caller, Grant, Scope
from inference.access.errors import ForbiddenError, UnauthenticatedError
from inference.access.key_authentication import KeyAuthentication
from inference.access.rate_limit import Rate, RateLimit
from inference.access.startup_check import require_whole
from inference.access.trusted_hosts import TrustedHosts
from inference.errors import InferenceError
from inference.settings import InferenceSettings

AUTHORIZATION: Final = b"authorization"
API_KEY: Final = b"x-api-key"
BEARER: Final = b"bearer "
LONGEST_TOKEN: Final = 8_192


class Authority(Protocol):
    """Verifies one kind of credential, and remembers what it has verified."""

    @property
    def grants(self) -> Mapping[bytes, Grant]:
        """What was verified and still holds, by the SHA-256 of the token."""

    @property
    def trouble(self) -> str | None:
        """What does not work meanwhile."""

    def recognises(self, token: bytes) -> bool:
        """Whether a token is of this kind."""

    def verify(self, token: bytes, digest: bytes) -> Grant:
        """Check a token."""

    def close(self) -> None:
        """Stop what runs in the background."""


class AccessControl:
    """Lets callers in by API key or bearer token; without either configured, everybody but foreign pages.

    A token is verified once and known by its SHA-256 from then on, so that neither the token itself is kept
    nor a signature checked on the way of each request.
    """

    def __init__(
        self,
        authorities: Iterable[Authority] = (),
        everybody: Rate | None = None,
        hosts: TrustedHosts | None = None,
    ) -> None:
        """`everybody`: the rate of all together, and `hosts`: whom they call, where none tells them apart."""
        self._authorities = tuple(authorities)
        self._anybody = Grant(ANYBODY, inf, RateLimit(everybody) if everybody else None)
        self._hosts = hosts or TrustedHosts()

    @classmethod
    def configured(cls, settings: InferenceSettings, host: str) -> Self:
        """Read the keys, and begin to follow their file and the issuer. `host`: the address listened on.

        Raises:
            AccessConfigurationError: half of it is configured, or the keys cannot be read.
        """
        require_whole(settings)
        default = Rate.declared(settings.rate_limit, settings.rate_burst)
        authorities: list[Authority] = []
        if settings.api_keys is not None:
            authorities.append(KeyAuthentication(settings.api_keys, default))
        if settings.oidc_issuer is not None and settings.oidc_audience is not None:
            from inference.access.issuer import Issuer  # imports cryptography, which keys need not wait for
            from inference.access.token_verifier import TokenVerifier

            authorities.append(TokenVerifier(Issuer(settings.oidc_issuer), settings.oidc_audience, default))
        return cls(authorities, default, TrustedHosts((host, *settings.allowed_hosts)))

    @property
    def guarded(self) -> bool:
        """Whether credentials are asked for."""
        return bool(self._authorities)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What does not work meanwhile, for `/health/ready`."""
        return tuple(authority.trouble for authority in self._authorities if authority.trouble)

    def check(self, headers: Iterable[tuple[bytes, bytes]], scope: Scope) -> Caller:
        """Return who calls, after counting the call against their rate.

        Args:
            headers: the request's, names in lower case: `Authorization: Bearer TOKEN`, or `X-API-Key: TOKEN`.
            scope: what the caller wants to do.

        Raises:
            UnauthenticatedError: no valid credentials.
            ForbiddenError: valid ones that lack the scope.
            ForeignHostError, ForeignOriginError: a page may have sent it, and none are asked for.
            RateLimitedError: too many calls.
            IssuerUnavailableError: a token that cannot be checked just now.
        """
        grant = self._grant(headers)
        if scope not in grant.caller.scopes:
            raise ForbiddenError(scope)
        if grant.limit is not None:
            grant.limit.take()
        return grant.caller

    def allows(self, headers: Iterable[tuple[bytes, bytes]], scope: Scope) -> bool:
        """Whether a request comes from somebody with the scope; counts as no call, and refuses nobody."""
        try:
            return scope in self._grant(headers).caller.scopes
        except InferenceError:
            return False

    def check_source(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Check no more than where a request comes from: for what asks nobody for credentials.

        Raises:
            ForeignHostError, ForeignOriginError: as above.
        """
        if not self._authorities:
            self._hosts.check(headers)

    def close(self) -> None:
        """Stop what runs in the background."""
        for authority in self._authorities:
            authority.close()

    def _grant(self, headers: Iterable[tuple[bytes, bytes]]) -> Grant:
        if not self._authorities:
            self._hosts.check(headers)
            return self._anybody
        token = presented_token(headers)
        digest = sha256(token).digest()
        return self._known(digest) or self._verify(token, digest)

    def _known(self, digest: bytes) -> Grant | None:
        for authority in self._authorities:
            grant = authority.grants.get(digest)
            if grant is not None and grant.expires_at > time():
                return grant
        return None

    def _verify(self, token: bytes, digest: bytes) -> Grant:
        for authority in self._authorities:
            if authority.recognises(token):
                return authority.verify(token, digest)
        raise UnauthenticatedError("this is neither an API key nor a bearer token that is taken here")


def presented_token(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The token that a request carries.

    Raises:
        UnauthenticatedError: it carries none, or something that cannot be one.
    """
    for name, value in headers:
        if name == AUTHORIZATION and value[:7].lower() == BEARER:
            return _bounded(value[7:].strip())
        if name == API_KEY:
            return _bounded(value)
    raise UnauthenticatedError(
        "this service asks for credentials: send `Authorization: Bearer TOKEN` or `X-API-Key: TOKEN`",
        presented=False,
    )


def _bounded(token: bytes) -> bytes:
    if len(token) > LONGEST_TOKEN:
        raise UnauthenticatedError(f"a token has {LONGEST_TOKEN} bytes at most")
    return token
