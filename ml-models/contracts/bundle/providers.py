"""Where a graph runs: on the CPU, or on a GPU by ONNX Runtime's CUDA provider, or back with a warning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import onnxruntime

Device = Literal["cpu", "cuda", "auto"]

CPU_PROVIDER: Final = "CPUExecutionProvider"
CUDA_PROVIDER: Final = "CUDAExecutionProvider"


@dataclass(frozen=True)
class OpenedSession:
    """A session, where it runs, and why that is not where it was wanted."""

    session: onnxruntime.InferenceSession
    device: Literal["cpu", "cuda"]
    warning: str | None = None


def open_session(content: bytes, threads: int, device: Device) -> OpenedSession:
    """Open a graph on the device; `auto` takes a GPU where one can be used and says nothing where not.

    Operators that CUDA lacks, such as those of trees and of strings, run on the CPU within the same session.

    Raises:
        Exception: whatever ONNX Runtime says of a graph that it refuses on the CPU too.
    """
    reason = None
    if device != "cpu":
        session, reason = _open_on_cuda(content, threads)
        if session is not None:
            return OpenedSession(session, "cuda")
    warning = f"the device is to be {device}, but {reason}; scored on the CPU" if device == "cuda" else None
    return OpenedSession(_open(content, threads, [CPU_PROVIDER]), "cpu", warning)


def _open_on_cuda(content: bytes, threads: int) -> tuple[onnxruntime.InferenceSession | None, str | None]:
    if CUDA_PROVIDER not in onnxruntime.get_available_providers():
        return (
            None,
            "this ONNX Runtime has no CUDA provider (install onnxruntime-gpu in place of onnxruntime)",
        )
    onnxruntime.preload_dlls()  # finds the CUDA libraries that PyTorch or NVIDIA's own wheels brought
    try:
        session = _open(content, threads, [CUDA_PROVIDER, CPU_PROVIDER])
    except Exception as error:  # no device, no driver, no memory: the library names no type for them
        return None, f"no CUDA session can be made ({error})"
    if CUDA_PROVIDER not in session.get_providers():
        return None, "ONNX Runtime could not load its CUDA provider (look for the driver and cuDNN)"
    return session, None


def _open(content: bytes, threads: int, providers: list[str]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait for the next run must not keep a core busy meanwhile.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=providers)
