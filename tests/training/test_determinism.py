"""Equal data, seed and lock give equal models: to the byte, or within the network's stated tolerance."""

import numpy as np
import pytest

from tests.training.tabular_rows import COLUMNS, ESTIMATORS, make_matrix, make_rows
from training.estimators.network_training import TOLERANCE

NETWORK = ESTIMATORS[-1]


def fit_twice(make, task):
    def fit():
        model = make(task).fit(make_rows(task), make_rows(task, 1_000, 2), COLUMNS, seed=7)
        return model.calibrate(make_rows(task, 1_000, 3))

    return fit(), fit()


def native_bytes(model, folder):
    model.save_native(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("make", ESTIMATORS[:-1])
def test_fitting_twice_gives_the_same_bytes(make, task, tmp_path):
    first, second = fit_twice(make, task)
    assert first.to_onnx().SerializeToString() == second.to_onnx().SerializeToString()
    assert native_bytes(first, tmp_path / "first") == native_bytes(second, tmp_path / "second")


def test_fitting_the_network_twice_agrees_within_its_tolerance():
    first, second = fit_twice(NETWORK, "binary")
    rows = make_matrix(2_000, 9)
    assert np.abs(first.predict(rows) - second.predict(rows)).max() <= TOLERANCE


@pytest.mark.parametrize("make", [ESTIMATORS[2], NETWORK])
def test_another_seed_gives_another_model(make):
    train, later = make_rows("binary"), make_rows("binary", 1_000, 2)
    first, second = (make("binary").fit(train, later, COLUMNS, seed=seed) for seed in (1, 2))
    rows = make_matrix(500, 9)
    assert np.abs(first.predict(rows) - second.predict(rows)).max() > TOLERANCE


def test_fitting_the_network_leaves_the_callers_random_state_alone():
    import torch

    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    NETWORK("binary").fit(make_rows("binary", 500), make_rows("binary", 200, 2), COLUMNS, seed=7)
    assert torch.equal(torch.rand(4), expected)
