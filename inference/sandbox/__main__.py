"""The process that tries a version out: a request on stdin, a report on stdout. It ends with the service."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

GIVE_WAY = 5


def _step_aside() -> None:
    """Let answers have the processor first, and let the kernel end this process first if memory runs out."""
    os.nice(GIVE_WAY)
    with suppress(OSError):  # other systems than Linux have no such file
        Path("/proc/self/oom_score_adj").write_text("1000")


def _end_with_service() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing comes but the end
    os._exit(1)


def _report(line: bytes) -> str:
    from inference.sandbox.messages import TrialReport, TrialRequest

    try:
        from inference.sandbox.trial import try_bundle

        try_bundle(TrialRequest.model_validate_json(line))
    except Exception as error:  # reported, whatever it is
        return TrialReport.of(error).model_dump_json()
    return TrialReport().model_dump_json()


if __name__ == "__main__":
    _step_aside()
    line = sys.stdin.buffer.readline()
    Thread(target=_end_with_service, daemon=True).start()
    print(_report(line), flush=True)
    os._exit(0)  # without waiting for that thread
