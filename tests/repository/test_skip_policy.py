"""A skip that the committed list does not name fails the run; a listed one passes."""

from pathlib import Path

import pytest

from tests.repository.nested_run import run_pytest
from tests.skip_policy import (
    ALLOWED_SKIPS,
    AllowedSkip,
    SkipListError,
    find_unlisted,
    parse_allowed_skip,
    read_allowed_skips,
)

SKIPPING_TESTS = {
    "skip": "import pytest\ndef test_it():\n    pytest.skip('tired')\n",
    "skipif": "import pytest\n@pytest.mark.skipif(True, reason='tired')\ndef test_it():\n    pass\n",
    "xfail": "import pytest\n@pytest.mark.xfail(reason='broken')\ndef test_it():\n    assert False\n",
    "importorskip": "import pytest\npytest.importorskip('no_such_module')\ndef test_it():\n    pass\n",
}


@pytest.mark.parametrize("source", SKIPPING_TESTS.values(), ids=SKIPPING_TESTS.keys())
def test_unlisted_skip_fails_the_run(tmp_path: Path, source: str) -> None:
    result = run_pytest(tmp_path, source + "\ndef test_other():\n    pass\n")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "skipped without leave" in result.stdout


def test_run_without_skips_passes(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, "def test_it():\n    pass\n")
    assert result.returncode == pytest.ExitCode.OK


def test_listed_skip_is_let_through() -> None:
    allowed = (AllowedSkip("tests/x.py::*gpu*", "needs an accelerator"),)
    assert find_unlisted(["tests/x.py::test_gpu_fit", "tests/x.py::test_fit"], allowed) == [
        "tests/x.py::test_fit"
    ]


def test_every_listed_skip_gives_its_reason() -> None:
    assert all(entry.reason for entry in read_allowed_skips(ALLOWED_SKIPS))
    with pytest.raises(SkipListError, match="reason"):
        parse_allowed_skip("tests/x.py::test_fit")
