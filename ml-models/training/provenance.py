"""Where a model comes from: the code's version and the environment's packages."""

import subprocess
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from features.settings import REPOSITORY

PACKAGE = "roundtrip"
LOCK_FILE = REPOSITORY / "requirements-ml.txt"
GIT_TIMEOUT = 5.0


def code_version(repository: Path = REPOSITORY) -> str:
    """Return the git commit, with `-dirty` when tracked files differ; without git, the package's version."""
    commit = _git(repository, "rev-parse", "HEAD")
    if commit is None:
        return _package_version()
    return f"{commit}-dirty" if _git(repository, "status", "--porcelain", "--untracked-files=no") else commit


def environment() -> str:
    """Return the installed packages, `name==version` a line, by name."""
    installed = {item.name.lower(): item.version for item in distributions() if item.name}
    return "".join(f"{name}=={number}\n" for name, number in sorted(installed.items()))


def _git(repository: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(repository), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _package_version() -> str:
    try:
        return f"{PACKAGE} {version(PACKAGE)}"
    except PackageNotFoundError:
        return f"{PACKAGE} (not installed)"
