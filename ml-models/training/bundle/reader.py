"""Open a bundle: digests, schema version and formats are checked before anything is used."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from training.bundle.contract import (
    CARD_FILE,
    CONTRACT_FILE,
    MODEL_FILE,
    PROFILE_FILE,
    REFERENCE_FILE,
    Contract,
    file_digest,
)
from training.bundle.errors import (
    BundleDigestError,
    BundleMissingError,
    BundleSchemaError,
    BundleUnsafeError,
)
from training.bundle.scorer import Scorer
from training.profile import ReferenceProfile

FORMATS = frozenset({".onnx", ".json", ".parquet", ".md", ".safetensors", ".ubj", ".skops", ".txt"})
PICKLE_PROTOCOLS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: the contract, and what else it holds on request."""

    folder: Path
    contract: Contract

    def scorer(self, threads: int = 1) -> Scorer:
        """Load the ONNX graph into a session with `threads` intra-op threads."""
        return Scorer(self.folder / MODEL_FILE, threads=threads)

    @cached_property
    def profile(self) -> ReferenceProfile:
        """The distributions that drift is measured against."""
        try:
            return ReferenceProfile.model_validate_json((self.folder / PROFILE_FILE).read_bytes())
        except ValidationError as error:
            raise BundleSchemaError(f"{PROFILE_FILE} breaks its schema; train again ({error})") from error

    @property
    def reference(self) -> Path:
        """The reference sample: feature columns, `prediction` and the label, as Parquet."""
        return self.folder / REFERENCE_FILE

    @cached_property
    def card(self) -> str:
        """The model card, in Markdown."""
        return (self.folder / CARD_FILE).read_text(encoding="utf-8")


def read_bundle(folder: Path) -> Bundle:
    """Check and open the bundle in `folder`.

    Raises:
        BundleMissingError: the folder, the contract or a listed file is not there.
        BundleSchemaError: the contract is unreadable or of an unknown version.
        BundleDigestError: a file was changed, truncated or added.
        BundleUnsafeError: a file's format may run code when loaded.
    """
    contract = Contract.parse(_contract_bytes(folder))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    _refuse_unsafe(folder, found)
    _refuse_unlisted(found - set(contract.files) - {CONTRACT_FILE})
    for name, digest in contract.files.items():
        _verify(folder / name, digest)
    return Bundle(folder=folder, contract=contract)


def _contract_bytes(folder: Path) -> bytes:
    path = folder / CONTRACT_FILE
    if not path.is_file():
        raise BundleMissingError(f"{path} is not there; restore the artifacts, or train and promote again")
    return path.read_bytes()


def _refuse_unsafe(folder: Path, names: set[str]) -> None:
    for name in sorted(names):
        if Path(name).suffix not in FORMATS or _looks_pickled(folder / name):
            raise BundleUnsafeError(f"{name} may run code when loaded; remove the bundle and train again")


def _looks_pickled(path: Path) -> bool:
    if path.suffix == ".safetensors":  # opens with a length, whose bytes may be anything
        return False
    with path.open("rb") as stream:
        return stream.read(2) in PICKLE_PROTOCOLS


def _refuse_unlisted(names: set[str]) -> None:
    if names:
        raise BundleDigestError(f"{CONTRACT_FILE} does not list {sorted(names)}; restore the original bundle")


def _verify(path: Path, digest: str) -> None:
    if not path.is_file():
        raise BundleMissingError(f"{path} is listed in {CONTRACT_FILE} but not there; restore the artifacts")
    if file_digest(path) != digest:
        raise BundleDigestError(f"{path} does not match its digest; restore the artifacts, or roll back")
