"""Write a bundle: every file first, then the contract with their digests, which makes it complete."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from contracts.bundle.contract import (
    CARD_FILE,
    CONTRACT_FILE,
    MODEL_FILE,
    NATIVE_FOLDER,
    PROFILE_FILE,
    REFERENCE_FILE,
    Contract,
    file_digest,
)
from contracts.profile import ReferenceProfile
from training.estimators.base import FittedModel


@dataclass(frozen=True)
class BundleParts:
    """What goes into a bundle besides its contract. `reference`: feature columns, `prediction`, the label."""

    graph: bytes
    model: FittedModel
    profile: ReferenceProfile
    reference: pd.DataFrame
    card: Callable[[Contract], str]


def write_bundle(folder: Path, parts: BundleParts, contract: Contract) -> Contract:
    """Write `parts` into the empty `folder`; return the contract with the files' digests, as written."""
    native = folder / NATIVE_FOLDER
    native.mkdir(parents=True)
    parts.model.save_native(native)
    (folder / MODEL_FILE).write_bytes(parts.graph)
    (folder / PROFILE_FILE).write_text(parts.profile.model_dump_json(indent=1), encoding="utf-8")
    parts.reference.to_parquet(folder / REFERENCE_FILE, index=False, coerce_timestamps="us")
    (folder / CARD_FILE).write_text(parts.card(contract), encoding="utf-8")
    complete = contract.model_copy(update={"files": digests(folder)})
    _write_atomically(folder / CONTRACT_FILE, complete.model_dump_json(indent=1))
    return complete


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file under `folder` by its relative path, the contract's excepted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CONTRACT_FILE)
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def _write_atomically(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105 - an atomic rename over an existing file
