"""Whether every row satisfies the table's Pandera schema, and which do not."""

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from features.quality.violation import Violation

FIX = "mend the raw files or what writes the table"
FIRST = 5


def find_row_violations(
    frame: pd.DataFrame, schema: pa.DataFrameSchema
) -> tuple[list[Violation], pd.DataFrame]:
    """Return the first violation of each check, and the rows that break any; both empty if all are sound."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        places = pd.to_numeric(cases["index"], errors="coerce").dropna().astype("int64").unique()
        return _first_violations(cases), frame.iloc[places]
    return [], frame.iloc[:0]


def _first_violations(cases: pd.DataFrame) -> list[Violation]:
    first = cases.drop_duplicates(["column", "check"]).head(FIRST)
    return [
        Violation(str(case.column), str(case.check), str(case.failure_case), FIX)
        for case in first.itertuples()
    ]
