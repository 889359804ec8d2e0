"""API keys open the service as long as their file says so, and nothing of them can be read back from it."""

import json
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inference.access.api_keys import PREFIX
from inference.access.control import LONGEST_TOKEN, AccessControl
from inference.access.errors import (
    AccessConfigurationError,
    ForbiddenError,
    KeyExistsError,
    KeyFileError,
    UnauthenticatedError,
)
from inference.access.key_authentication import WATCH_SECONDS, KeyAuthentication
from inference.access.key_file import OWNER_ONLY, read_keys, remove_key
from inference.settings import InferenceSettings
from tests.inference.callers import Headers, as_asgi, new_key
from tests.inference.running import environment_of, wait_until
from tests.inference.world import world_settings
from tests.measured import measured_python

SOON = 10 * WATCH_SECONDS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access" / "keys.json"


@pytest.fixture
def token(path: Path) -> str:
    return new_key(path, "ada")


@pytest.fixture
def ring(path: Path, token: str) -> Iterator[KeyAuthentication]:
    held = KeyAuthentication(path, default=None)
    yield held
    held.close()


@pytest.fixture
def access(ring: KeyAuthentication) -> AccessControl:
    return AccessControl([ring])


def is_refused(access: AccessControl, headers: Headers) -> bool:
    try:
        access.check(headers, "predict")
    except UnauthenticatedError:
        return True
    return False


def test_a_key_opens_what_its_scopes_say(access: AccessControl, token: str) -> None:
    assert access.check(as_asgi(token), "predict").id == "key:ada"
    assert access.check([(b"x-api-key", token.encode())], "predict").id == "key:ada"
    with pytest.raises(ForbiddenError) as refused:
        access.check(as_asgi(token), "admin")
    assert 'scope="admin"' in refused.value.headers["WWW-Authenticate"]


def test_no_scope_includes_the_other(path: Path, access: AccessControl) -> None:
    keeper = new_key(path, "keeper", ["admin"])
    wait_until(lambda: not is_refused_for(access, keeper), "the new key", SOON)

    with pytest.raises(ForbiddenError):
        access.check(as_asgi(keeper), "predict")


def is_refused_for(access: AccessControl, token: str) -> bool:
    try:
        access.check(as_asgi(token), "admin")
    except UnauthenticatedError:
        return True
    return False


def test_the_file_holds_nothing_that_opens_anything(path: Path, token: str) -> None:
    secret = token.split(".")[1]

    assert secret not in path.read_text()
    assert len(secret) * 6 >= 256  # bits in base64
    assert stat.S_IMODE(path.stat().st_mode) == OWNER_ONLY


WRONG: dict[str, Callable[[str], Headers]] = {
    "nothing": lambda token: [(b"accept", b"*/*")],
    "another secret": lambda token: as_asgi(token[:-1] + ("A" if token[-1] != "A" else "B")),
    "another id": lambda token: as_asgi(token.replace("ada", "eve")),
    "no secret": lambda token: as_asgi(token.partition(".")[0]),
    "only the prefix": lambda token: as_asgi(PREFIX.decode()),
    "no bytes of text": lambda token: [(b"authorization", b"Bearer rt_\xff.\xfe")],
    "an empty token": lambda token: as_asgi(""),
    "too long a token": lambda token: as_asgi(token + "A" * LONGEST_TOKEN),
    "another scheme": lambda token: [(b"authorization", b"Basic " + token.encode())],
    "a token of another kind": lambda token: as_asgi("eyJh.eyJi.c2ln"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_challenged(access: AccessControl, token: str, wrong: str) -> None:
    with pytest.raises(UnauthenticatedError) as refused:
        access.check(WRONG[wrong](token), "predict")

    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")
    assert token not in refused.value.message


def test_wrong_tokens_take_no_memory(access: AccessControl, ring: KeyAuthentication, token: str) -> None:
    access.check(as_asgi(token), "predict")

    for number in range(1_000):
        assert is_refused(access, as_asgi(f"rt_ada.{number}"))

    assert len(ring.grants) == 1


def test_a_key_ends_when_it_said(path: Path) -> None:
    token = new_key(path, "brief", expires_at=datetime.now(UTC) + timedelta(seconds=0.3))
    access = AccessControl([KeyAuthentication(path, default=None)])

    access.check(as_asgi(token), "predict")

    wait_until(lambda: is_refused(access, as_asgi(token)), "the end", SOON)
    access.close()


def test_keys_come_and_go_without_a_restart(path: Path, access: AccessControl, token: str) -> None:
    access.check(as_asgi(token), "predict")

    other = new_key(path, "bob")
    remove_key(path, "ada")

    wait_until(lambda: is_refused(access, as_asgi(token)), "the revocation", SOON)
    access.check(as_asgi(other), "predict")


def test_a_broken_file_leaves_the_keys_as_they_were(path: Path, access: AccessControl, token: str) -> None:
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])

    [trouble] = wait_until(lambda: access.troubles, "the warning", SOON)
    access.check(as_asgi(token), "predict")
    assert "stay as they were" in trouble
    assert json.loads(whole)["keys"][0]["sha256"] not in trouble

    path.write_text(whole)
    wait_until(lambda: not access.troubles, "the repair", SOON)
    access.check(as_asgi(token), "predict")


def test_a_secret_that_is_mounted_by_a_link_is_followed(tmp_path: Path, token: str, path: Path) -> None:
    link = tmp_path / "mounted.json"
    link.symlink_to(path)
    access = AccessControl([KeyAuthentication(link, default=None)])

    other = new_key(tmp_path / "next.json", "bob")
    fresh = tmp_path / "fresh"
    fresh.symlink_to(tmp_path / "next.json")
    fresh.replace(link)

    wait_until(lambda: not is_refused(access, as_asgi(other)), "the new mount", SOON)
    assert is_refused(access, as_asgi(token))
    access.close()


@pytest.mark.parametrize(
    "content",
    [None, "", "[]", '{"version": 2}', '{"keys": [{"id": "a"}]}', '{"keys": [], "more": 1}', "[" * 5_000],
)
def test_without_a_readable_file_nothing_starts(path: Path, content: str | None) -> None:
    path.parent.mkdir()
    if content is not None:
        path.write_text(content)

    with pytest.raises(KeyFileError, match=r"keys\.json"):
        KeyAuthentication(path, default=None)


def test_two_keys_of_one_name_are_refused(path: Path, token: str) -> None:
    with pytest.raises(KeyExistsError, match="ada"):
        new_key(path, "ada")


def test_keys_created_at_once_are_all_there(path: Path) -> None:
    names = [f"key-{number}" for number in range(12)]
    makers = [threading.Thread(target=new_key, args=(path, name)) for name in names]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert sorted(key.id for key in read_keys(path)) == sorted(names)
    assert not list(path.parent.glob("*.draft"))


def test_the_commands_create_list_and_revoke(path: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*measured_python(), "-m", "inference", "keys", *arguments]
        environment = environment_of(world_settings(tmp_path)) | {"ROUNDTRIP_API_KEYS": str(path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    created = run("create", "ada", "--scope", "predict", "--scope", "admin", "--days", "90", "--rate", "50")
    listed = run("list")

    assert created.returncode == 0, created.stderr
    access = AccessControl([KeyAuthentication(path, default=None)])
    assert access.check(as_asgi(created.stdout.strip()), "admin").id == "key:ada"
    access.close()
    assert "ada  admin+predict  until 20" in listed.stdout
    assert "50/s" in listed.stdout
    assert created.stdout.strip().split(".")[1] not in listed.stdout
    assert run("revoke", "ada").returncode == 0
    again = run("revoke", "ada")
    assert (again.returncode, again.stderr.startswith("error: there is no key 'ada'")) == (1, True)
    assert read_keys(path) == ()


def test_half_a_configuration_is_refused(tmp_path: Path) -> None:
    half = world_settings(tmp_path, oidc_issuer="https://issuer.example")

    with pytest.raises(AccessConfigurationError, match="ROUNDTRIP_OIDC_AUDIENCE"):
        AccessControl.configured(half, half.serve_host)


def test_the_file_is_the_one_that_the_setting_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTRIP_API_KEYS", str(tmp_path / "link.json"))
    (tmp_path / "link.json").symlink_to(tmp_path / "target.json")

    assert InferenceSettings().api_keys == tmp_path / "link.json"
