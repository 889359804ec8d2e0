"""Every family learns, keeps what it learned on disk without a pickle, and refuses what teaches nothing."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from contracts.matrix import FeatureMatrix
from tests.training.tabular_rows import (
    COLUMNS,
    ESTIMATORS,
    FAMILIES,
    log_loss,
    make_logit,
    make_matrix,
    make_rows,
)
from training.errors import EmptyWindowError, SingleClassError
from training.estimators.base import Dataset, EstimatorError
from training.estimators.native import load_native
from training.estimators.xgboost_trees import BoostedTreesEstimator

LEARNERS = ESTIMATORS[1:]
PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@pytest.fixture(scope="module")
def fitted():
    """Every family fitted once on each task, calibrated on later rows."""
    models = {}
    for task, families in FAMILIES.items():
        for name, make in zip(families, ESTIMATORS, strict=True):
            model = make(task).fit(make_rows(task), make_rows(task, 1_000, 2), COLUMNS, seed=1)
            models[task, name] = model.calibrate(make_rows(task, 1_000, 3))
    return models


def test_classifiers_beat_the_base_rate(fitted):
    later = make_rows("binary", 2_000, 4)
    loss = {
        name: log_loss(later.label, model.predict(later.matrix))
        for (task, name), model in fitted.items()
        if task == "binary"
    }
    assert all(loss[name] < loss["base_rate"] - 0.05 for name in FAMILIES["binary"][1:]), loss


def test_regressors_beat_the_mean(fitted):
    later = make_rows("regression", 2_000, 4)
    error = {
        name: np.sqrt(np.mean((later.label - model.predict(later.matrix)) ** 2))
        for (task, name), model in fitted.items()
        if task == "regression"
    }
    assert all(error[name] < 0.8 * error["base_rate"] for name in FAMILIES["regression"][1:]), error


def test_predictions_have_the_labels_level_before_calibration():
    rows, later = make_rows("binary"), make_rows("binary", 1_000, 2)
    for make in ESTIMATORS:
        model = make("binary").fit(rows, later, COLUMNS, seed=1)
        assert model.predict(rows.matrix).mean() == pytest.approx(rows.label.mean(), abs=0.03), model.family


def test_a_value_first_missing_after_fitting_changes_little():
    rows, later = make_rows("binary"), make_matrix(500, 9)
    seen = FeatureMatrix(rows.matrix.categorical, np.nan_to_num(rows.matrix.numeric, nan=50.0))
    gone = FeatureMatrix(later.categorical, np.full_like(later.numeric, np.nan))
    middle = FeatureMatrix(later.categorical, np.tile(np.median(seen.numeric, axis=0), (500, 1)))
    for make in (LEARNERS[0], LEARNERS[-1]):
        model = make("binary").fit(Dataset(seen, rows.label), Dataset(seen, rows.label), COLUMNS, seed=1)
        assert np.allclose(model.predict(gone), model.predict(middle), atol=1e-6)


def test_base_rate_is_the_smoothed_share():
    rows = make_rows("binary", 98)
    label = np.zeros(98)
    label[:9] = 1
    model = ESTIMATORS[0]("binary").fit(Dataset(rows.matrix, label), rows, COLUMNS, seed=1)
    assert model.predict(rows.matrix) == pytest.approx(np.full(98, (9 + 1) / (98 + 2)))


def test_models_survive_saving(fitted, tmp_path):
    rows = make_matrix(500, 9)
    for (task, name), model in fitted.items():
        folder = tmp_path / f"{task}-{name}"
        model.save_native(folder)
        loaded = load_native(folder)
        assert np.array_equal(loaded.predict(rows), model.predict(rows)), (task, name)
        assert loaded.params() == model.params()
        assert loaded.to_onnx().SerializeToString() == model.to_onnx().SerializeToString()


def test_nothing_saved_is_a_pickle(fitted, tmp_path):
    for number, model in enumerate(fitted.values()):
        model.save_native(tmp_path / str(number))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert not [path for path in files if path.read_bytes()[:2] in PICKLE_STARTS]


def test_importance_is_a_share_of_every_column(fitted):
    for (_, name), model in fitted.items():
        shares = model.feature_importance()
        assert set(shares) == {column.name for column in COLUMNS}
        assert sum(shares.values()) == pytest.approx(0 if name == "base_rate" else 1)


def test_the_column_that_matters_most_is_found(fitted):
    shares = fitted["binary", "xgboost"].feature_importance()
    assert max(shares, key=shares.get) == "weight"
    assert shares["never_seen"] == 0


@pytest.mark.parametrize("make", LEARNERS)
def test_one_class_teaches_nothing(make):
    rows = make_rows("binary", 300)
    with pytest.raises(SingleClassError, match="every label in the fit window is 0"):
        make("binary").fit(Dataset(rows.matrix, np.zeros(300)), make_rows("binary", 0), COLUMNS, seed=1)


@pytest.mark.parametrize("make", ESTIMATORS)
def test_no_rows_teach_nothing(make):
    nothing = make_rows("binary", 0)
    with pytest.raises(EmptyWindowError, match="widen it"):
        make("binary").fit(nothing, nothing, COLUMNS, seed=1)


def test_the_network_needs_rows_to_stop_on():
    with pytest.raises(EmptyWindowError, match="early-stopping"):
        ESTIMATORS[-1]("binary").fit(make_rows("binary", 300), make_rows("binary", 0), COLUMNS, seed=1)


def test_trees_can_do_without_rows_to_stop_on():
    model = LEARNERS[1]("binary").fit(make_rows("binary", 300), make_rows("binary", 0), COLUMNS, seed=1)
    assert model.params()["rounds_fitted"] == 60


def test_labels_must_be_numbers_and_one_for_each_row():
    rows = make_rows("regression", 300)
    with pytest.raises(EstimatorError, match="one for each row"):
        Dataset(rows.matrix, rows.label[1:])
    with pytest.raises(EstimatorError, match="finite"):
        LEARNERS[0]("regression").fit(Dataset(rows.matrix, np.full(300, np.nan)), rows, COLUMNS, seed=1)


def test_refitting_uses_the_rows_that_stopping_was_judged_on():
    train, later = make_rows("binary"), make_rows("binary", 1_000, 2)
    plain, refitted = (make("binary").fit(train, later, COLUMNS, seed=1) for make in LEARNERS[1:3])
    rows = make_matrix(200, 9)
    assert not np.array_equal(plain.predict(rows), refitted.predict(rows))


def test_a_foreign_folder_is_refused(tmp_path):
    with pytest.raises(EstimatorError, match="no model at"):
        load_native(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"native_version": 99, "family": "linear"}))
    with pytest.raises(EstimatorError, match="unknown version"):
        load_native(tmp_path)


def test_boosted_trees_learn_a_rare_class() -> None:
    # given a class of about half a percent
    def rare(rows: int, seed: int) -> Dataset:
        matrix = make_matrix(rows, seed)
        chance = 1 / (1 + np.exp(5.6 - make_logit(matrix)))
        return Dataset(matrix, (np.random.default_rng(seed + 1).random(rows) < chance).astype(np.float64))

    train, later = rare(10_000, 0), rare(50_000, 50)
    model = BoostedTreesEstimator("binary").fit(train, rare(5_000, 20), COLUMNS, seed=1)
    # then they tell it apart, and better than its share alone does
    chance = model.predict(later.matrix)
    assert roc_auc_score(later.label, chance) > 0.7
    assert log_loss(later.label, chance) < log_loss(later.label, np.full(len(later), train.label.mean()))


def test_a_common_class_is_learned_as_the_hyper_parameters_say() -> None:
    train = make_rows("binary", 2_000)
    fitted = BoostedTreesEstimator("binary", rounds=5).fit(
        train, make_rows("binary", 500, 2), COLUMNS, seed=1
    )
    core: Any = fitted.core
    parameters = json.loads(core.booster.save_config())["learner"]["gradient_booster"]["tree_train_param"]
    assert float(parameters["min_child_weight"]) == BoostedTreesEstimator("binary").min_child_weight
