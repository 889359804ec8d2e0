"""Record a build: a run for every table, with the raw files that its expression reads and what it wrote."""

from collections.abc import Iterator, Mapping
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

            def write_and_note(table: ir.Table, path: Path) -> None:
                write(table, path)
                origins[path.name] = raw_behind(table, sources, intermediate)

            yield sources, write_and_note

    return open_noting


def raw_behind(table: ir.Table, sources: Sources, intermediate: Mapping[str, Builder]) -> list[str]:
    """Return the names of the raw tables that an expression over `sources` reads, in their order."""
    names = _names_behind(table, sources, intermediate)
    return [name for name in sources if name in names]


def _names_behind(table: ir.Table, sources: Sources, intermediate: Mapping[str, Builder]) -> set[str]:
    read = set(table.op().find(ops.PhysicalTable))
    names = {name for name, source in sources.items() if source.op() in read}
    computed = names & intermediate.keys()
    return (names - computed).union(
        *(_names_behind(intermediate[name](sources), sources, intermediate) for name in computed)
    )


def _table_run(whole: RecordedRun, files: Mapping[str, Path], name: str, raw: list[str]) -> RecordedRun:
    path = whole.settings.tables / name
    return RecordedRun(
        whole.settings,
        f"{BUILD_JOB}.{Path(name).stem}",
        inputs={Dataset(FILES, str(files[each].resolve())): raw_file_facets(files[each]) for each in raw},
        outputs={Dataset(whole.namespace, table_name(name)): table_facets(path)},
        parent=whole,
    )
