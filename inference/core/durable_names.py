"""Makes the names of files survive a loss of power, which syncing the files themselves does not."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Write to the disk what the folder names.

    Raises:
        OSError: it cannot be.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
