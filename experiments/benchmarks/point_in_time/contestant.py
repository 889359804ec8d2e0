"""One engine doing the join once, in this process: seconds and peak memory as a line of JSON."""

import json
import os
import resource
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from feast import FeatureStore, FeatureView, RepoConfig
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

from experiments.benchmarks.point_in_time.bare_sql import bare_query
from experiments.benchmarks.point_in_time.world import ENTITIES, connect, key_names, references, stored_views
from features.repository.feature_store import open_store
from features.settings import FeatureSettings

Engine = Literal["asof", "sql", "feast_duckdb"]


def main(
    engine: Engine,
    var: Path,
    views: Annotated[str, typer.Option(help="Comma-separated views; all if empty.")] = "",
    rows: Annotated[int, typer.Option(help="A seeded sample of so many entity rows; all if 0.")] = 0,
    answer: Annotated[Path | None, typer.Option(help="Write the answer here, outside the time.")] = None,
    stream: Annotated[bool, typer.Option(help="Parquet in, Parquet out: nothing whole in memory.")] = False,
) -> None:
    """Join, time it, print the figures."""
    settings = FeatureSettings(var=var)
    store = open_store(settings)
    wanted = set(filter(None, views.split(",")))
    chosen = [view for view in stored_views(store) if not wanted or view.name in wanted]
    entities = settings.features_dir / ENTITIES
    asked = pd.DataFrame() if stream else read_entities(chosen, entities, rows)
    Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, this process is to go
    started, cpu = perf_counter(), process_time()
    if stream:
        joined = None
        answered = stream_through(store, chosen, entities, answer or settings.features_dir / "joined.parquet")
    else:
        joined = ENGINES[engine](settings, store, chosen, asked)
        answered = joined.num_rows
    seconds, cpu_seconds = perf_counter() - started, process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if answer and joined is not None:
        pq.write_table(joined, answer)
    figures = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak, "rows": answered}
    print(json.dumps(figures), flush=True)
    os._exit(0)  # what native libraries still hold is no part of the measurement


def read_entities(views: list[FeatureView], path: Path, rows: int) -> pd.DataFrame:
    """The entity rows that are asked about, with the keys of these views."""
    frame = pd.read_parquet(path, columns=[*sorted(key_names(views)), "event_timestamp"])
    return frame.sample(rows, random_state=0) if rows else frame


def join_asof(
    _settings: FeatureSettings, store: FeatureStore, views: list[FeatureView], entities: pd.DataFrame
) -> pa.Table:
    """Ours, through Feast."""
    return store.get_historical_features(entity_df=entities, features=references(views)).to_arrow()


def join_sql(
    settings: FeatureSettings, _store: FeatureStore, views: list[FeatureView], entities: pd.DataFrame
) -> pa.Table:
    """Plain DuckDB, without Feast."""
    with connect() as connection:
        connection.register("entities", entities.assign(row=range(len(entities))))
        return connection.sql(bare_query(views, settings.tables, "entities")).to_arrow_table()


def join_feast_duckdb(
    settings: FeatureSettings, store: FeatureStore, views: list[FeatureView], entities: pd.DataFrame
) -> pa.Table:
    """Feast's own DuckDB store on the same registry; it takes relative paths from the working folder."""
    os.chdir(settings.tables)
    config = RepoConfig(
        project=store.config.project,
        provider="local",
        registry={"path": str(settings.registry_db)},
        online_store=None,
        offline_store={"type": "duckdb"},
        repo_path=settings.tables,
        entity_key_serialization_version=3,
    )
    peer = FeatureStore(config=config)
    return peer.get_historical_features(entity_df=entities, features=references(views)).to_arrow()


def stream_through(store: FeatureStore, views: list[FeatureView], entities: Path, answer: Path) -> int:
    """Ours from an entity file to an answer file; the rows written."""
    keys = ", ".join([*sorted(key_names(views)), "event_timestamp"])
    query = f"SELECT {keys} FROM read_parquet('{entities}')"
    job = store.get_historical_features(entity_df=query, features=references(views))
    job.persist(SavedDatasetFileStorage(path=str(answer)), allow_overwrite=True)
    return int(pq.read_metadata(answer).num_rows)


ENGINES = {"asof": join_asof, "sql": join_sql, "feast_duckdb": join_feast_duckdb}

if __name__ == "__main__":
    typer.run(main)
