"""Models on a GPU, and what happens where one is wanted and there is none."""

import logging
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from prometheus_client.core import GaugeMetricFamily

from contracts.bundle.contract import CONTRACT_FILE, NATIVE_FOLDER
from contracts.bundle.errors import BundleDigestError
from contracts.bundle.providers import CPU_PROVIDER, CUDA_PROVIDER, Device, open_session
from contracts.bundle.reader import Bundle, read_bundle
from contracts.bundle.runtime import NetworkRuntime, open_scorer
from contracts.bundle.scorer import Scorer
from contracts.parity import PARITY_LIMIT
from inference.observability.gpu import GpuFigures
from inference.settings import InferenceSettings
from tests.inference.fitted_bundles import write_fitted_bundle
from tests.inference.running import list_warnings, running_server
from tests.inference.world import instance
from tests.training.tabular_rows import make_matrix
from training.bundle_writer import digests
from training.estimators.network import WEIGHTS_FILE, NetworkEstimator
from training.estimators.xgboost_trees import BoostedTreesEstimator

ROWS = make_matrix(700, seed=5)
HAS_CUDA_PROVIDER = CUDA_PROVIDER in onnxruntime.get_available_providers()
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
needs_cuda_provider = pytest.mark.skipif(
    not (HAS_CUDA_PROVIDER and torch.cuda.is_available()), reason="no GPU, or ONNX Runtime without CUDA"
)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """A network and trees."""
    folder = tmp_path_factory.mktemp("fitted")
    estimators = (NetworkEstimator("binary", epochs=2), BoostedTreesEstimator("binary", rounds=20))
    return {one.family: write_fitted_bundle(folder / one.family, one, "binary") for one in estimators}


@pytest.fixture
def network(bundles: dict[str, Bundle]) -> Bundle:
    return bundles["network"]


def largest_difference(bundle: Bundle, device: Device, runtime: NetworkRuntime = "onnx") -> float:
    """Between what this device and runtime answer and what the graph answers on the CPU."""
    scored = open_scorer(bundle, 1, device, runtime).score_matrix(ROWS)
    return float(np.abs(scored - bundle.scorer().score_matrix(ROWS)).max())


def with_weights_of_another(folder: Path) -> Bundle:
    """A network's bundle whose weights were exchanged after it was opened."""
    first, second = (
        write_fitted_bundle(folder / str(epochs), NetworkEstimator("binary", epochs=epochs), "binary")
        for epochs in (1, 2)
    )
    weights = f"{NATIVE_FOLDER}/{WEIGHTS_FILE}"
    (first.folder / weights).write_bytes((second.folder / weights).read_bytes())
    return first


def test_the_network_in_pytorch_answers_as_its_graph(network: Bundle) -> None:
    scorer = open_scorer(network, 1, "cpu", "torch")

    assert not isinstance(scorer, Scorer)
    assert (scorer.device, scorer.warning) == ("cpu", None)
    assert largest_difference(network, "cpu", "torch") <= PARITY_LIMIT
    single = scorer.score(ROWS.categorical[:1], ROWS.numeric[:1])
    assert single == pytest.approx(network.scorer().score(ROWS.categorical[:1], ROWS.numeric[:1]), abs=1e-5)


def test_other_families_stay_with_their_graph(bundles: dict[str, Bundle]) -> None:
    scorer = open_scorer(bundles["xgboost"], 1, "cpu", "torch")

    assert isinstance(scorer, Scorer)
    assert scorer.warning is None


def test_weights_that_answer_otherwise_than_the_graph_are_not_used(tmp_path: Path) -> None:
    bundle = with_weights_of_another(tmp_path)
    contract = bundle.contract.model_copy(update={"files": digests(bundle.folder)})
    (bundle.folder / CONTRACT_FILE).write_text(contract.model_dump_json())
    bundle = read_bundle(bundle.folder)

    scorer = open_scorer(bundle, 1, "cpu", "torch")

    assert isinstance(scorer, Scorer)
    assert scorer.warning is not None
    assert "differ from the graph's" in scorer.warning
    assert scorer.score_matrix(ROWS) == pytest.approx(bundle.scorer().score_matrix(ROWS))


def test_weights_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleDigestError):
        open_scorer(with_weights_of_another(tmp_path), 1, "cpu", "torch")


@pytest.mark.skipif(HAS_CUDA_PROVIDER, reason="gpu: this ONNX Runtime can use one")
def test_wanting_a_gpu_where_none_can_be_used_is_served_with_a_warning(
    settings: InferenceSettings, champion: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanting = settings.model_copy(update={"device": "cuda"})

    with caplog.at_level(logging.WARNING), running_server(wanting) as client:
        answered = client.post("/v1/predict", json=instance())
        (warning,) = list_warnings(client)

    assert answered.status_code == 200
    assert "has no CUDA provider" in warning
    assert "install onnxruntime-gpu" in warning
    assert warning in caplog.text


@pytest.mark.skipif(HAS_CUDA_PROVIDER, reason="gpu: this ONNX Runtime can use one")
def test_auto_takes_the_cpu_without_a_word_where_there_is_no_gpu(network: Bundle) -> None:
    for runtime in ("onnx", "torch"):
        scorer = open_scorer(network, 1, "auto", runtime)

        assert (scorer.device, scorer.warning) == ("cpu", None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a gpu is there")
def test_pytorch_without_a_gpu_leaves_the_network_to_its_graph(network: Bundle) -> None:
    scorer = open_scorer(network, 1, "cuda", "torch")

    assert isinstance(scorer, Scorer)
    assert "PyTorch sees no GPU" in str(scorer.warning)


def test_gpu_figures_are_there_for_each_gpu_and_absent_without() -> None:
    families: list[GaugeMetricFamily] = list(GpuFigures().collect())

    if not torch.cuda.is_available():
        assert not families
        return
    named = {family.name: family.samples for family in families}
    (busy, *_), (used, *_), (whole, *_) = (
        named[f"roundtrip_gpu_{name}"] for name in ("utilization_ratio", "memory_used_bytes", "memory_bytes")
    )
    assert 0 <= busy.value <= 1
    assert 0 < used.value <= whole.value


@pytest.mark.gpu
@needs_cuda_provider
@pytest.mark.parametrize("family", ["network", "xgboost"])
def test_the_graph_on_a_gpu_answers_as_on_the_cpu(bundles: dict[str, Bundle], family: str) -> None:
    scorer = open_scorer(bundles[family], 1, "cuda", "onnx")

    assert (scorer.device, scorer.warning) == ("cuda", None)
    assert largest_difference(bundles[family], "cuda") <= PARITY_LIMIT


@pytest.mark.gpu
@needs_cuda_provider
def test_the_provider_on_a_gpu_really_is_cuda(network: Bundle) -> None:
    opened = open_session((network.folder / "model.onnx").read_bytes(), 1, "auto")

    assert opened.session.get_providers() == [CUDA_PROVIDER, CPU_PROVIDER]


@pytest.mark.gpu
@needs_gpu
def test_the_network_in_pytorch_on_a_gpu_answers_as_its_graph_on_the_cpu(network: Bundle) -> None:
    scorer = open_scorer(network, 1, "cuda", "torch")

    assert (scorer.device, scorer.warning) == ("cuda", None)
    assert largest_difference(network, "cuda", "torch") <= PARITY_LIMIT


@pytest.mark.gpu
@needs_cuda_provider
def test_the_service_on_a_gpu_counts_the_seconds_that_it_used_there(
    settings: InferenceSettings, champion: str
) -> None:
    with running_server(settings.model_copy(update={"device": "cuda"})) as client:
        answered = client.post("/v1/predict", json=instance())
        ready, figures = client.get("/health/ready").json(), client.get("/metrics").text

    assert answered.status_code == 200
    assert ready["warnings"] == []
    assert "roundtrip_gpu_seconds_total" in figures
