"""The folder a replay lives in: started clean each time, never over something that no replay made."""

import shutil
from pathlib import Path

from experiments.errors import NotADemoFolderError

MARKER = ".replay"


def start_clean(folder: Path) -> None:
    """Empty a folder that an earlier replay made, or make a new one.

    Raises:
        NotADemoFolderError: the folder holds something, and no replay's marker.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).is_file():
            raise NotADemoFolderError(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(
        "Made by `python -m experiments.replay`, which empties this folder when it starts.\n"
    )
