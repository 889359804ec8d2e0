"""Open a bundle: digests, schema version and formats are checked before anything is used."""

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from contracts.bundle.bundle_files import (
    LARGEST_CONTRACT,
    list_files,
    read_file,
    require_inside,
    require_safe_format,
)
from contracts.bundle.contract import (
    CARD_FILE,
    CONTRACT_FILE,
    MODEL_FILE,
    PROFILE_FILE,
    REFERENCE_FILE,
    Contract,
)
from contracts.bundle.errors import BundleDigestError, BundleMissingError, BundleSchemaError
from contracts.bundle.providers import Device
from contracts.bundle.scorer import Scorer
from contracts.profile import ReferenceProfile

ESSENTIAL = frozenset({MODEL_FILE, PROFILE_FILE, REFERENCE_FILE, CARD_FILE})


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: the contract, and what else it holds on request.

    What is used is what was verified: a file is read once for each use, and those very bytes are compared
    with its digest, so that nobody can exchange it in between.
    """

    folder: Path
    contract: Contract

    def read(self, name: str) -> bytes:
        """Return the content of a file that the contract lists.

        Raises:
            BundleMissingError: the contract does not list it, or it is gone.
            BundleDigestError: it was changed.
            BundleUnsafeError: it is no plain file.
        """
        if name not in self.contract.files:
            raise BundleMissingError(f"{CONTRACT_FILE} does not list {name}; train again")
        content = read_file(self.folder / name)
        if hashlib.sha256(content).hexdigest() != self.contract.files[name]:
            raise BundleDigestError(
                f"{self.folder / name} does not match its digest; restore the artifacts, or roll back"
            )
        return content

    def scorer(self, threads: int = 1, device: Device = "cpu") -> Scorer:
        """Load the ONNX graph into a session with `threads` intra-op threads."""
        return Scorer(self.read(MODEL_FILE), threads, device)

    @cached_property
    def profile(self) -> ReferenceProfile:
        """The distributions that drift is measured against."""
        try:
            return ReferenceProfile.model_validate_json(self.read(PROFILE_FILE))
        except ValidationError as error:
            raise BundleSchemaError(f"{PROFILE_FILE} breaks its schema; train again ({error})") from error

    @property
    def reference(self) -> io.BytesIO:
        """The reference sample: feature columns, `prediction` and the label, as Parquet."""
        return io.BytesIO(self.read(REFERENCE_FILE))

    @cached_property
    def card(self) -> str:
        """The model card, in Markdown."""
        return self.read(CARD_FILE).decode("utf-8")


def read_bundle(folder: Path, digest: str | None = None) -> Bundle:
    """Check and open the bundle in `folder`; with `digest`, only if its contract has that SHA-256.

    Raises:
        BundleMissingError: the folder, the contract or a listed file is not there.
        BundleSchemaError: the contract is unreadable or of an unknown version.
        BundleDigestError: a file was changed, truncated or added.
        BundleUnsafeError: a file's format may run code when loaded, or it lies or leads outside the folder.
    """
    contract = Contract.parse(_read_contract(folder, digest))
    found = list_files(folder)
    for name in sorted(found):
        require_safe_format(folder / name)
    for name in contract.files:
        require_inside(name)
    _refuse_unlisted(found - set(contract.files) - {CONTRACT_FILE})
    missing = (set(contract.files) | ESSENTIAL) - found
    if missing:
        raise BundleMissingError(f"{sorted(missing)} of {folder} is not there; restore the artifacts")
    bundle = Bundle(folder=folder, contract=contract)
    for name in contract.files:
        bundle.read(name)
    return bundle


def _read_contract(folder: Path, digest: str | None) -> bytes:
    path = folder / CONTRACT_FILE
    if not path.is_file():
        raise BundleMissingError(f"{path} is not there; restore the artifacts, or train and promote again")
    content = read_file(path, LARGEST_CONTRACT)
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise BundleDigestError(f"{path} is not the registered contract; restore the artifacts, or roll back")
    return content


def _refuse_unlisted(names: set[str]) -> None:
    if names:
        raise BundleDigestError(f"{CONTRACT_FILE} does not list {sorted(names)}; restore the original bundle")
