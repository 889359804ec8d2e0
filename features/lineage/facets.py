"""What is known of a file: its digest when it is read; its columns, rows and bytes when it was written."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from features.lineage.names import FILES


def raw_file_facets(path: Path) -> dict[str, Any]:
    """Describe a file that is read: its version is the SHA-256 of its bytes."""
    with path.open("rb") as content:
        return version_facet(hashlib.file_digest(content, "sha256").hexdigest())


def version_facet(version: str) -> dict[str, Any]:
    """Say which content of a dataset is meant."""
    from openlineage.client.facet_v2 import dataset_version_dataset

    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(version)}


def file_facet(path: Path) -> dict[str, Any]:
    """Say where a table lies."""
    from openlineage.client.facet_v2 import datasource_dataset

    return {"dataSource": datasource_dataset.DatasourceDatasetFacet(path.name, path.as_uri())}


def table_facets(path: Path) -> dict[str, Any]:
    """Describe a Parquet table (a file or a folder of files) that was written."""
    from openlineage.client.facet_v2 import (
        output_statistics_output_dataset,
        schema_dataset,
        symlinks_dataset,
    )

    table = ds.dataset(path, format="parquet")
    columns = [schema_dataset.SchemaDatasetFacetFields(each.name, str(each.type)) for each in table.schema]
    size = sum(Path(part).stat().st_size for part in table.files)
    return {
        **file_facet(path),
        "schema": schema_dataset.SchemaDatasetFacet(columns),
        "symlinks": symlinks_dataset.SymlinksDatasetFacet(
            [symlinks_dataset.Identifier(FILES, str(path), "FILE")]
        ),
        "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=table.count_rows(), size=size, fileCount=len(table.files)
        ),
    }
