"""The prediction log's folder goes away and comes back: what was acknowledged is in the log in the end."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from features.settings import Settings
from inference.prediction_log import log_folders
from inference.prediction_log.errors import LogWriteError
from inference.prediction_log.reader import read_predictions
from inference.prediction_log.schema import log_folder
from inference.prediction_log.segment import segments
from inference.prediction_log.writer import PredictionLog
from tests.inference.logged_lines import DAY, LAYOUT, NEVER, entry, read_ids
from tests.inference.running import wait_until


class LogFolder:
    """The log's folder, to be taken away and brought back with what is in it."""

    def __init__(self, settings: Settings) -> None:
        self.path = log_folder(settings)
        self._kept = self.path.with_name("kept")

    def take_away(self) -> None:
        """Put a file where it was, so that nothing can be made there."""
        if self.path.exists():
            self.path.rename(self._kept)
        self.path.touch()

    def bring_back(self) -> None:
        self.path.unlink()
        if self._kept.exists():
            self._kept.rename(self.path)
        else:
            self.path.mkdir()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path / "var")


@pytest.fixture
def folder(settings: Settings) -> LogFolder:
    settings.var.mkdir()
    return LogFolder(settings)


@pytest.fixture
def fallback(tmp_path: Path) -> Path:
    return tmp_path / "other disk"


@pytest.fixture(autouse=True)
def _try_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_folders, "RETRY_SECONDS", 0.0)


def open_log(settings: Settings, fallback: Path | None = None, seal: float = NEVER) -> PredictionLog:
    return PredictionLog(log_folder(settings), 10_000, seal, 100, fallback=fallback)


def test_without_a_fallback_nothing_is_logged_until_the_folder_is_back(
    settings: Settings, folder: LogFolder
) -> None:
    folder.take_away()
    log = open_log(settings)

    with pytest.raises(LogWriteError):
        log.append([entry("refused")], LAYOUT)
    assert "nothing is answered" in (log.last_error or "")
    folder.bring_back()
    log.append([entry("after")], LAYOUT)

    assert log.last_error is None
    assert read_ids(settings) == ["after"]


def test_lines_go_to_the_fallback_and_are_sealed_into_the_log(
    settings: Settings, folder: LogFolder, fallback: Path
) -> None:
    # given
    log = open_log(settings, fallback, seal=0.2)
    log.append([entry("before")], LAYOUT)
    wait_until(lambda: not segments(log_folder(settings)), "sealing")
    # when
    folder.take_away()
    log.append([entry("during")], LAYOUT)
    # then
    assert str(fallback) in (log.last_error or "")
    # when
    folder.bring_back()
    log.append([entry("after")], LAYOUT)
    # then
    wait_until(lambda: not segments(fallback), "adoption")
    wait_until(lambda: log.last_error is None, "recovery")
    assert read_ids(settings) == ["after", "before", "during"]
    log.close()
    assert read_ids(settings) == ["after", "before", "during"]


def test_what_the_fallback_holds_outlives_the_process(
    settings: Settings, folder: LogFolder, fallback: Path
) -> None:
    # given: a process that ends while the log is away
    folder.take_away()
    log = open_log(settings, fallback)
    (told,) = log.append([entry("during", value=0.1)], LAYOUT)
    log.close()
    assert len(segments(fallback)) == 1
    # when
    folder.bring_back()
    another = open_log(settings, fallback)
    (again,) = another.append([entry("during", value=0.9)], LAYOUT)
    another.close()
    # then
    assert again == told
    assert segments(fallback) == []
    assert read_predictions(settings, DAY, DAY + timedelta(days=1))["prediction"].tolist() == [0.1]


def test_a_folder_that_was_deleted_is_made_again(settings: Settings) -> None:
    log = open_log(settings)
    log.append([entry("deleted")], LAYOUT)

    shutil.rmtree(log_folder(settings))
    log.append([entry("after")], LAYOUT)

    assert log.last_error is None
    assert read_ids(settings) == ["after"]


def test_a_segment_that_was_away_is_sealed_when_it_is_back(
    settings: Settings, folder: LogFolder, fallback: Path
) -> None:
    # given: a segment whose time to be sealed comes while it is away
    log = open_log(settings, fallback, seal=0.2)
    log.append([entry("before")], LAYOUT)
    folder.take_away()
    wait_until(lambda: log.append([entry("during")], LAYOUT) and log.last_error, "the outage")
    # when
    folder.bring_back()
    log.append([entry("after")], LAYOUT)
    # then
    wait_until(lambda: not segments(log_folder(settings)) and not segments(fallback), "sealing")
    assert set(read_ids(settings)) == {"after", "before", "during"}
    log.close()
