"""Where features live: the one place of configuration for the features room, read when used."""

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from features.errors import UnreadableSettingError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

CODE = Path(__file__).resolve().parent.parent
# A checkout is worked in wherever a command is started; an installed wheel works in the current folder.
REPOSITORY = CODE if (CODE / "pyproject.toml").is_file() else Path.cwd()
CONFIG_FILE = "feature_store.yaml"
# Names another file to read in place of `.env`; empty: none at all.
ENV_FILE = "ROUNDTRIP_ENV_FILE"


@cache
def default_problem() -> str:
    """Return the problem that the repository is about, as `[tool.roundtrip]` of its `pyproject.toml` says.

    Raises:
        UnreadableSettingError: it names none.
    """
    project = REPOSITORY / "pyproject.toml"
    declared = tomllib.loads(project.read_text(encoding="utf-8")) if project.is_file() else {}
    problem: str | None = declared.get("tool", {}).get("roundtrip", {}).get("problem")
    if problem is None:
        raise UnreadableSettingError(
            f"no problem is named: set ROUNDTRIP_PROBLEM, or `problem` in [tool.roundtrip] of {project}"
        )
    return problem


AbsolutePath = Annotated[Path, AfterValidator(lambda path: (REPOSITORY / path.expanduser()).resolve())]


def is_part(field: FieldInfo) -> bool:
    """Tell whether a field holds the settings of another room, which are no setting themselves."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, Settings)


class _Environment(EnvSettingsSource):
    """Variables for the settings of one class; its parts read their own."""

    def prepare_field_value(
        self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool
    ) -> Any:
        if is_part(field):
            return None
        return super().prepare_field_value(field_name, field, value, value_is_complex)


class _EnvironmentFile(_Environment, DotEnvSettingsSource):
    """The same from a file."""


class Settings(BaseSettings):
    """What every room's settings have; every value comes from `ROUNDTRIP_<NAME>`, `.env`, or its default.

    Everything that a run produces lies under `var`, which may be moved. Relative paths are taken from the
    repository's root, so that a command means the same from any working directory. A room that needs another
    room's settings holds them as a `part`.

    Raises:
        UnreadableSettingError: a variable holds what its setting cannot be.
    """

    model_config = SettingsConfigDict(
        env_prefix="ROUNDTRIP_",
        env_ignore_empty=True,
        dotenv_filtering="only_existing",
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    var: AbsolutePath = Field(default=REPOSITORY / "var", description="Everything that runs produce.")
    problem: str = Field(
        default_factory=default_problem,
        description="The Problem, as package.module:NAME; that of pyproject.toml if not set.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_replaced: Any,
        **_and_replaced: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, then `.env` or the file that `ROUNDTRIP_ENV_FILE` names in place of it."""
        name = os.environ.get(ENV_FILE, ".env")
        file = _EnvironmentFile(settings_cls, env_file=REPOSITORY / name if name else None)
        return init_settings, _Environment(settings_cls), file

    @model_validator(mode="wrap")
    @classmethod
    def _say_what_cannot_be_read(cls, values: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return read(values)
        except ValidationError as error:
            wrong = "; ".join(_name_setting(cls, found) for found in error.errors())
            raise UnreadableSettingError(f"{wrong}. Correct it, or unset it to have its default") from None


Part = TypeVar("Part", bound=Settings)


def part(settings: type[Part]) -> Part:
    """Declare a field that holds another room's settings: of the same `var` and `problem` unless given.

    Parts that were declared before it and that it holds too are handed on: there is one of each.
    """

    def make(given: dict[str, Any]) -> Part:
        return settings(**{name: value for name, value in given.items() if name in settings.model_fields})

    made: Part = Field(default_factory=make)
    return made


class FeatureSettings(Settings):
    """Folders of the features, their online store, Spark, lineage and events."""

    feature_repo: AbsolutePath = Field(
        default_factory=lambda given: repository_of(given["problem"]),
        description="The Feast repository's folder; the one named after the problem if not set.",
    )
    raw_dir: AbsolutePath | None = Field(
        default=None, description="Raw files; those that the repository's build finds if not set."
    )
    online_store: SecretStr | None = Field(
        default=None,
        description="The online store: sqlite:///, redis:// or postgresql://; SQLite under var if not set.",
    )
    spark_master: str = Field(
        default="local[2]", description="Where Spark runs: local[CORES], spark://…, yarn or k8s://…"
    )
    spark_memory: str = Field(default="4g", description="Memory of Spark's driver; of all, when local.")
    lineage: str = Field(
        default="file",
        pattern=r"^(file|off|https?://.+)$",
        description="Where OpenLineage events go: file (under var), off, or the URL of a lineage server.",
    )
    lineage_file_bytes: int = Field(
        default=16 * 2**20,
        gt=0,
        description="Bytes of that file beyond which it is set aside; four older ones are kept.",
    )
    event_flush_seconds: float = Field(
        default=300.0, gt=0, description="How long rows made of events may wait for the offline store."
    )

    @property
    def features_dir(self) -> Path:
        """The folder of everything this room produces."""
        return self.var / "features"

    @property
    def tables(self) -> Path:
        """The folder of the feature tables and the two contract tables (Parquet)."""
        return self.features_dir / "tables"

    @property
    def lineage_file(self) -> Path:
        """The OpenLineage events, one JSON object a line; older ones lie beside it."""
        return self.var / "lineage" / "events.jsonl"

    @property
    def online_db(self) -> Path:
        """The online store's SQLite file, unless `online_store` names another database."""
        return self.features_dir / "online.db"

    @property
    def online_address(self) -> SecretStr:
        """The URL of the online store; secret, since it may carry a password."""
        return self.online_store or SecretStr(f"sqlite:///{self.online_db}")

    @property
    def events_journal(self) -> Path:
        """The journal of accepted events (SQLite)."""
        return self.features_dir / "events" / "journal.db"

    @property
    def registry_db(self) -> Path:
        """Feast's registry file."""
        return self.features_dir / "registry.db"


def repository_of(problem: str) -> Path:
    """Return a problem's Feast repository: its module's folder if that is one, else `features/<name>`."""
    folder = Path(*problem.partition(":")[0].split(".")[:-1])
    beside = REPOSITORY / folder
    return beside if (beside / CONFIG_FILE).is_file() else REPOSITORY / "features" / folder.name


def _name_setting(settings: type[BaseSettings], found: "ErrorDetails") -> str:
    """The variable with what it holds, unless that is secret, and what is wrong with it."""
    name = str(found["loc"][0]) if found["loc"] else ""
    field = settings.model_fields.get(name)
    secret = field is None or "Secret" in str(field.annotation)
    held = "" if secret else f"={str(found['input'])!r}"
    return f"{settings.model_config['env_prefix']}{name}".upper() + f"{held}: {found['msg']}"
