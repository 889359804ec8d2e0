"""Checks the bearer tokens (JWT) of an OpenID Connect issuer, and reads what they allow."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import jwt

from inference.access.caller import SCOPES, Caller, Grant, Scope
from inference.access.errors import UnauthenticatedError
from inference.access.issuer import ALGORITHMS, Issuer
from inference.access.rate_limit import Rate, RateLimit

LEEWAY_SECONDS: Final = 30
# A token beyond these is still right, only checked again; a subject gets a full bucket again.
REMEMBERED_TOKENS: Final = 4_096
REMEMBERED_SUBJECTS: Final = 4_096
LONGEST_SUBJECT: Final = 255  # OpenID Connect Core 1.0, section 2
REQUIRED: Final = ("exp", "iss", "aud", "sub")
# What an issuer's ID tokens are not: they say who logged in, and are for the client that asked for them.
ACCESS_TOKEN_TYPES: Final = ("at+jwt", "application/at+jwt")  # RFC 9068, section 4
REASONS: Final[Mapping[type[jwt.PyJWTError], str]] = {
    jwt.ExpiredSignatureError: "the token has expired; fetch another",
    jwt.ImmatureSignatureError: "the token does not hold yet; compare the clocks",
    jwt.InvalidAudienceError: "the token is meant for another service; ask for this one's audience",
    jwt.InvalidIssuerError: "the token comes from another issuer",
    jwt.InvalidAlgorithmError: "the token is not signed with an asymmetric algorithm",
    jwt.InvalidSignatureError: "the token's signature is wrong",
}


class TokenVerifier:
    """Verifies tokens for one audience, as RFC 8725 and RFC 9068 ask; each subject has its own rate limit."""

    def __init__(self, issuer: Issuer, audience: str, default: Rate | None) -> None:
        self.issuer, self._audience, self._default = issuer, audience, default
        self._limits: OrderedDict[str, RateLimit] = OrderedDict()

    @property
    def grants(self) -> Mapping[bytes, Grant]:
        """The tokens that were verified before with the keys that hold, by their SHA-256."""
        return self.issuer.held.grants

    @property
    def trouble(self) -> str | None:
        """What keeps the issuer's keys from being fetched."""
        return self.issuer.trouble

    def recognises(self, token: bytes) -> bool:
        """Whether this looks like a signed JWT: three parts."""
        return token.count(b".") == 2

    def verify(self, token: bytes, digest: bytes) -> Grant:
        """Check a token whose SHA-256 is `digest`.

        Raises:
            UnauthenticatedError: malformed, wrongly signed, expired, or meant for others.
            IssuerUnavailableError: the key that it names is not known here, and may yet be.
        """
        held = self.issuer.held
        claims = self._claims(token)
        subject = claims["sub"][:LONGEST_SUBJECT]
        caller = Caller(f"token:{subject}", scopes_of(claims))
        grant = Grant(caller, float(claims["exp"]) + LEEWAY_SECONDS, self._limit(subject))
        if len(held.grants) >= REMEMBERED_TOKENS:
            held.grants.clear()
        held.grants[digest] = grant
        return grant

    def close(self) -> None:
        """Stop following the issuer."""
        self.issuer.close()

    def _claims(self, token: bytes) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            _require_access_token(header)
            return jwt.decode(
                token,
                self.issuer.key(_key_id(header)),
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self.issuer.url,
                leeway=LEEWAY_SECONDS,
                options={"require": list(REQUIRED), "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            if isinstance(error, jwt.InvalidSignatureError):
                self.issuer.ask_again()  # a token that names no key may be signed with a new one
            reason = REASONS.get(type(error), "the token is not as it should be")
            raise UnauthenticatedError(reason) from None

    def _limit(self, subject: str) -> RateLimit | None:
        if self._default is None:
            return None
        limit = self._limits.setdefault(subject, RateLimit(self._default))
        self._limits.move_to_end(subject)
        if len(self._limits) > REMEMBERED_SUBJECTS:
            self._limits.popitem(last=False)
        return limit


def scopes_of(claims: Mapping[str, Any]) -> frozenset[Scope]:
    """The scopes among `scope` (RFC 8693), `scp` and `roles`: text with spaces, or a list."""
    named = {word for claim in ("scope", "scp", "roles") for word in _words(claims.get(claim))}
    return frozenset(scope for scope in SCOPES if scope in named)


def _words(claim: object) -> Iterable[str]:
    if isinstance(claim, str):
        return claim.split()
    return [word for word in claim if isinstance(word, str)] if isinstance(claim, list) else []


def _require_access_token(header: Mapping[str, Any]) -> None:
    if str(header.get("typ")).lower() not in ACCESS_TOKEN_TYPES:
        raise UnauthenticatedError(
            "this is no access token: its header's `typ` is not at+jwt (RFC 9068); ask the issuer for one"
        )


def _key_id(header: Mapping[str, Any]) -> str | None:
    key_id = header.get("kid")
    return key_id if isinstance(key_id, str) else None
