"""What can go wrong in an experiment, each with what to do next."""

from pathlib import Path


class ExperimentError(RuntimeError):
    """Base of every error that an experiment raises."""


class ProcessFailedError(ExperimentError):
    """A service ended, or did not answer in time."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        super().__init__(f"{name} {reason}; its log is {log}\n{_tail(log)}")


class ReplayError(ExperimentError):
    """The replay cannot go on, or shows something that must not happen."""


class NotADemoFolderError(ExperimentError):
    """The folder to start clean in holds something that no replay made."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is not empty and was not made by a replay; "
            "name another folder with --var, or empty it yourself"
        )


class NothingToShowError(ExperimentError):
    """The folder whose pages were asked for holds no run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} holds no run yet; run `make demo` first, or name another folder with VAR="
        )


def _tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return ""
    return "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])
