"""Whether a SQLite file holds a registry: MLflow lays its tables out in any file that it is told to open."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

# The oldest of the registry's tables; every version of MLflow has it.
TABLE: Final = "registered_models"


def holds_registry(database: Path) -> bool:
    """Whether it does. One that was emptied does not; of one that is locked or damaged MLflow says more."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as file:
            (found,) = file.execute(query, (TABLE,)).fetchone()
    except sqlite3.Error:
        return True
    return bool(found)
