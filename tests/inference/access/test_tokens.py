"""Bearer tokens of a real OpenID Connect issuer open the service; forged, foreign and expired ones do not."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from oidc_provider_mock import User, run_server_in_thread
from oidc_provider_mock._storage import storage

from inference.access.control import AccessControl
from inference.access.errors import (
    AccessConfigurationError,
    ForbiddenError,
    IssuerUnavailableError,
    RateLimitedError,
    UnauthenticatedError,
)
from inference.access.issuer import COOLDOWN_SECONDS, Issuer
from inference.access.rate_limit import Rate
from inference.access.token_verifier import LEEWAY_SECONDS, TokenVerifier
from tests.inference.callers import as_asgi, new_key
from tests.inference.running import wait_until
from tests.inference.world import world_settings

AUDIENCE = "roundtrip"
USERS = (
    User(sub="ada", claims={"scp": ["predict"]}),
    User(sub="bob", claims={"roles": ["admin", "unknown"]}),
    User(sub="eve", claims={}),
)
SOON = 10 * COOLDOWN_SECONDS


@contextmanager
def run_issuer(port: int = 0, lifetime: float = 3_600) -> Iterator[Any]:
    lasting = timedelta(seconds=lifetime)
    with run_server_in_thread(port=port, user_claims=USERS, access_token_max_age=lasting) as server:
        server.app.get("/signed/<unsigned_token>")(sign)
        yield server


def sign(unsigned_token: str) -> str:
    """What the issuer lacks: a token with the header and the claims that it is sent."""
    claims = jwt.decode(unsigned_token, options={"verify_signature": False})
    header = {"typ": None, **jwt.get_unverified_header(unsigned_token), "alg": "RS256"}
    return jwt.encode(claims, storage.jwk.as_pem(is_private=True), headers=header)


def url_of(server: Any) -> str:
    return f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with run_issuer() as server:
        yield url_of(server)


@pytest.fixture
def access(issuer: str) -> Iterator[AccessControl]:
    with_tokens = verifying(issuer)
    yield with_tokens
    with_tokens.close()


def verifying(issuer: str, default: Rate | None = None) -> AccessControl:
    """An access control that has the issuer's keys."""
    verifier = TokenVerifier(Issuer(issuer), AUDIENCE, default)
    wait_until(lambda: verifier.issuer.held.keys, "the issuer's keys", SOON)
    return AccessControl([verifier])


def log_in(issuer: str, subject: str, audience: str = AUDIENCE, **header: Any) -> str:
    """The access token (RFC 9068) of a user who logs in, with the claims of the ID token."""
    token = identify(issuer, subject, audience)
    named = {**jwt.get_unverified_header(token), "typ": "at+jwt", **header}
    claims = jwt.decode(token, options={"verify_signature": False})
    unsigned_token = jwt.encode(claims, "", headers={**named, "alg": "none"})
    return httpx.get(f"{issuer}/signed/{unsigned_token}").text


def identify(issuer: str, subject: str, audience: str = AUDIENCE) -> str:
    """The ID token of a user who logs in by the authorization code flow."""
    asked = {
        "client_id": audience,
        "redirect_uri": "http://localhost/back",
        "response_type": "code",
        "scope": "openid",
    }
    sent_back = httpx.post(f"{issuer}/oauth2/authorize", params=asked, data={"sub": subject})
    [code] = parse_qs(urlsplit(sent_back.headers["location"]).query)["code"]
    answer = httpx.post(
        f"{issuer}/oauth2/token",
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": asked["redirect_uri"]},
        auth=(audience, "any"),
    )
    return str(answer.json()["id_token"])


@pytest.fixture(scope="module")
def token(issuer: str) -> str:
    return log_in(issuer, "ada")


def test_a_token_opens_what_its_claims_say(access: AccessControl, issuer: str, token: str) -> None:
    assert access.check(as_asgi(token), "predict").id == "token:ada"
    assert access.check(as_asgi(log_in(issuer, "bob")), "admin").id == "token:bob"
    for subject in ("bob", "eve"):
        with pytest.raises(ForbiddenError):
            access.check(as_asgi(log_in(issuer, subject)), "predict")


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_an_access_token_is_known_by_its_type(access: AccessControl, issuer: str, typ: str) -> None:
    assert access.check(as_asgi(log_in(issuer, "ada", typ=typ)), "predict").id == "token:ada"


@pytest.mark.parametrize("typ", ["JWT", "at", "at+jwt2", "logout+jwt", None, ["at+jwt"]])
def test_a_token_of_another_type_is_refused(access: AccessControl, issuer: str, typ: Any) -> None:
    with pytest.raises(UnauthenticatedError, match="access token"):
        access.check(as_asgi(log_in(issuer, "ada", typ=typ)), "predict")


def test_an_id_token_is_no_access_token(access: AccessControl, issuer: str) -> None:
    with pytest.raises(UnauthenticatedError, match="access token"):
        access.check(as_asgi(identify(issuer, "ada")), "predict")


def test_a_token_for_another_service_is_refused(access: AccessControl, issuer: str) -> None:
    with pytest.raises(UnauthenticatedError, match="another service"):
        access.check(as_asgi(log_in(issuer, "ada", audience="another")), "predict")


def test_a_token_ends_when_it_says(issuer: str) -> None:
    with run_issuer(lifetime=-LEEWAY_SECONDS + 1.5) as brief:
        access = verifying(url_of(brief))
        token = log_in(url_of(brief), "ada")
        access.check(as_asgi(token), "predict")
        time.sleep(2.5)
        with pytest.raises(UnauthenticatedError, match="expired"):
            access.check(as_asgi(token), "predict")
        access.close()


def forge(token: str, key: Any, algorithm: str, **claims: Any) -> str:
    """The token's claims, changed, signed by somebody else who names the same key."""
    genuine = jwt.decode(token, options={"verify_signature": False})
    changed = {name: value for name, value in (genuine | claims).items() if value is not ...}
    named = {
        name: value for name, value in jwt.get_unverified_header(token).items() if name in ("kid", "typ")
    }
    return jwt.encode(changed, key, algorithm, headers=named)


def unsigned(token: str) -> str:
    header = urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


FORGERIES: dict[str, Callable[[str, Any], str]] = {
    "signed by another": lambda token, _: forge(token, rsa.generate_private_key(65537, 2048), "RS256"),
    "signed with another kind of key": lambda token, _: forge(
        token, ec.generate_private_key(ec.SECP256R1()), "ES256"
    ),
    "not signed": lambda token, _: unsigned(token),
    "signed with the public key as a secret": lambda token, key: forge(token, key["n"], "HS256"),
    "a changed claim": lambda token, _: ".".join(
        [token.split(".")[0], urlsafe_b64encode(b'{"sub":"root"}').decode().rstrip("="), token.split(".")[2]]
    ),
    "a cut signature": lambda token, _: token[:-8],
    "no JSON": lambda _token, _: "e30.e30.e30",
    "three dots": lambda _token, _: "..",
    "a deep header": lambda _token, _: f"{urlsafe_b64encode(b'[' * 3_000).decode()}.e30.e30",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(access: AccessControl, issuer: str, token: str, forgery: str) -> None:
    [published] = httpx.get(f"{issuer}/jwks").json()["keys"]

    with pytest.raises(UnauthenticatedError) as refused:
        access.check(as_asgi(FORGERIES[forgery](token, published)), "predict")

    assert token.split(".")[1] not in refused.value.message


def test_an_unknown_key_is_asked_for_once_in_a_while(
    access: AccessControl, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    fetch = Issuer.refresh

    def counted(issuer: Issuer) -> None:
        asked.append(time.monotonic())
        fetch(issuer)

    monkeypatch.setattr(Issuer, "refresh", counted)
    strange = [
        jwt.encode({}, "x" * 32, headers={"typ": "at+jwt", "kid": f"key-{number}"}) for number in range(50)
    ]
    end = time.monotonic() + COOLDOWN_SECONDS + 1
    answers = set()
    while time.monotonic() < end:
        for forged in strange:
            with pytest.raises((UnauthenticatedError, IssuerUnavailableError)) as refused:
                access.check(as_asgi(forged), "predict")
            answers.add(refused.value.status)
        time.sleep(0.05)

    assert 1 <= len(asked) <= 3
    assert answers == {401, 503}
    access.check(as_asgi(token), "predict")


def test_keys_that_are_exchanged_are_followed_and_the_old_ones_forgotten() -> None:
    with run_issuer() as first:
        port = first.server_port
        access = verifying(url_of(first))
        old = log_in(url_of(first), "ada")
        access.check(as_asgi(old), "predict")

    access.check(as_asgi(old), "predict")  # the issuer is away: what was known goes on

    with run_issuer(port=port) as second:
        new = log_in(url_of(second), "ada")
        wait_until(lambda: is_let_in(access, new), "the new key", SOON)
        assert not is_let_in(access, old)
    access.close()


def is_let_in(access: AccessControl, token: str) -> bool:
    try:
        access.check(as_asgi(token), "predict")
    except (UnauthenticatedError, IssuerUnavailableError):
        return False
    return True


def test_an_issuer_that_was_never_there_is_said(token: str) -> None:
    verifier = TokenVerifier(Issuer("http://127.0.0.1:9"), AUDIENCE, None)
    access = AccessControl([verifier])
    wait_until(lambda: access.troubles, "the warning", SOON)

    with pytest.raises(IssuerUnavailableError) as refused:
        access.check(as_asgi(token), "predict")

    assert "127.0.0.1:9" in access.troubles[0]
    assert "127.0.0.1:9" not in refused.value.message
    assert int(refused.value.headers["Retry-After"]) >= 1
    access.close()


def test_an_issuer_that_calls_itself_otherwise_is_not_believed(issuer: str) -> None:
    other_name = issuer.replace("localhost", "127.0.0.1")
    claimed = Issuer(other_name + "/")
    wait_until(lambda: claimed.trouble, "the warning", SOON)

    assert "ROUNDTRIP_OIDC_ISSUER" in str(claimed.trouble)
    claimed.close()


@pytest.mark.parametrize("url", ["http://issuer.example", "file:///etc/passwd", "issuer.example"])
def test_keys_are_not_fetched_in_the_clear(url: str) -> None:
    with pytest.raises(AccessConfigurationError, match="https"):
        Issuer(url)


def test_each_subject_has_a_rate_of_its_own(issuer: str, token: str) -> None:
    access = verifying(issuer, Rate(per_second=0.01, burst=2))
    other = log_in(issuer, "bob")

    for _ in range(2):
        access.check(as_asgi(token), "predict")
        access.check(as_asgi(other), "admin")
    with pytest.raises(RateLimitedError):
        access.check(as_asgi(log_in(issuer, "ada")), "predict")
    access.close()


def test_keys_and_tokens_are_taken_side_by_side(issuer: str, token: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = new_key(path, "ada")
    settings = world_settings(tmp_path, api_keys=path, oidc_issuer=issuer, oidc_audience=AUDIENCE)
    access = AccessControl.configured(settings, settings.serve_host)

    wait_until(lambda: is_let_in(access, token), "the issuer's keys", SOON)
    assert access.check(as_asgi(key), "predict").id == "key:ada"
    assert access.check(as_asgi(token), "predict").id == "token:ada"
    access.close()
