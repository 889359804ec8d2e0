"""Explanations: additive for every family, equal to Shapley's definition, in the problem's words."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost

from contracts.bundle.contract import REFERENCE_FILE
from contracts.bundle.errors import BundleSchemaError
from contracts.bundle.reader import Bundle, read_bundle
from contracts.matrix import FeatureMatrix
from contracts.problem import Task
from inference.errors import ExplanationUnavailableError
from inference.explanation.explainer import Explainer, explainer_of
from inference.explanation.margin import margin_scorer
from inference.explanation.reference import reference_matrix
from inference.explanation.sampling import SampledAttribution
from inference.explanation.tree_file import parse_trees
from inference.explanation.trees import TREES_FILE, TreeAttribution
from inference.explanation.wording import BASE, OTHERS, reason_for
from tests.inference.bundles import LevelModel, write_level_bundle
from tests.inference.fitted_bundles import fitted_problem, with_file, write_fitted_bundle
from tests.inference.parking import PROBLEM
from tests.inference.running import ROOT
from tests.inference.shapley import against_reference, along_trees, brute_force
from tests.inference.world import instance
from tests.training.tabular_rows import COLUMNS, make_matrix, make_rows
from training.estimators.base_rate import BaseRateEstimator
from training.estimators.linear import LinearEstimator
from training.estimators.native import load_native
from training.estimators.network import NetworkEstimator
from training.estimators.xgboost_trees import BoostedTreesCore, BoostedTreesEstimator

# What single precision leaves of a margin of a few units, or of a value of a thousand.
ROUNDING = {"binary": 2e-5, "regression": 2e-2}
EXACT = 1e-9
STANDARD_ERRORS = 5.0
ROWS = make_matrix(12, seed=11)
NAMES = ("shape", "colour", "weight", "height", "never_seen")


def estimator_of(family: str, task: Task):
    return {
        "base_rate": BaseRateEstimator(task),
        "linear": LinearEstimator(task),
        "trees": BoostedTreesEstimator(task, rounds=40),
        "network": NetworkEstimator(task, hidden=(16, 8), epochs=3, batch=128, learning_rate=0.01),
    }[family]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Task], Bundle]:
    folder = tmp_path_factory.mktemp("explained")
    tasks: tuple[Task, ...] = ("binary", "regression")
    return {
        (family, task): write_fitted_bundle(folder / f"{family}-{task}", estimator_of(family, task), task)
        for family in ("base_rate", "linear", "trees", "network")
        for task in tasks
    }


def explainer(bundles: dict[tuple[str, Task], Bundle], family: str, task: Task) -> Explainer:
    return explainer_of(bundles[family, task], fitted_problem(task))


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("family", ["base_rate", "linear", "trees", "network"])
def test_contributions_add_up_to_the_prediction(
    bundles: dict[tuple[str, Task], Bundle], family: str, task: Task
) -> None:
    served = bundles[family, task].scorer().score_matrix(ROWS)
    prediction = np.log(served / (1 - served)) if task == "binary" else served

    found = explainer(bundles, family, task).contributions(ROWS)

    assert found.values.shape == (len(ROWS), len(COLUMNS))
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), prediction, rtol=0, atol=ROUNDING[task])


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_trees_have_the_shapley_values_that_the_definition_gives(
    bundles: dict[tuple[str, Task], Bundle], task: Task
) -> None:
    model = load_native(bundles["trees", task].folder / "native")
    assert isinstance(model.core, BoostedTreesCore)
    trees = json.loads(model.core.booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    codes = model.core.vocabulary.encode(ROWS.categorical)
    inputs = np.concatenate([codes, ROWS.numeric], axis=1)

    found = explainer(bundles, "trees", task).contributions(ROWS)

    for row in range(3):
        exact = np.array(brute_force(along_trees(trees, inputs[row]), len(COLUMNS)))
        np.testing.assert_allclose(
            found.values[row], exact * model.calibration.slope, rtol=1e-6, atol=1e-6 * abs(exact).max()
        )


def test_trees_have_the_contributions_that_xgboost_computes(tmp_path: Path) -> None:
    data = make_rows("binary", 4_000)
    deep = BoostedTreesEstimator("binary", rounds=60, max_depth=9, min_child_weight=1.0)
    model = deep.fit(data, data.newest(0), COLUMNS, seed=0)
    model.save_native(tmp_path)
    core = load_native(tmp_path).core
    assert isinstance(core, BoostedTreesCore)
    rows = make_matrix(300, seed=8)
    inputs = np.concatenate([core.vocabulary.encode(rows.categorical), rows.numeric], axis=1)

    found = TreeAttribution.parse(
        *((tmp_path / name).read_bytes() for name in ("model.json", TREES_FILE))
    ).contributions(rows)

    theirs = core.booster.predict(xgboost.DMatrix(inputs), pred_contribs=True)
    np.testing.assert_allclose(found.values, theirs[:, :-1], rtol=0, atol=1e-5)
    assert found.base == pytest.approx(float(theirs[0, -1]), abs=1e-5)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_linear_model_has_the_shapley_values_that_the_definition_gives(
    bundles: dict[tuple[str, Task], Bundle], task: Task
) -> None:
    bundle = bundles["linear", task]
    model, reference = load_native(bundle.folder / "native"), reference_matrix(bundle)
    row = ROWS.rows(slice(0, 1))

    found = explainer(bundles, "linear", task).contributions(row)

    exact = np.array(brute_force(against_reference(model.core.score, row, reference), len(COLUMNS)))
    np.testing.assert_allclose(found.values[0], exact * model.calibration.slope, rtol=1e-4, atol=1e-5)
    assert not found.error.any()


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_networks_shapley_values_are_within_the_stated_error(
    bundles: dict[tuple[str, Task], Bundle], task: Task
) -> None:
    bundle = bundles["network", task]
    scorer = margin_scorer(bundle)
    method = SampledAttribution.of(scorer, reference_matrix(bundle))

    found = method.contributions(ROWS)

    for row in range(3):
        value = against_reference(scorer.score_matrix, ROWS.rows(slice(row, row + 1)), method.reference)
        exact = np.array(brute_force(value, len(COLUMNS)))
        allowed = STANDARD_ERRORS * found.error[row] + ROUNDING[task]
        assert (np.abs(found.values[row] - exact) <= allowed).all()


def test_sampling_is_repeatable_and_errs_less_the_more_it_samples(
    bundles: dict[tuple[str, Task], Bundle],
) -> None:
    bundle = bundles["network", "binary"]
    scorer, sample = margin_scorer(bundle), reference_matrix(bundle)

    few, many = (SampledAttribution.of(scorer, sample, pairs).contributions(ROWS) for pairs in (16, 256))
    again = SampledAttribution.of(scorer, sample, 16).contributions(ROWS)

    np.testing.assert_array_equal(few.values, again.values)
    assert many.error.mean() < 0.5 * few.error.mean()


@pytest.mark.parametrize("family", ["linear", "trees", "network"])
def test_reasons_add_up_and_name_the_strongest_features(
    bundles: dict[tuple[str, Task], Bundle], family: str
) -> None:
    found = explainer(bundles, family, "binary")
    contributions = found.contributions(ROWS)

    reasons = found.explain(ROWS, top=2)

    for row, given in enumerate(reasons):
        named = [reason.feature for reason in given]
        strongest = np.argsort(-np.abs(contributions.values[row]), kind="stable")[:2]
        assert named == [BASE, *(NAMES[place] for place in strongest), OTHERS]
        total = contributions.base + contributions.values[row].sum()
        assert sum(reason.contribution for reason in given) == pytest.approx(total, abs=EXACT)


def test_reasons_speak_the_problems_words() -> None:
    words = {"weight": "Weight in grams"}

    raised = reason_for(words, "weight", 50.25, 0.4)
    lowered = reason_for(words, "weight", None, -0.1)
    undescribed = reason_for(words, "free_share", "hill", 0.2)

    assert raised.text == "Weight in grams = 50.25 raises the prediction"
    assert lowered.text == "Weight in grams is missing, which lowers the prediction"
    assert undescribed.text == "free share = hill raises the prediction"


def test_values_are_shown_as_they_were_given(bundles: dict[tuple[str, Task], Bundle]) -> None:
    found = explainer(bundles, "linear", "binary")

    reasons = {reason.feature: reason for reason in found.explain(ROWS, top=5)[0]}

    assert reasons["weight"].value == float(str(ROWS.numeric[0, 0]))
    assert reasons["colour"].value == ROWS.categorical[0, 1]
    assert reasons["weight"].text.startswith("Weight in grams = ")


def test_any_other_family_is_sampled(tmp_path: Path) -> None:
    write_level_bundle(tmp_path, LevelModel(1.0))
    row = FeatureMatrix(np.array([["hill"]], object), np.array([[125.0, 0, 0, 0, 0]], np.float32))

    (reasons,) = explainer_of(read_bundle(tmp_path), PROBLEM).explain(row)

    assert [reason.feature for reason in reasons] == [BASE, "cars"]
    assert sum(reason.contribution for reason in reasons) == pytest.approx(1.125, abs=1e-6)


def test_a_sample_that_lacks_a_column_is_refused(
    bundles: dict[tuple[str, Task], Bundle], tmp_path: Path
) -> None:
    pq.write_table(pa.table({"weight": [1.0]}), tmp_path / "sample.parquet")
    sample = (tmp_path / "sample.parquet").read_bytes()
    bundle = with_file(bundles["linear", "binary"], tmp_path / "bundle", REFERENCE_FILE, sample)

    with pytest.raises(ExplanationUnavailableError, match="reference sample"):
        explainer_of(bundle, PROBLEM)


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.99])
def test_trees_that_end_early_are_refused(bundles: dict[tuple[str, Task], Bundle], cut: float) -> None:
    whole = bundles["trees", "binary"].read(f"native/{TREES_FILE}")

    with pytest.raises(BundleSchemaError, match="cannot be read"):
        parse_trees(whole[: int(len(whole) * cut)], len(COLUMNS))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"left_children": [0, -1, -1]}, "twice"),  # a node that leads to itself never ends
        ({"left_children": [2, -1, -1]}, "twice"),
        ({"left_children": [7, -1, -1]}, "from nowhere"),
        ({"left_children": [-2, -1, -1]}, "from nowhere"),
        ({"left_children": [-1, -1, -1]}, "one child"),
        ({"left_children": [1]}, "differ in length"),
        ({"split_indices": [5, 0, 0]}, "other features"),
        ({"split_indices": [-1, 0, 0]}, "other features"),
        ({"sum_hessian": None}, "sum_hessian"),
    ],
)
def test_what_is_no_tree_is_refused(changes: dict[str, object], said: str) -> None:
    tree = {
        "left_children": [1, -1, -1],
        "right_children": [2, -1, -1],
        "split_indices": [0, 0, 0],
        "split_conditions": [0.5, -1.0, 1.0],
        "default_left": [1, 0, 0],
        "sum_hessian": [10.0, 5.0, 5.0],
    }
    whole = {"learner": {"gradient_booster": {"model": {"trees": [tree]}}}}
    assert len(parse_trees(json.dumps(whole).encode(), len(COLUMNS))) == 1
    tree |= changes

    with pytest.raises(BundleSchemaError, match=said):
        parse_trees(json.dumps(whole).encode(), len(COLUMNS))


def test_an_answer_carries_its_reasons_when_they_are_asked_for(shared_service: httpx.Client) -> None:
    asked = shared_service.post("/v1/predict", params={"explain": True}, json=instance()).json()
    plain = shared_service.post("/v1/predict", json=instance()).json()

    (answer,) = asked["predictions"]
    base, cars = answer["reasons"]
    assert base["contribution"] + cars["contribution"] == pytest.approx(answer["prediction"], abs=1e-6)
    assert (base["feature"], cars["feature"], cars["value"]) == (BASE, "cars", 125.0)
    assert cars["text"] == "cars = 125 raises the prediction"
    assert "reasons" not in plain["predictions"][0]


def test_explaining_trees_needs_no_training_library(bundles: dict[tuple[str, Task], Bundle]) -> None:
    program = f"""
import sys
sys.modules.update(dict.fromkeys(("xgboost", "sklearn", "torch", "pandas")))
from pathlib import Path
from inference.explanation.tree_file import parse_trees
from inference.explanation.trees import TREES_FILE, TreeAttribution
folder = Path({str(bundles["trees", "binary"].folder / "native")!r})
TreeAttribution.parse((folder / "model.json").read_bytes(), (folder / {TREES_FILE!r}).read_bytes())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'ml-models'}"},
    )
    assert ended.returncode == 0, ended.stderr
