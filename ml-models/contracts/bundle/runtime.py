"""What scores a bundle: its graph, or a network's own weights in PyTorch if they answer as the graph does."""

from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from contracts.bundle.contract import NATIVE_FOLDER, REFERENCE_FILE
from contracts.bundle.providers import Device
from contracts.bundle.reader import Bundle
from contracts.bundle.scorer import MatrixScorer
from contracts.errors import ContractError
from contracts.matrix import FeatureMatrix, to_matrix
from contracts.parity import PARITY_LIMIT, largest_difference, prediction_scale, stress_rows

NetworkRuntime = Literal["onnx", "torch"]

NETWORK: Final = "network"
# By name, so that serving depends on PyTorch only where it is asked to.
NEEDED: Final = ("torch", "safetensors")
TORCH_MODULE: Final = "training.estimators.torch_network"
CHECKED_ROWS: Final = 500
SEED: Final = 0


class NativeRefusedError(ContractError):
    """A network cannot be scored by PyTorch here, or not as its graph is."""


def open_scorer(
    bundle: Bundle, threads: int, device: Device, network_runtime: NetworkRuntime
) -> MatrixScorer:
    """Open what is to score the bundle's rows; `warning` says where it is not what was asked for.

    Raises:
        BundleError: the graph cannot be scored at all, or a file was changed.
    """
    if network_runtime == "onnx" or bundle.contract.family != NETWORK:
        return bundle.scorer(threads, device)
    try:
        return _open_torch(bundle, device)
    except (ContractError, RuntimeError) as error:  # CUDA's own failures are plain runtime errors
        fallen_back = bundle.scorer(threads, device)
        fallen_back.warning = f"PyTorch does not score this network: {error}; its ONNX graph does"
        return fallen_back


def _open_torch(bundle: Bundle, device: Device) -> MatrixScorer:
    if not all(map(find_spec, NEEDED)):
        raise NativeRefusedError(f"{' and '.join(NEEDED)} are not both installed")
    network: MatrixScorer = import_module(TORCH_MODULE).TorchNetwork(_load_native(bundle), device)
    rows, scale = _rows_to_check(bundle)
    error = largest_difference(network.score_matrix(rows), bundle.scorer().score_matrix(rows), scale)
    if error > PARITY_LIMIT:
        raise NativeRefusedError(
            f"its answers differ from the graph's by {error:.1e}, more than {PARITY_LIMIT:.0e}"
        )
    return network


def _load_native(bundle: Bundle) -> object:
    """The native model, from copies of its files that were verified as they were read."""
    with TemporaryDirectory() as copied:
        folder = Path(copied)
        for name in (name for name in bundle.contract.files if name.startswith(f"{NATIVE_FOLDER}/")):
            (folder / Path(name).name).write_bytes(bundle.read(name))
        return import_module("training.estimators.native").load_native(folder)


def _rows_to_check(bundle: Bundle) -> tuple[FeatureMatrix, float]:
    """Rows made to find a difference, and the scale that it is judged on."""
    import pandas as pd  # takes longer than the rest of this file, and only a network in PyTorch needs it

    contract = bundle.contract
    frame = pd.read_parquet(BytesIO(bundle.read(REFERENCE_FILE)))
    scale = prediction_scale(contract.task, frame[contract.label].to_numpy(dtype="float64"))
    return stress_rows(to_matrix(frame, contract.columns), SEED, CHECKED_ROWS), scale
