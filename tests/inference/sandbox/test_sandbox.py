"""A version that was never served is tried out first, in a process with limits that ends with the service."""

import os
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest

from contracts.bundle.contract import CONTRACT_FILE, file_digest
from contracts.bundle.errors import BundleSchemaError
from contracts.bundle.reader import Bundle, read_bundle
from inference.sandbox import limits
from inference.sandbox.errors import LimitError
from inference.sandbox.messages import TrialRequest
from inference.sandbox.sandbox import require_bounded
from inference.settings import InferenceSettings
from tests.inference import forgeries
from tests.inference.bundles import LevelModel, write_level_bundle
from tests.inference.forgeries import Damage, regraphed
from tests.inference.running import ROOT, wait_until
from tests.inference.world import world_settings
from tests.measured import measured_python

LITTLE = 2**29
SHORT = 3.0


@pytest.fixture(autouse=True)
def _lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COMMAND", (*measured_python(), *limits.COMMAND[1:]))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    write_level_bundle(tmp_path / "bundle", LevelModel(1.0))
    return read_bundle(tmp_path / "bundle")


def settings_with(bundle: Bundle, memory: int = 2**40, seconds: float = 600.0) -> InferenceSettings:
    return world_settings(bundle.folder.parent / "var", sandbox_bytes=memory, sandbox_seconds=seconds)


def try_out(settings: InferenceSettings, bundle: Bundle) -> None:
    require_bounded(settings, bundle, file_digest(bundle.folder / CONTRACT_FILE))


@pytest.mark.parametrize(
    ("damage", "limit", "said"),
    [
        (regraphed(forgeries.double_a_text), {"memory": LITTLE}, f"{LITTLE} bytes of memory"),
        (
            regraphed(forgeries.spread_what_is_of_unknown_size),
            {"memory": LITTLE},
            f"{LITTLE} bytes of memory",
        ),
        (regraphed(forgeries.multiply_without_end), {"seconds": SHORT}, "3 s"),
    ],
    ids=["a text that doubles", "a square of unknown size", "products without end"],
)
def test_the_limit_that_a_version_met_is_said(
    bundle: Bundle, damage: Damage, limit: dict[str, int], said: str
) -> None:
    damage(bundle.folder)

    with pytest.raises(LimitError, match=f"takes more than {said}"):
        try_out(settings_with(bundle, **limit), bundle)


def test_a_version_whose_explanation_would_never_end_is_refused(bundle: Bundle) -> None:
    forgeries.lead_a_tree_to_itself(bundle.folder)

    with pytest.raises(BundleSchemaError, match="reached twice"):
        try_out(settings_with(bundle), bundle)


def test_a_version_that_passed_is_not_tried_again(bundle: Bundle) -> None:
    settings = settings_with(bundle)
    digest = file_digest(bundle.folder / CONTRACT_FILE)
    require_bounded(settings, bundle, digest)
    shutil.rmtree(bundle.folder)

    require_bounded(settings, bundle, digest)


def test_a_version_that_met_a_limit_is_tried_again_once_that_is_raised(bundle: Bundle) -> None:
    with pytest.raises(LimitError) as first:
        try_out(settings_with(bundle, memory=1), bundle)
    with pytest.raises(LimitError) as second:  # at once, by its record
        try_out(settings_with(bundle, memory=1), bundle)

    try_out(settings_with(bundle), bundle)

    assert str(first.value) == str(second.value)


def test_trying_out_ends_with_the_service(bundle: Bundle) -> None:
    # given a process that goes on for ever
    regraphed(forgeries.multiply_without_end)(bundle.folder)
    digest = file_digest(bundle.folder / CONTRACT_FILE)
    request = TrialRequest(
        folder=bundle.folder, digest=digest, network_runtime="onnx", rows=1, text=1
    ).model_dump_json()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'ml-models'}"}
    with subprocess.Popen(limits.COMMAND, stdin=subprocess.PIPE, cwd=ROOT, env=environment) as process:
        assert process.stdin is not None
        process.stdin.write(request.encode() + b"\n")
        process.stdin.flush()
        own = psutil.Process(process.pid)
        wait_until(lambda: own.memory_info().rss > 2**27, "the products to begin")
        # when the service is gone
        process.stdin.close()
        # then so is that
        assert process.wait(timeout=60) == 1
