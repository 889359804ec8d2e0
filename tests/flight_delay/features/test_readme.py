"""Every command and example of the room's page runs, in the page's order, on some days of real data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from features.settings import REPOSITORY
from tests.flight_delay.raw_days import write_raw_days
from tests.repository.sources import read_blocks

PAGE = REPOSITORY / "features" / "README.md"
# The page asks about a noon; a few days before it are enough for its examples.
FIRST_DAY, END_DAY = "2013-03-18", "2013-03-22"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("features-readme")
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "ROUNDTRIP_VAR": str(folder / "var"),
        "ROUNDTRIP_RAW_DIR": str(write_raw_days(folder / "raw", FIRST_DAY, END_DAY)),
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_block_runs_and_prints_what_the_page_says(world: dict[str, str]) -> None:
    script = "\n".join(read_blocks("sh", PAGE))

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=REPOSITORY,
        env=world,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for expected in read_blocks("text", PAGE):
        assert expected in done.stdout
