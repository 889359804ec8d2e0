"""Record a build: a run for every table, with the raw files that its expression reads and what it wrote."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ibis.expr.operations as ops
import ibis.expr.types as ir

from features.engine import Engine, Sources, Write
from features.legs import MADE_FROM
from features.lineage.facets import raw_file_facets, table_facets
from features.lineage.names import BUILD_JOB, FILES, Dataset, table_name
from features.lineage.run import RecordedRun, recorded_run
from features.lineage.transport import emit
from features.raw import RAW_FILES, RawTables
from features.settings import FeatureSettings

Origins = dict[str, list[str]]


@contextmanager
def recorded_build(settings: FeatureSettings, raw_dir: Path, engine: Engine) -> Iterator[Engine]:
    """Record the build that the body does with the engine that it is given.

    The raw files of a table are those that its expression reads, not all that there are.
    """
    origins: Origins = {}
    with recorded_run(settings, BUILD_JOB) as whole:
        yield _noting(engine, origins)
        runs = [(name, raw) for name, raw in origins.items() if name.endswith(".parquet")]
        emit(settings, lambda: [_table_run(whole, raw_dir, *run).event("COMPLETE") for run in runs])


def _noting(engine: Engine, origins: Origins) -> Engine:
    """Return the engine, noting in `origins` the raw tables behind each table that it writes."""

    @contextmanager
    def open_noting(raw: RawTables, scratch: Path) -> Iterator[tuple[Sources, Write]]:
        with engine(raw, scratch) as (sources, write):

            def write_and_note(table: ir.Table, path: Path) -> None:
                write(table, path)
                origins[path.name] = raw_behind(table, sources)

            yield sources, write_and_note

    return open_noting


def raw_behind(table: ir.Table, sources: Mapping[str, ir.Table]) -> list[str]:
    """Return the names of the raw tables that an expression over `sources` reads, in their order."""
    read = set(table.op().find(ops.PhysicalTable))
    names = {name for name, source in sources.items() if source.op() in read}
    reached = names | (set(MADE_FROM) if "legs" in names else set())
    return [name for name in RAW_FILES if name in reached]


def _table_run(whole: RecordedRun, raw_dir: Path, name: str, raw: list[str]) -> RecordedRun:
    files = [raw_dir / RAW_FILES[each] for each in raw]
    path = whole.settings.tables / name
    return RecordedRun(
        whole.settings,
        f"{BUILD_JOB}.{Path(name).stem}",
        inputs={Dataset(FILES, str(file.resolve())): raw_file_facets(file) for file in files},
        outputs={Dataset(whole.namespace, table_name(name)): table_facets(path)},
        parent=whole,
    )
