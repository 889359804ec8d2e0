"""Ids for callers who gave none: no two alike, not even in two processes that were one."""

import subprocess
import sys

from features.settings import REPOSITORY
from inference.validation.schema import IDS_AT_ONCE, new_id

FORKED = """
import os
from inference.validation.schema import IDS_AT_ONCE, new_id
new_id()
child = os.fork()
if child:
    os.waitpid(child, 0)  # or their lines could run into each other
print("\\n".join(new_id() for _ in range(IDS_AT_ONCE)), flush=True)
"""


def test_ids_are_128_bits_that_never_come_twice() -> None:
    ids = [new_id() for _ in range(3 * IDS_AT_ONCE)]

    assert len(set(ids)) == len(ids)
    assert {len(bytes.fromhex(name)) for name in ids} == {16}


def test_a_forked_process_gives_other_ids() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FORKED],
        cwd=REPOSITORY,
        env={"PYTHONPATH": "ml-models"},
        capture_output=True,
        text=True,
        check=True,
    )

    ids = ended.stdout.split()
    assert len(ids) == 2 * IDS_AT_ONCE
    assert len(set(ids)) == len(ids)
