"""The bundle's reference sample as model input: what contributions are measured against."""

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.bundle.reader import Bundle
from contracts.matrix import FeatureMatrix
from inference.core.arrow_matrix import arrow_matrix
from inference.errors import ExplanationUnavailableError


def reference_matrix(bundle: Bundle) -> FeatureMatrix:
    """Every row of the reference sample.

    Raises:
        ExplanationUnavailableError: the sample is empty or lacks a column.
    """
    columns = bundle.contract.columns
    try:
        sample = pq.read_table(bundle.reference)
        matrix = arrow_matrix(sample, columns)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ExplanationUnavailableError(
            _unavailable("it cannot be read"), detail=_unavailable(str(error))
        ) from error
    if not len(matrix):
        raise ExplanationUnavailableError(_unavailable("it has no rows"))
    return matrix


def _unavailable(reason: str) -> str:
    return f"this version's reference sample cannot be used ({reason}); ask without explain, or train again"
