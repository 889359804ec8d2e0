"""The record of rollouts beside the registry: a JSON file per decision under `var/rollouts`."""

from pathlib import Path

from features.atomic_file import write_atomically
from features.settings import Settings
from inference.rollout.record import Entry


def rollouts_folder(settings: Settings) -> Path:
    """Where the decisions about every model's rollouts lie."""
    return settings.var / "rollouts"


def archive_entry(settings: Settings, name: str, entry: Entry) -> Path:
    """Write one decision as a file that needs no registry to be read; writing it again changes nothing."""
    path = rollouts_folder(settings) / name / f"{entry.id:06d}-{entry.action}.json"
    write_atomically(path, entry.model_dump_json(indent=2) + "\n")
    return path
