"""Bundles: complete, described, and refused when anything about them changed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contracts.bundle.contract import CONTRACT_FILE, SCHEMA_VERSION, Contract, file_digest
from contracts.bundle.errors import (
    BundleDigestError,
    BundleError,
    BundleMissingError,
    BundleSchemaError,
    BundleUnsafeError,
)
from contracts.bundle.reader import read_bundle
from contracts.parity import PARITY_LIMIT, PARITY_ROWS
from contracts.registry import fetch_bundle, version_ref
from contracts.settings import RegistrySettings
from tests.second_problem.problem import PROBLEM
from tests.training.conftest import TrainedWorld
from training.bundle_writer import digests
from training.packaging import REFERENCE_ROWS
from training.splits import WINDOW_NAMES

Damage = Callable[[Path], object]


def first_bundle(settings: RegistrySettings) -> Path:
    return fetch_bundle(settings, version_ref(settings, PROBLEM.name, "1"))


def rewrite_contract(folder: Path, **changes: object) -> None:
    path = folder / CONTRACT_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def relist(folder: Path) -> None:
    """List the present files with their true digests, as a forger would."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    rewrite_contract(folder, files={n: file_digest(folder / n) for n in names if n != CONTRACT_FILE})


def add_file(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    relist(folder)


def test_the_contract_describes_the_model(world: TrainedWorld) -> None:
    contract = read_bundle(first_bundle(world.settings.registry)).contract
    assert contract.schema_version == SCHEMA_VERSION
    assert contract.problem == PROBLEM.name
    assert contract.feature_service == PROBLEM.feature_service
    assert [*contract.categorical, *contract.numeric] == [
        "district",
        *("rides_last_hour", "rides_last_day", "docks", "hour", "weekday", "temperature"),
    ]
    assert tuple(contract.windows) == WINDOW_NAMES
    assert contract.metrics == world.first.metrics
    assert contract.parity_error <= PARITY_LIMIT
    assert contract.parity_rows >= PARITY_ROWS
    assert contract.code_version


def test_the_parts_belong_to_each_other(world: TrainedWorld) -> None:
    bundle = read_bundle(first_bundle(world.settings.registry))
    reference = pd.read_parquet(bundle.reference)
    recent = sum(bundle.contract.windows[name].rows for name in WINDOW_NAMES if name != "fit")
    assert bundle.profile.rows == recent
    assert len(reference) == min(recent, REFERENCE_ROWS)
    assert set(reference) == {c.name for c in bundle.contract.columns} | {"rides", "prediction"}
    for profile in (bundle.profile.prediction, *bundle.profile.numeric.values()):
        assert sum(profile.shares) + profile.missing == pytest.approx(1)
    np.testing.assert_allclose(
        bundle.profile.prediction.shares_of(reference["prediction"].to_numpy())[:-1],
        bundle.profile.prediction.shares,
        atol=0.02,
    )
    assert "weighted" not in bundle.card
    for expected in (PROBLEM.title, PROBLEM.card, "base rate", "Gate", bundle.contract.data_fingerprint[:16]):
        assert expected in bundle.card


DAMAGES: dict[str, tuple[Damage, type[BundleError]]] = {
    "a changed file": (lambda f: (f / "profile.json").write_text("{}"), BundleDigestError),
    "a truncated graph": (lambda f: truncate(f / "model.onnx"), BundleDigestError),
    "an added file": (lambda f: (f / "more.json").write_text("{}"), BundleDigestError),
    "a removed file": (lambda f: (f / "card.md").unlink(), BundleMissingError),
    "no contract": (lambda f: (f / CONTRACT_FILE).unlink(), BundleMissingError),
    "a truncated contract": (lambda f: truncate(f / CONTRACT_FILE), BundleSchemaError),
    "a contract that is a list": (lambda f: (f / CONTRACT_FILE).write_text("[]"), BundleSchemaError),
    "an unknown schema version": (
        lambda f: rewrite_contract(f, schema_version=SCHEMA_VERSION + 1),
        BundleSchemaError,
    ),
    "an unknown key": (lambda f: rewrite_contract(f, extra=1), BundleSchemaError),
    "a listed pickle": (lambda f: add_file(f, "model.pkl", b"\x80\x04K\x01."), BundleUnsafeError),
    "a pickle under another name": (lambda f: add_file(f, "notes.txt", b"\x80\x04K\x01."), BundleUnsafeError),
    "a torch archive": (lambda f: add_file(f, "model.pt", b"PK"), BundleUnsafeError),
}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bundle_is_refused(settings: RegistrySettings, damage: str) -> None:
    # given a bundle that reads, damaged afterwards
    folder = first_bundle(settings)
    read_bundle(folder)
    harm, error = DAMAGES[damage]
    harm(folder)
    # when it is read, then it is refused for what it is
    with pytest.raises(error):
        read_bundle(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleMissingError):
        read_bundle(tmp_path / "nowhere")


def test_a_forged_contract_is_not_the_registered_one(settings: RegistrySettings) -> None:
    # given a bundle that agrees with itself but not with the registry
    folder = first_bundle(settings)
    rewrite_contract(folder, code_version="forged")
    read_bundle(folder)
    # when it is fetched as the registered version, then it is refused
    with pytest.raises(BundleDigestError, match="version 1"):
        first_bundle(settings)


def test_a_damaged_profile_has_a_type(world: TrainedWorld, tmp_path: Path) -> None:
    bundle = read_bundle(first_bundle(world.settings.registry))
    (tmp_path / "profile.json").write_text("{}")
    forged = bundle.contract.model_copy(update={"files": digests(tmp_path)})
    with pytest.raises(BundleSchemaError):
        _ = type(bundle)(folder=tmp_path, contract=forged).profile


def test_a_contract_survives_its_own_text(world: TrainedWorld) -> None:
    contract = read_bundle(first_bundle(world.settings.registry)).contract
    assert Contract.parse(contract.model_dump_json()) == contract
