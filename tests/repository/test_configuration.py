"""`.env.example` names exactly the settings that the rooms read, each commented out."""

import re
import sys
from importlib import import_module
from pathlib import Path
from runpy import run_module
from typing import Annotated

import pytest
from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from features.errors import UnreadableSettingError
from features.settings import ENV_FILE, FeatureSettings, Settings, is_part
from monitoring.ml.settings import MonitoringSettings
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


def list_settings() -> dict[str, FieldInfo]:
    """Every setting by its environment variable; each is declared by one class, and is no part of another."""
    declared = [
        (f"{settings.model_config['env_prefix']}{name}".upper(), field)
        for settings in list_settings_classes()
        for name, field in settings.model_fields.items()
        if name in settings.__annotations__ and not is_part(field)
    ]
    assert len(declared) == len(dict(declared))
    return dict(declared)


def test_example_names_exactly_the_settings() -> None:
    documented = NAME.findall(EXAMPLE.read_text())
    assert len(documented) == len(set(documented))
    assert set(documented) == list_settings().keys()


def test_readme_names_only_settings() -> None:
    named = set(re.findall(r"\bROUNDTRIP_[A-Z_]+\b", README.read_text()))
    assert named
    assert named <= list_settings().keys()


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
    assert not [name for name, field in list_settings().items() if not field.description]


def test_settings_read_the_environment_when_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    classes = list_settings_classes()
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    assert {settings().model_dump()["var"] for settings in classes} == {tmp_path}


def test_parts_are_of_the_same_var_and_problem_and_shared(tmp_path: Path) -> None:
    settings = MonitoringSettings(var=tmp_path, problem="tests.nowhere:NOTHING")
    parts = settings.features, settings.registry, settings.inference
    assert {(part.var, part.problem) for part in parts} == {(tmp_path, "tests.nowhere:NOTHING")}
    assert settings.inference.features is settings.features
    assert settings.inference.registry is settings.registry


def test_a_part_that_is_given_is_handed_on(tmp_path: Path) -> None:
    features = FeatureSettings(var=tmp_path, raw_dir=tmp_path / "raw")
    assert MonitoringSettings(var=tmp_path, features=features).inference.features is features


@pytest.mark.parametrize("held", ['{"var": "elsewhere"}', "no JSON"])
def test_a_part_has_no_variable_of_its_own(
    held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tmp_path / ".env"
    written.write_text(f"ROUNDTRIP_REGISTRY={held}\nROUNDTRIP_LINEAGE=off\n")
    monkeypatch.setenv(ENV_FILE, str(written))
    monkeypatch.setenv("ROUNDTRIP_FEATURES", held)
    settings = MonitoringSettings()
    assert settings.features == FeatureSettings(lineage="off")
    assert settings.registry.var == settings.features.var == ROOT / "var"


def test_a_value_for_a_setting_that_a_class_does_not_have_is_refused() -> None:
    with pytest.raises(UnreadableSettingError, match="ROUNDTRIP_SERVE_PORT: Extra inputs"):
        FeatureSettings(serve_port=8_000)  # type: ignore[call-arg]


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize(
    ("command", "variable", "held"),
    [
        # What Kubernetes sets in every pod beside a Service named `roundtrip-serve`.
        (("inference", "serve"), "ROUNDTRIP_SERVE_PORT", "tcp://10.43.12.7:8000"),
        (("monitoring.ml", "serve"), "ROUNDTRIP_MONITOR_PORT", "tcp://10.43.12.7:8010"),
        (("training", "list"), "ROUNDTRIP_SEED", "a lucky one"),
        (("features", "build"), "ROUNDTRIP_EVENT_FLUSH_SECONDS", "0"),
        (("monitoring.ml", "serve"), "ROUNDTRIP_LINEAGE", "somewhere"),
        (("experiments.ui",), "ROUNDTRIP_HTML_KEPT", "2"),
        (("experiments.replay",), "ROUNDTRIP_SEED", "-1"),
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
    class WithSecret(Settings):
        password: Annotated[SecretStr, Field(min_length=20)] = SecretStr("x" * 20)

    monkeypatch.setenv("ROUNDTRIP_PASSWORD", "hunter2")
    with pytest.raises(UnreadableSettingError, match="ROUNDTRIP_PASSWORD: ") as refused:
        WithSecret()
    assert "hunter2" not in str(refused.value)
