"""Feast is imported without its type checks, PyTorch, and others' deprecations; none is lost to who asks."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, features, feast, typeguard, warnings
from feast.torch_wrapper import get_torch
assert "torch" not in sys.modules
assert not {name for name in feast.Entity.__init__.__code__.co_names if "check" in name.lower()}
assert get_torch().tensor([1, 2]).tolist() == [1, 2]
assert "torch" in sys.modules

assert not [kind for action, *_, kind, _ in warnings.filters if action == "once"]
@typeguard.typechecked
def double(number: int) -> int:
    return 2 * number

try:
    double("a")
except typeguard.TypeCheckError:
    print("checked")
"""


def test_feast_comes_without_what_makes_its_import_slow(tmp_path: Path) -> None:
    program = tmp_path / "program.py"  # a file, since typeguard reads the source of what it checks
    program.write_text(PROGRAM)

    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["checked"]
