"""How busy and how full the machine's NVIDIA GPUs are; nothing where there are none."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily

LABELS: Final = ("gpu", "name")


class GpuFigures:
    """Asks NVIDIA's management library whenever figures are read; it is loaded the first time."""

    def __init__(self) -> None:
        self._library: Any = None
        self._opened = False

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Utilisation and memory of each GPU; no family where the library or a GPU is missing."""
        if not self._opened:
            self._library, self._opened = _open_library(), True
        if self._library is None:
            return
        try:
            yield from _read(self._library)
        except self._library.NVMLError:  # a GPU that is lost or being reset has no figures
            return


def _open_library() -> Any:
    if find_spec("pynvml") is None:
        return None
    import pynvml  # type: ignore[import-untyped]

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _read(nvml: Any) -> list[GaugeMetricFamily]:
    busy = GaugeMetricFamily(
        "roundtrip_gpu_utilization_ratio", "Share of time that the GPU is busy", labels=LABELS
    )
    used = GaugeMetricFamily("roundtrip_gpu_memory_used_bytes", "Memory of the GPU in use", labels=LABELS)
    whole = GaugeMetricFamily("roundtrip_gpu_memory_bytes", "Memory of the GPU", labels=LABELS)
    for index in range(nvml.nvmlDeviceGetCount()):
        device = nvml.nvmlDeviceGetHandleByIndex(index)
        labels = [str(index), str(nvml.nvmlDeviceGetName(device))]
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
        busy.add_metric(labels, nvml.nvmlDeviceGetUtilizationRates(device).gpu / 100)
        used.add_metric(labels, memory.used)
        whole.add_metric(labels, memory.total)
    return [busy, used, whole]
