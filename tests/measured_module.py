"""`python -m tests.measured_module OPTIONS -m MODULE …`: SlipCover, which counts all that MODULE does.

By itself it leaves out the lines of the module that is run (runpy asks its loader for code, which has no
probes then), and every line where the process ends by `os._exit`, as our servers do.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType

from slipcover import Slipcover
from slipcover import __main__ as slipcover
from slipcover.importer import SlipcoverLoader


def get_code(loader: SlipcoverLoader, name: str) -> CodeType | None:
    """The module's code, with probes."""
    code = loader.orig_loader.get_code(name)
    return code and loader.sci.instrument(code)


def write_before(leave: Callable[[int], None], measuring: Slipcover, figures: Path) -> Callable[[int], None]:
    """`os._exit`, after the figures of a process that was not forked: for those, SlipCover does it."""

    def write_and_leave(status: int) -> None:
        if slipcover.output_tmpfile is None:
            figures.write_text(json.dumps(slipcover.merged_coverage(measuring)))
        leave(status)

    return write_and_leave


if __name__ == "__main__":
    figures, exit_shim = Path(sys.argv[sys.argv.index("--out") + 1]), slipcover.exit_shim
    slipcover.exit_shim = lambda measuring: write_before(exit_shim(measuring), measuring, figures)
    SlipcoverLoader.get_code = get_code
    sys.exit(slipcover.main())
