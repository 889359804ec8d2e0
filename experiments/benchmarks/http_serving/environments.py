"""Each peer server in an environment of its own, installed once from the versions committed beside it."""

import hashlib
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"


def peer_environment(peer: str, folder: Path) -> Path:
    """Return the `bin` of the peer's environment, built unless these requirements have been before.

    Raises:
        RuntimeError: pip refuses; the message holds its last words.
    """
    requirements = PEERS / peer / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    environment = folder / f"{peer}-{digest}"
    if not (environment / "complete").is_file():
        print(f"Installing {peer} into {environment}, this once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        _install(environment / "bin" / "python", requirements)
        (environment / "complete").touch()
    return environment / "bin"


def _install(python: Path, requirements: Path) -> None:
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",  # what a server imports is compiled while it starts
        "--requirement",
        str(requirements),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{requirements} cannot be installed: {done.stderr[-2_000:]}")
