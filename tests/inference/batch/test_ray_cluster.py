"""The same bulk run on a Ray cluster: the same bytes, the same log, and nothing left running."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inference.__main__ import app
from inference.batch.errors import DamagedInputError, RayMissingError
from inference.batch.run import BatchOptions, score_file
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from tests.inference.bulk import damage_last_group, write_bulk
from tests.inference.running import environment_of
from tests.inference.world import NOON

ON_RAY = BatchOptions(log=True, ray="local", part_rows=1_000)
WINDOW = (NOON, NOON + timedelta(seconds=1))


def test_without_ray_the_extra_is_named(
    settings: InferenceSettings, champion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    source = write_bulk(tmp_path / "in.parquet", groups=1, rows=10)

    with pytest.raises(RayMissingError, match=r"roundtrip\[ray\]"):
        score_file(settings, source, tmp_path / "out.parquet", ON_RAY)


@pytest.mark.slow
def test_a_cluster_tells_what_is_damaged_goes_on_and_gives_the_same_bytes(
    settings: InferenceSettings, champion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = write_bulk(tmp_path / "in.parquet", groups=6, rows=1_000), tmp_path / "there.parquet"
    score_file(settings, source, tmp_path / "here.parquet", BatchOptions(part_rows=1_000))
    whole = damage_last_group(source)
    for name, value in environment_of(settings).items():
        if name.startswith("ROUNDTRIP_"):
            monkeypatch.setenv(name, value)
    paths = ["--input", str(source), "--output", str(target)]

    with pytest.raises(DamagedInputError, match=r"in\.parquet"):
        score_file(settings, source, target, ON_RAY)
    source.write_bytes(whole)
    ended = CliRunner().invoke(app, ["batch", *paths, "--log", "--ray", "local"])

    import ray

    assert ended.exit_code == 0, ended.output
    assert "6000 rows scored" in ended.output
    assert target.read_bytes() == (tmp_path / "here.parquet").read_bytes()
    assert len(read_predictions(settings, *WINDOW)) == 6_000
    assert not ray.is_initialized()
