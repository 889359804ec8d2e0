"""The reference that windows are compared with: what the champion's bundle says about its training data."""

from dataclasses import dataclass

import pandas as pd

from contracts.bundle.reader import Bundle, read_bundle
from contracts.problem import Problem
from contracts.profile import ReferenceProfile
from contracts.registry import current, fetch_bundle
from features.schema.feature_column import FeatureColumn
from inference.prediction_log.label_join import LABEL
from monitoring.ml.errors import NoChampionError
from monitoring.ml.settings import MonitoringSettings
from monitoring.ml.windows.quality import measure_skill
from monitoring.ml.windows.sampling import sample_rows


@dataclass(frozen=True)
class Champion:
    """The champion's reference: features, `prediction` and `label` of a sample, its profile, its skill.

    `skill` was measured by the gate, on data that the model had not seen; None when its metrics do not
    define it.
    """

    version: str
    columns: tuple[FeatureColumn, ...]
    profile: ReferenceProfile
    reference: pd.DataFrame
    skill: float | None


class ChampionReference:
    """Follows the registry's champion and keeps its reference until another version takes over."""

    def __init__(self, settings: MonitoringSettings, problem: Problem) -> None:
        self._settings, self._problem = settings, problem
        self._held: Champion | None = None

    def current(self) -> Champion:
        """The champion as the registry names it now.

        Raises:
            NoChampionError: no version is champion.
            RegistryUnavailableError: the registry does not answer.
            BundleError: the bundle is damaged.
        """
        ref = current(self._settings.registry, self._problem.name)
        if ref is None:
            raise NoChampionError(self._problem.name)
        if self._held is None or self._held.version != ref.version:
            bundle = read_bundle(fetch_bundle(self._settings.registry, ref))
            self._held = read_champion(bundle, ref.version, self._problem, self._settings.report_rows)
        return self._held


def read_champion(bundle: Bundle, version: str, problem: Problem, rows: int) -> Champion:
    """Read the reference out of a bundle, with at most `rows` rows of its sample."""
    reference = pd.read_parquet(bundle.reference).rename(columns={bundle.contract.label: LABEL})
    return Champion(
        version=version,
        columns=bundle.contract.columns,
        profile=bundle.profile,
        reference=sample_rows(reference, rows),
        skill=measure_skill(problem, bundle.contract.metrics),
    )
