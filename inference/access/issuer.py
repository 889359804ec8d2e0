"""The signing keys of an OpenID Connect issuer: fetched in the background, never on a request's path."""

import json
import logging
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from inference.access.caller import Grant
from inference.access.errors import AccessConfigurationError, IssuerUnavailableError, UnauthenticatedError
from inference.access.loopback import is_loopback

DISCOVERY: Final = "/.well-known/openid-configuration"
# Asymmetric ones only: with a shared secret, whoever can check a token can make one (RFC 8725, section 3.1).
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
REFRESH_SECONDS: Final = 300.0
RETRY_SECONDS: Final = 5.0
# However many unknown key ids callers invent, the issuer is asked no more often than this.
COOLDOWN_SECONDS: Final = 1.0
FETCH_SECONDS: Final = 5.0
LONGEST_DOCUMENT: Final = 2**20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IssuerKeys:
    """The keys that the issuer publishes, by id. `grants`: the tokens verified with them, by SHA-256."""

    keys: Mapping[str | None, jwt.PyJWK] = field(default_factory=dict)
    published: object = None
    grants: dict[bytes, Grant] = field(default_factory=dict)


class Issuer:
    """Keeps `held` what the issuer publishes. While it is away its known keys hold, and `trouble` says so."""

    def __init__(self, url: str) -> None:
        """Begin to fetch the keys of the issuer at `url`.

        Raises:
            AccessConfigurationError: the address is not HTTPS (HTTP is taken on loopback only).
        """
        _require_protected(url)
        self.url = url
        self.held = IssuerKeys()
        self.trouble: str | None = None
        self._asked_at: float | None = None
        self._stop, self._wanted = Event(), Event()
        self._thread = Thread(target=self._follow, name="oidc-keys", daemon=True)
        self._thread.start()

    def key(self, key_id: str | None) -> jwt.PyJWK:
        """The key of that id; a token without one is checked with the issuer's only key.

        Raises:
            UnauthenticatedError: the issuer was asked just now, and has no such key.
            IssuerUnavailableError: it is not known whether it has: it is away, or is being asked again.
        """
        keys = self.held.keys
        if key_id is None and len(keys) == 1:
            return next(iter(keys.values()))
        found = keys.get(key_id)
        if found is not None:
            return found
        if self.trouble is None and self._was_asked_just_now():
            raise UnauthenticatedError("the token is signed with a key that its issuer does not publish")
        self.ask_again()
        away = "its issuer does not give its keys just now" if self.trouble else "its key is being fetched"
        raise IssuerUnavailableError(f"{away}; try again", wait=int(COOLDOWN_SECONDS))

    def ask_again(self) -> None:
        """Have the keys fetched soon, though no more often than every `COOLDOWN_SECONDS`."""
        self._wanted.set()

    def close(self) -> None:
        """Stop; a fetch that is under way is left to end with the process."""
        self._stop.set()
        self._wanted.set()
        self._thread.join(timeout=1.0)

    def refresh(self) -> None:
        """Ask the issuer once; whatever fails becomes `trouble`, and the keys stay."""
        try:
            published = _fetch_keys(self.url)
            keys = _usable_keys(published)
        except Exception as error:  # whatever the issuer answers, its known keys go on
            self._failed(f"the issuer {self.url} does not give its keys ({type(error).__name__}: {error})")
        else:
            if published != self.held.published:
                self.held = IssuerKeys(keys, published)
            self.trouble = None
        self._asked_at = monotonic()

    def _failed(self, trouble: str) -> None:
        if trouble != self.trouble:
            logger.warning("%s", trouble)
        self.trouble = trouble

    def _was_asked_just_now(self) -> bool:
        return self._asked_at is not None and monotonic() - self._asked_at < COOLDOWN_SECONDS

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._wanted.clear()
            self.refresh()
            self._stop.wait(COOLDOWN_SECONDS)
            self._wanted.wait((RETRY_SECONDS if self.trouble else REFRESH_SECONDS) - COOLDOWN_SECONDS)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows none: keys come from where the issuer says they are, or not at all."""

    def redirect_request(self, *_arguments: Any) -> None:
        """Refuse."""


def _fetch_keys(issuer: str) -> Any:
    """The published key set, found as OpenID Connect Discovery 1.0 (section 4) says."""
    description = _fetch_json(issuer.rstrip("/") + DISCOVERY)
    if description["issuer"] != issuer:
        raise ValueError(f"it calls itself {description['issuer']!r}; set ROUNDTRIP_OIDC_ISSUER to that")
    return _fetch_json(description["jwks_uri"])


def _fetch_json(url: str) -> Any:
    _require_protected(url)
    opener = urllib.request.build_opener(_NoRedirects())
    with opener.open(url, timeout=FETCH_SECONDS) as response:
        return json.loads(response.read(LONGEST_DOCUMENT))


def _usable_keys(published: Any) -> dict[str | None, jwt.PyJWK]:
    keys = jwt.PyJWKSet.from_dict(published).keys
    usable = [key for key in keys if key.public_key_use in ("sig", None) and key.algorithm_name in ALGORITHMS]
    if not usable:
        raise ValueError("it publishes no key for signing")
    return {key.key_id: key for key in usable}


def _require_protected(url: str) -> None:
    """Keys that travel in the clear can be exchanged on the way, and every token with them."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return
    raise AccessConfigurationError(f"the issuer's address {url!r} is not https; only loopback may be http")
