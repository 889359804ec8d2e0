"""`.env.example` names exactly the settings that the rooms read, each commented out."""

import re
import sys
from importlib import import_module
from pathlib import Path
from runpy import run_module
from typing import Annotated

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from features.errors import UnreadableSettingError
from features.settings import ENV_FILE, FeatureSettings
from tests.repository.sources import README, ROOMS, ROOT, list_python_files

EXAMPLE = ROOT / ".env.example"
NAME = re.compile(r"^#(ROUNDTRIP_[A-Z0-9_]+)=", re.MULTILINE)


def list_settings_classes() -> set[type[BaseSettings]]:
    """Every settings class in the rooms' `settings.py` files."""
    modules = [
        import_module(".".join((room, *path.relative_to(folder).with_suffix("").parts)))
        for room, folder in ROOMS.items()
        for path in list_python_files(folder)
        if path.name == "settings.py"
    ]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {value for value in found if issubclass(value, BaseSettings) and value is not BaseSettings}


def list_settings_names() -> set[str]:
    """The environment variables that those classes read."""
    return {
        f"{settings.model_config['env_prefix']}{field}".upper()
        for settings in list_settings_classes()
        for field in settings.model_fields
    }


def test_example_names_exactly_the_settings() -> None:
    documented = NAME.findall(EXAMPLE.read_text())
    assert len(documented) == len(set(documented))
    assert set(documented) == list_settings_names()


def test_readme_names_only_settings() -> None:
    named = set(re.findall(r"\bROUNDTRIP_[A-Z_]+\b", README.read_text()))
    assert named
    assert named <= list_settings_names()


def test_example_sets_nothing_as_it_stands() -> None:
    active = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    assert not active, "every line of .env.example is a comment, so that a copy changes nothing"


def test_example_shows_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    activated = tmp_path / ".env"
    activated.write_text(re.sub(r"^#(?=ROUNDTRIP_)", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    defaults = {settings: settings() for settings in list_settings_classes()}
    monkeypatch.setenv(ENV_FILE, str(activated))
    for settings, default in defaults.items():
        assert settings() == default, settings.__name__


def test_another_file_can_be_read_in_place_of_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = tmp_path / "other.env"
    written.write_text(f"ROUNDTRIP_VAR={tmp_path}\n")
    for settings in list_settings_classes():
        monkeypatch.setenv(ENV_FILE, str(written))
        assert settings().model_dump()["var"] == tmp_path
        monkeypatch.setenv(ENV_FILE, "")
        assert settings().model_dump()["var"] == ROOT / "var"


def test_every_setting_says_what_it_is_for() -> None:
    silent = {
        f"{settings.__name__}.{name}"
        for settings in list_settings_classes()
        for name, field in settings.model_fields.items()
        if not field.description
    }
    assert not silent


def test_settings_read_the_environment_when_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    classes = list_settings_classes()
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    assert {settings().model_dump()["var"] for settings in classes} == {tmp_path}


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize(
    ("command", "variable", "held"),
    [
        # What Kubernetes sets in every pod beside a Service named `roundtrip-serve`.
        (("inference", "serve"), "ROUNDTRIP_SERVE_PORT", "tcp://10.43.12.7:8000"),
        (("monitoring.ml", "serve"), "ROUNDTRIP_MONITOR_PORT", "tcp://10.43.12.7:8010"),
        (("training", "list"), "ROUNDTRIP_SEED", "a lucky one"),
        (("features", "build"), "ROUNDTRIP_EVENT_FLUSH_SECONDS", "0"),
        (("experiments.ui",), "ROUNDTRIP_HTML_KEPT", "2"),
        (("experiments.replay",), "ROUNDTRIP_REPLAY_WARM_UP", "soon"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named_in_one_line(
    command: tuple[str, ...],
    variable: str,
    held: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module, *arguments = command
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    monkeypatch.setenv(variable, held)
    with pytest.raises(SystemExit) as ended:
        run_module(module, run_name="__main__")
    assert ended.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"UnreadableSettingError: {variable}={held!r}: ")


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize(
    "command",
    [
        ("inference", "serve"),
        ("inference", "serve", "--workers", "2"),
        ("monitoring.ml", "serve"),
        ("monitoring.ml", "evaluate", "--as-of", "2024-01-01T00:00Z"),
        ("experiments.replay", "--var", "replayed"),
    ],
    ids=" ".join,
)
def test_a_problem_that_is_not_there_is_named_in_one_line(
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    module, *arguments = command
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    monkeypatch.setenv("ROUNDTRIP_PROBLEM", "nowhere:NOTHING")
    with pytest.raises(SystemExit) as ended:
        run_module(module, run_name="__main__")
    assert ended.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("ProblemError: no problem at 'nowhere:NOTHING'; write it as")


def test_a_secret_that_cannot_be_read_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithSecret(FeatureSettings):
        password: Annotated[SecretStr, Field(min_length=20)] = SecretStr("x" * 20)

    monkeypatch.setenv("ROUNDTRIP_PASSWORD", "hunter2")
    with pytest.raises(UnreadableSettingError, match="ROUNDTRIP_PASSWORD: ") as refused:
        WithSecret()
    assert "hunter2" not in str(refused.value)
