"""The files of a bundle as they lie in its folder: plain ones, inside it, in formats that run no code."""

import os
import stat
from codecs import getincrementaldecoder
from pathlib import Path, PurePosixPath
from typing import Final

from contracts.bundle.errors import BundleMissingError, BundleUnsafeError

LARGEST_CONTRACT: Final = 16 * 2**20
LARGEST_FILE: Final = 2**30
HEAD: Final = 16
# How a file of each format begins, after the given number of bytes; formats that may run code are not there.
LEADS: Final[dict[str, tuple[int, tuple[bytes, ...]]]] = {
    ".onnx": (0, (b"\x08",)),
    ".json": (0, tuple(bytes([byte]) for byte in b'{["-0123456789tfn')),
    ".parquet": (0, (b"PAR1",)),
    ".safetensors": (8, (b"{",)),
    ".skops": (0, (b"PK\x03\x04",)),
}
TEXTS: Final = frozenset({".md", ".txt"})


def list_files(folder: Path) -> set[str]:
    """Return the paths of all files, relative to the folder.

    Raises:
        BundleUnsafeError: something in it is neither a plain file nor a folder: a link, a pipe, a device.
    """
    return {path.relative_to(folder).as_posix() for path in _walk(folder)}


def read_file(path: Path, limit: int = LARGEST_FILE) -> bytes:
    """Return the content of a plain file, without following a link or waiting for a pipe.

    Raises:
        BundleMissingError: it is not there.
        BundleUnsafeError: it is no plain file, or longer than `limit` bytes.
    """
    content = _read_up_to(path, limit + 1)
    if len(content) > limit:
        raise BundleUnsafeError(f"{path} is longer than {limit} bytes; train a smaller model")
    return content


def require_inside(name: str) -> None:
    """Check that a name stays within the folder.

    Raises:
        BundleUnsafeError: it leads outside, or is not written plainly.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != name:
        raise BundleUnsafeError(f"{name!r} leads outside the bundle; train again")


def require_safe_format(path: Path) -> None:
    """Check that a file has a known format's name, and begins as that format does.

    Raises:
        BundleUnsafeError: it may be something else, a pickle say, whatever it is called.
    """
    head = _read_up_to(path, HEAD)
    offset, leads = LEADS.get(path.suffix, (0, ()))
    safe = _is_text(head) if path.suffix in TEXTS else head[offset:].startswith(leads)
    if not safe:
        raise BundleUnsafeError(f"{path.name} may run code when loaded; remove the bundle and train again")


def _walk(folder: Path) -> list[Path]:
    found: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found += _walk(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                found.append(Path(entry.path))
            else:
                raise BundleUnsafeError(f"{entry.path} is no plain file; restore the artifacts")
    return found


def _read_up_to(path: Path, limit: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BundleMissingError(f"{path} is not there; restore the artifacts") from None
    except OSError as error:
        raise BundleUnsafeError(f"{path} cannot be opened as a plain file ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BundleUnsafeError(f"{path} is no plain file; restore the artifacts")
        return stream.read(limit)


def _is_text(head: bytes) -> bool:
    """Whether it is UTF-8 without control characters; its last character may be cut off."""
    try:
        text = getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character >= " " or character in "\n\r\t" for character in text)
