"""Bulk scoring: the same numbers as the service, from features or from examples, logged on demand."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from contracts.bundle.reader import read_bundle
from contracts.matrix import MatrixError, to_matrix
from features.online.reader import ServedFeatures
from inference.__main__ import app
from inference.batch.frames import score_frame
from inference.batch.run import BatchOptions, score_file
from inference.errors import BatchInputError, NoModelError
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from inference.validation.feature_rows import ModelInputs
from tests.inference.bundles import COLUMNS
from tests.inference.running import environment_of
from tests.inference.world import NOON, bundle_folder, example_rows, instance

WINDOW = (NOON, NOON + timedelta(seconds=1))


def written_examples(folder: Path) -> Path:
    path = folder / "examples.parquet"
    example_rows().to_parquet(path, index=False)
    return path


def test_examples_are_scored_as_the_service_answers_them(
    settings: InferenceSettings, service: httpx.Client, tmp_path: Path
) -> None:
    examples = example_rows()
    asked = [
        instance(site, spaces=int(spaces))
        for site, spaces in zip(examples["site"], examples["spaces"], strict=True)
    ]
    answered = service.post("/v1/predict", json={"instances": asked}).json()["predictions"]

    rows = score_file(settings, written_examples(tmp_path), tmp_path / "out" / "scored.parquet")

    scored = pd.read_parquet(tmp_path / "out" / "scored.parquet")
    assert rows == len(examples)
    assert scored["prediction"].tolist() == [item["prediction"] for item in answered]
    assert set(scored["model_version"]) == {"1"}


def test_scored_features_are_scored_again_to_the_same(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    score_file(settings, written_examples(tmp_path), first, BatchOptions(features=True))

    score_file(settings, first, second, BatchOptions(features=True))

    pd.testing.assert_frame_equal(pd.read_parquet(first), pd.read_parquet(second))


def test_the_command_logs_what_it_scored(
    settings: InferenceSettings, champion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment_of(settings).items():
        if name.startswith("ROUNDTRIP_"):
            monkeypatch.setenv(name, value)
    paths = ["--input", str(written_examples(tmp_path)), "--output", str(tmp_path / "scored.parquet")]

    ended = CliRunner().invoke(app, ["batch", *paths, "--log"])

    assert ended.exit_code == 0, ended.output
    logged = read_predictions(settings, *WINDOW).set_index("request_id")
    assert set(logged["source"]) == {"batch"}
    assert logged.loc["example-east", "status.trend"] == "missing"
    assert logged.loc["example-north", "feature.cars"] == 125.0
    assert logged.loc["example-north", "key.opens_at"] == pd.Timestamp(NOON + timedelta(hours=1))


@pytest.mark.parametrize("content", [None, b"", b"PAR1 truncated"])
def test_an_unreadable_input_is_named(
    settings: InferenceSettings, champion: str, tmp_path: Path, content: bytes | None
) -> None:
    source = tmp_path / "input.parquet"
    if content is not None:
        source.write_bytes(content)

    with pytest.raises(BatchInputError, match=r"input\.parquet"):
        score_file(settings, source, tmp_path / "out.parquet")


def test_an_input_without_features_or_instant_is_refused(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    source = tmp_path / "input.parquet"
    example_rows()[["site"]].to_parquet(source)

    with pytest.raises(BatchInputError, match="event_timestamp"):
        score_file(settings, source, tmp_path / "out.parquet")


def test_without_a_champion_nothing_is_scored(settings: InferenceSettings, tmp_path: Path) -> None:
    with pytest.raises(NoModelError, match="champion"):
        score_file(settings, written_examples(tmp_path), tmp_path / "out.parquet")


def test_a_frame_without_a_column_is_refused(settings: InferenceSettings, champion: str) -> None:
    bundle = read_bundle(bundle_folder(settings, champion))

    with pytest.raises(MatrixError, match="trend"):
        score_frame(bundle, pd.DataFrame({"cars": [1.0]}))


def test_served_rows_give_the_matrix_that_a_frame_gives() -> None:
    values: list[dict[str, str | float | None]] = [
        {"cars": 1.1, "trend": None, "capacity": 1e300, "district": None, "hour": 0.1, "free_share": -0.0},
        {"cars": None, "trend": 2.0, "capacity": 3.0, "district": "hill", "hour": 1e-30, "free_share": 7.0},
    ]

    inputs = ModelInputs(COLUMNS)
    nothing: dict[str, Any] = dict.fromkeys(values[0])
    rows = [inputs.served(ServedFeatures(row, nothing, nothing)) for row in values]
    served = inputs.matrix(rows)
    framed = to_matrix(pd.DataFrame(values), COLUMNS)

    np.testing.assert_array_equal(served.numeric, framed.numeric)
    assert served.categorical.tolist() == framed.categorical.tolist()
