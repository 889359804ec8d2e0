"""The record of rollouts beside the registry: a JSON file per decision under `var/rollouts`."""

import os
from pathlib import Path

from inference.rollout.record import Entry
from training.settings import TrainingSettings


def rollouts_folder(settings: TrainingSettings) -> Path:
    """Where the decisions about every model's rollouts lie."""
    return settings.var / "rollouts"


def archive_entry(settings: TrainingSettings, name: str, entry: Entry) -> Path:
    """Write one decision as a file that needs no registry to be read; writing it again changes nothing."""
    folder = rollouts_folder(settings) / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{entry.id:06d}-{entry.action}.json"
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(entry.model_dump_json(indent=2) + "\n")
    draft.replace(path)
    return path
