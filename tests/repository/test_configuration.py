"""`.env.example` names exactly the settings that the rooms read, each commented out."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from features.settings import ENV_FILE
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
