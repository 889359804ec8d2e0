"""Record a build: a run for every table, with the raw files that its expression reads and what it wrote."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from features.compute.engine import Builder, Engine, Sources, Write
from features.lineage.facets import raw_file_facets, table_facets
from features.lineage.names import BUILD_JOB, FILES, Dataset, table_name
from features.lineage.run import RecordedRun, recorded_run
from features.lineage.transport import emit
from features.settings import FeatureSettings

Origins = dict[str, list[str]]


@contextmanager
def recorded_build(settings: FeatureSettings, files: Mapping[str, Path], engine: Engine) -> Iterator[Engine]:
    """Record the build that the body does with the engine that it is given.

    `files` are those of the raw tables. Those recorded of a table are what its expression reads.
    """
    origins: Origins = {}
    with recorded_run(settings, BUILD_JOB) as whole:
        yield _noting(engine, origins)
        runs = [(name, raw) for name, raw in origins.items() if name.endswith(".parquet")]
        emit(settings, lambda: [_table_run(whole, files, *run).event("COMPLETE") for run in runs])


def _noting(engine: Engine, origins: Origins) -> Engine:
    """Return the engine, noting in `origins` the raw tables behind each table that it writes."""

    @contextmanager
    def open_noting(
        raw: Mapping[str, pa.Table], intermediate: Mapping[str, Builder], scratch: Path
    ) -> Iterator[tuple[Sources, Write]]:
        with engine(raw, intermediate, scratch) as (sources, write):
            behind = _trace(raw, intermediate, sources)

            def write_and_note(table: ir.Table, path: Path) -> None:
                write(table, path)
                origins[path.name] = _raw_behind(table, sources, behind)

            yield sources, write_and_note

    return open_noting


def _trace(raw: Iterable[str], intermediate: Mapping[str, Builder], sources: Sources) -> Origins:
    """Return the names of the raw tables behind each source, in their order."""
    behind: Origins = {name: [name] for name in raw}
    for name, builder in intermediate.items():
        behind[name] = _raw_behind(builder(sources), sources, behind)
    return behind


def _raw_behind(table: ir.Table, sources: Sources, behind: Origins) -> list[str]:
    """Return the names of the raw tables that an expression over `sources` reads, in their order."""
    read = set(table.op().find(ops.PhysicalTable))
    names = {raw for name, source in sources.items() if source.op() in read for raw in behind[name]}
    return [name for name in sources if name in names]


def _table_run(whole: RecordedRun, files: Mapping[str, Path], name: str, raw: list[str]) -> RecordedRun:
    path = whole.settings.tables / name
    return RecordedRun(
        whole.settings,
        f"{BUILD_JOB}.{Path(name).stem}",
        inputs={Dataset(FILES, str(files[each].resolve())): raw_file_facets(files[each]) for each in raw},
        outputs={Dataset(whole.namespace, table_name(name)): table_facets(path)},
        parent=whole,
    )
