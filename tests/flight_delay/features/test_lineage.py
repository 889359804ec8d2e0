"""Raw files, tables, views, service, training, model version: made for real, followed with the command."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.flight_delay.build import TABLES
from features.flight_delay.raw import RAW_FILES, find_raw_dir
from features.lineage.diagram import edges_behind
from features.lineage.graph import LineageGraph, read_graph
from features.lineage.names import BUILD_JOB, FILES, Dataset, model_version, table_name
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.lineage_events import read_events, revive
from tests.flight_delay.quick_problem import AS_OF, PROBLEM
from training.outcome import TrainingOutcome, TrainingRequest
from training.pipeline import train
from training.settings import TrainingSettings

START, NEXT_START, END = "2013-01-05T00:00Z", "2013-01-08T00:00Z", "2013-01-20T00:00Z"
PROJECT = "roundtrip"


@dataclass(frozen=True)
class Made:
    """One build, one apply, one training, another build: and what they recorded."""

    settings: FeatureSettings
    outcome: TrainingOutcome

    @property
    def graph(self) -> LineageGraph:
        return read_graph(self.settings.lineage_file)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ROUNDTRIP_VAR", str(tmp_path_factory.mktemp("lineage")))
        settings = TrainingSettings()
        features = settings.features
        run_command("build", "--start", START, "--end", END)
        run_command("apply")
        open_store(features).materialize(datetime.fromisoformat(START), AS_OF)
        outcome = train(settings, PROBLEM, TrainingRequest(as_of=AS_OF, reason="to be followed"))
        run_command("build", "--start", START, "--end", NEXT_START)
        yield Made(features, outcome)


def run_command(*arguments: str) -> str:
    ran = CliRunner().invoke(app, list(arguments))
    assert ran.exit_code == 0, ran.output
    return ran.output


def raw_file(name: str) -> Dataset:
    return Dataset(FILES, str((find_raw_dir() / RAW_FILES[name]).resolve()))


def test_every_event_is_one_that_openlineage_knows(made: Made) -> None:
    events = read_events(made.settings.lineage_file)
    assert {event["job"]["name"] for event in events} >= {
        BUILD_JOB,
        "feature_service_flight_delay_v1",
        f"materialize_{PROJECT}",
        f"train_{PROBLEM.name}",
    }
    for event in events:
        assert revive(event).run.runId == event["run"]["runId"]


def test_the_command_leads_from_the_model_version_to_the_raw_file(made: Made) -> None:
    told = run_command("lineage", "--model-version", made.outcome.version)
    lines = told.splitlines()
    assert lines[0].startswith(f"model version {PROBLEM.name}/{made.outcome.version} (")
    assert f"mlflow run {made.outcome.run_id}" in lines[0]
    path = ["feature service", "feature view origin_operations", "table origin_operations_table", "raw file"]
    depths = [_depth(next(line for line in lines if step in line)) for step in path]
    assert depths == sorted(depths)
    assert raw_file("flights").name in told
    assert told == run_command("lineage")


def test_every_raw_file_reaches_the_model(made: Made) -> None:
    edges = edges_behind(made.graph, model_version(PROBLEM.name, made.outcome.version))
    sources = {source for source, _ in edges}
    assert {raw_file(name) for name in RAW_FILES} <= sources
    assert {each for each in sources if each.namespace == FILES} == {raw_file(name) for name in RAW_FILES}


@pytest.mark.parametrize(
    ("table", "raw"),
    [
        ("weather.parquet", {"weather"}),
        ("aircraft_facts.parquet", {"planes"}),
        ("origin_operations.parquet", {"flights", "airports"}),
        ("examples.parquet", {"flights", "airports"}),
    ],
)
def test_a_table_comes_from_the_files_that_it_reads_and_no_other(
    made: Made, table: str, raw: set[str]
) -> None:
    step = made.graph.made_by(Dataset(PROJECT, table_name(table)))
    assert step is not None
    assert set(step.inputs) == {raw_file(name) for name in raw}
    assert set(step.versions) == set(step.inputs)


def test_every_stored_view_reads_a_table_that_the_build_writes(made: Made) -> None:
    written = {table_name(name) for name in TABLES}
    for view in open_store(made.settings).list_batch_feature_views():
        step = made.graph.made_by(Dataset(PROJECT, view.name))
        assert step is not None
        assert written & {each.name for each in step.inputs}, view.name


def test_the_training_run_carries_mlflows_id_and_the_fingerprint(made: Made) -> None:
    graph = made.graph
    step = graph.made_by(graph.model(None))
    assert step is not None
    assert UUID(step.run_id) == UUID(made.outcome.run_id)
    assert step.tags["gate"] == ("accepted" if made.outcome.accepted else "refused")
    assert len(step.versions[Dataset(PROJECT, PROBLEM.feature_service)]) == 64


def test_a_model_keeps_the_tables_that_it_was_trained_on(made: Made) -> None:
    table = Dataset(PROJECT, table_name("weather.parquet"))
    trained = made.graph.made_by(made.graph.model(None))
    assert trained is not None
    then, now = made.graph.made_by(table, trained.at), made.graph.made_by(table)
    assert then is not None
    assert now is not None
    assert then.at < trained.at < now.at
    assert then.rows[table] > now.rows[table]
    told = run_command("lineage")
    assert f"{then.rows[table]} rows" in told
    assert f"{now.rows[table]} rows" not in told


def test_a_view_is_shown_both_ways(made: Made) -> None:
    told = run_command("lineage", "--view", "weather")
    origins, uses = told.split("used by")
    assert "table weather_table" in origins
    assert f"model version {PROBLEM.name}/{made.outcome.version}" in uses
    assert "online table online_store_weather" in uses
    assert "online_store_aircraft_legs" not in uses


def test_the_diagrams_hold_every_edge_once(made: Made, tmp_path: Path) -> None:
    dot, mermaid = tmp_path / "lineage.dot", tmp_path / "lineage.mmd"
    run_command("lineage", "--dot", str(dot), "--mermaid", str(mermaid))
    edges = edges_behind(made.graph, made.graph.model(None))
    assert dot.read_text().count(" -> ") == mermaid.read_text().count(" --> ") == len(edges)
    assert dot.read_text().startswith("digraph")


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip("│├└─ \xa0"))
