"""Evidently, loaded with its telemetry off and with this room's drift test registered."""

import os
import warnings
from functools import cache
from typing import Any, Final

import pandas as pd

from monitoring.ml.drift.population_stability import column_psi

PSI_TEST: Final = "psi_by_quantiles"


@cache
def load_evidently() -> Any:
    """Import Evidently (seconds) and register `PSI_TEST`; the module.

    Evidently's own `psi` cuts the joint range into bins of equal width, where one extreme value moves nearly
    everything into a single bin.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("ITERATIVE_DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import evidently
        import evidently.metrics
        import evidently.presets
        import evidently.sdk.panels
        import evidently.ui.workspace
    _register_psi()
    return evidently


def _register_psi() -> None:
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    test = StatTest(
        name=PSI_TEST,
        display_name="PSI by quantiles",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
        default_threshold=0.2,
    )
    register_stattest(test, _test_column)


def _test_column(
    reference: pd.Series, current: pd.Series, feature_type: Any, threshold: float
) -> tuple[float, bool]:
    """Evidently's signature of a drift test; it leaves missing values out before the call."""
    index = column_psi(reference, current, "numeric" if feature_type.value == "num" else "categorical")
    return index, index > threshold
