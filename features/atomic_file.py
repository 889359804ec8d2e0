"""Writes a small file whole: whoever reads it, or kills the writer, finds the old content or the new one."""

import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Put `text` at `path`, in a folder that is made if need be.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
