"""A forged or damaged version is refused by name, and the old one serves on without a failed request."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.bundle.contract import (
    CARD_FILE,
    CONTRACT_FILE,
    MODEL_FILE,
    PROFILE_FILE,
    REFERENCE_FILE,
    file_digest,
)
from contracts.bundle.errors import (
    BundleDigestError,
    BundleError,
    BundleMissingError,
    BundleSchemaError,
    BundleUnsafeError,
    GraphSafetyError,
)
from contracts.bundle.reader import read_bundle
from contracts.bundle.scorer import ScorerError
from contracts.registry import DIGEST_TAG, ModelVersionRef, fetch_bundle, open_client
from inference.settings import InferenceSettings
from tests.inference import forgeries
from tests.inference.bundles import LevelModel, write_level_bundle
from tests.inference.forgeries import PICKLED, Damage, added, regraphed
from tests.inference.model_loading.test_model_follower import Load
from tests.inference.parking import PROBLEM
from tests.inference.running import ServerProcess, list_warnings, wait_until
from tests.inference.world import add_version, bundle_folder, instance, set_champion, world_settings

# A version that is forged is tried out first: a new process has to start.
SOON = 30.0
SANDBOX_BYTES = 2**29


@dataclass(frozen=True)
class Served:
    """A served process with its settings, and callers who never stop asking."""

    settings: InferenceSettings
    client: httpx.Client
    load: Load
    champion: str

    def warning_about(self, version: str) -> str:
        """What `/health/ready` says of a version, once it does."""

        def refusal() -> str | None:
            said = list_warnings(self.client)
            return next((text for text in said if f"version {version} is refused" in text), None)

        return str(wait_until(refusal, f"the refusal of version {version}", SOON))


@pytest.fixture(scope="module")
def served(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    var = tmp_path_factory.mktemp("forged") / "var"
    shutil.copytree(built_world, var)
    settings = world_settings(var, sandbox_bytes=SANDBOX_BYTES)
    champion = add_version(settings, 1.0)
    set_champion(settings, champion)
    process = ServerProcess(settings)
    process.wait_until_ready()
    load = Load(process.url)
    with httpx.Client(base_url=process.url, timeout=30) as client, load.running(clients=2):
        yield Served(settings, client, load, champion)
    process.kill()


def register(settings: InferenceSettings, damage: Damage, agreed: bool = True) -> str:
    """A tampered version; its number. `agreed`: the registry was told of the tampered contract's digest."""
    version = add_version(settings, 2.0)
    folder = bundle_folder(settings, version)
    damage(folder)
    if agreed:
        digest = file_digest(folder / CONTRACT_FILE)
        open_client(settings.registry).set_model_version_tag(PROBLEM.name, version, DIGEST_TAG, digest)
    return version


Case = tuple[Damage, type[BundleError], str]
DAMAGED: dict[str, Case] = {
    "a changed file": (forgeries.change_profile, BundleDigestError, "profile.json"),
    "a truncated graph": (forgeries.truncate_graph, BundleDigestError, MODEL_FILE),
    "a removed file": (lambda folder: (folder / "card.md").unlink(), BundleMissingError, "card.md"),
    "a contract that is not the registered one": (
        forgeries.relist,
        BundleDigestError,
        "not the one registered as version",
    ),
    "a pickle that nobody lists": (
        lambda folder: (folder / "model.pkl").write_bytes(PICKLED),
        BundleUnsafeError,
        "model.pkl",
    ),
}
FORGED: dict[str, Case] = {
    "a pickle": (added("model.pkl", PICKLED), BundleUnsafeError, "model.pkl"),
    "a pickle called a text": (added("notes.txt", PICKLED), BundleUnsafeError, "notes.txt"),
    "a pickle called a graph": (added("extra.onnx", PICKLED), BundleUnsafeError, "extra.onnx"),
    "a pickle called weights": (added("more.safetensors", PICKLED), BundleUnsafeError, "more.safetensors"),
    "a pickle called trees": (added("more.ubj", PICKLED), BundleUnsafeError, "more.ubj"),
    "a pickle called a table": (added("more.parquet", PICKLED), BundleUnsafeError, "more.parquet"),
    "an old pickle": (added("more.json", b"(dp0\n."), BundleUnsafeError, "more.json"),
    "a link for a graph": (forgeries.link_graph, BundleUnsafeError, MODEL_FILE),
    "a link for a folder": (forgeries.link_folder, BundleUnsafeError, "more"),
    "a path outside": (forgeries.list_outside, BundleUnsafeError, "mlflow.db"),
    "a pipe, which is never read to its end": (forgeries.put_pipe, BundleUnsafeError, "notes.txt"),
    "a contract nested without end": (forgeries.nest_contract, BundleSchemaError, CONTRACT_FILE),
    "a graph that breaks off": (forgeries.truncate_and_relist, GraphSafetyError, "no ONNX model"),
}
GRAPHS: dict[str, Case] = {
    "custom operators": (
        regraphed(forgeries.want_custom_operators),
        GraphSafetyError,
        "com.example.shell",
    ),
    "external data": (regraphed(forgeries.keep_data_elsewhere), GraphSafetyError, "another file"),
    "external data of an attribute": (
        regraphed(forgeries.keep_an_attribute_elsewhere),
        GraphSafetyError,
        "another file",
    ),
    "an operator hidden in a branch": (
        regraphed(forgeries.hide_in_a_branch),
        GraphSafetyError,
        "hidden.away",
    ),
    "an operator hidden in a function": (
        regraphed(forgeries.hide_in_a_function),
        GraphSafetyError,
        "functions",
    ),
    "an endless loop": (regraphed(forgeries.loop_for_ever), GraphSafetyError, "Loop"),
    "a later operator set": (regraphed(forgeries.ask_for_a_later_version), GraphSafetyError, "version 99"),
    "a huge constant": (regraphed(forgeries.declare_a_huge_constant), GraphSafetyError, "huge"),
    "a huge sparse constant": (
        regraphed(forgeries.declare_a_huge_sparse_constant),
        GraphSafetyError,
        "sparse",
    ),
    "a huge tensor made": (regraphed(forgeries.make_a_huge_tensor), GraphSafetyError, "30000000000"),
    "a tensor as large as a caller says": (
        regraphed(forgeries.make_what_a_value_says),
        GraphSafetyError,
        "ConstantOfShape",
    ),
    "a spectrum as large as a caller says": (
        regraphed(forgeries.transform_what_a_value_says),
        GraphSafetyError,
        "STFT",
    ),
    "a branch that a caller chooses": (regraphed(forgeries.branch_on_a_value), GraphSafetyError, "If"),
    "another output": (regraphed(forgeries.answer_something_else), ScorerError, "other"),
}
CASES: dict[str, tuple[Case, bool]] = {
    **{name: (case, False) for name, case in DAMAGED.items()},
    **{name: (case, True) for name, case in {**FORGED, **GRAPHS}.items()},
}


QUICK = {
    "a truncated graph",
    "a contract that is not the registered one",
    "a pickle called a text",
    "a link for a graph",
    "custom operators",
    "an operator hidden in a function",
    "a huge tensor made",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES]
)
def test_it_is_refused_and_the_old_version_serves_on(served: Served, name: str) -> None:
    # given callers who are being answered
    (damage, error, said), agreed = CASES[name]
    before = len(served.load.statuses)
    # when a tampered version becomes champion
    version = register(served.settings, damage, agreed)
    set_champion(served.settings, version)
    # then it is refused for what it is, and nobody noticed
    warning = served.warning_about(version)
    assert said in warning
    assert f"refused: {error.__name__}: " in warning
    answer: Any = served.client.post("/v1/predict", json=instance()).json()
    assert answer["predictions"][0]["model_version"] == served.champion
    wait_until(lambda: len(served.load.statuses) > before, "further answers", SOON)
    assert set(served.load.statuses[before:]) == {200}
    assert served.load.mixed == []


def test_a_later_version_is_followed_after_one_that_takes_too_much(served: Served) -> None:
    # given callers who are being answered
    before = len(served.load.statuses)
    # when a version becomes champion that has nothing forbidden in it, but takes all memory there is
    greedy = register(served.settings, regraphed(forgeries.double_a_text))
    set_champion(served.settings, greedy)
    # then it is refused for that, nobody noticed, and the next one is served
    assert f"more than {SANDBOX_BYTES} bytes of memory" in served.warning_about(greedy)
    good = add_version(served.settings, float(int(greedy) + 1))
    set_champion(served.settings, good)
    wait_until(lambda: served.client.get("/v1/model").json()["version"] == good, "the later version")
    set_champion(served.settings, served.champion)
    wait_until(lambda: served.client.get("/v1/model").json()["version"] == served.champion, "the first one")
    assert set(served.load.statuses[before:]) == {200}
    assert served.load.mixed == []


def test_what_is_exchanged_after_the_check_is_not_used(tmp_path: Path) -> None:
    write_level_bundle(tmp_path, LevelModel(1.0))
    bundle = read_bundle(tmp_path)
    for name in (MODEL_FILE, PROFILE_FILE, CARD_FILE, REFERENCE_FILE):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")

    for use in (bundle.scorer, lambda: bundle.profile, lambda: bundle.card, lambda: bundle.reference):
        with pytest.raises(BundleDigestError):
            use()


def test_the_contract_that_is_read_is_the_registered_one(tmp_path: Path) -> None:
    digest = write_level_bundle(tmp_path, LevelModel(1.0))
    read_bundle(tmp_path, digest)
    forgeries.relist(tmp_path)

    with pytest.raises(BundleDigestError, match="registered"):
        read_bundle(tmp_path, digest)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"bundle": "1/../../../../etc"}, BundleUnsafeError),
        ({"digest": ""}, BundleDigestError),
        ({"digest": "../../outside"}, BundleDigestError),
    ],
)
def test_the_registry_names_no_place_outside(
    tmp_path: Path, changes: dict[str, str], error: type[BundleError]
) -> None:
    named = {"bundle": "1/model/bundle", "digest": "0" * 64} | changes
    ref = ModelVersionRef(name=PROBLEM.name, version="7", run_id=None, tags={}, **named)

    with pytest.raises(error):
        fetch_bundle(world_settings(tmp_path).registry, ref)
