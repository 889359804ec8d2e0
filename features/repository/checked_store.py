"""Feast's feature store, which refuses pushed rows that are not what their view expects."""

from typing import Any

import pandas as pd
from feast import FeatureStore, FeatureView, RepoConfig
from feast.data_source import PushMode

from features.settings import FeatureSettings


class CheckedFeatureStore(FeatureStore):
    """Checks what is pushed to it; all else is Feast's."""

    def __init__(self, settings: FeatureSettings, config: RepoConfig) -> None:
        super().__init__(config=config)
        self._settings = settings

    def push(
        self,
        push_source_name: str,
        df: pd.DataFrame,
        allow_registry_cache: bool = True,
        to: PushMode = PushMode.ONLINE,
        transform_on_write: bool = True,
    ) -> None:
        """Push rows to every view of the push source.

        Raises:
            TableQualityError: some break a view's expectations; nothing was pushed.
        """
        self._check(push_source_name, df, allow_registry_cache)
        super().push(push_source_name, df, allow_registry_cache, to, transform_on_write)

    async def push_async(
        self,
        push_source_name: str,
        df: pd.DataFrame,
        allow_registry_cache: bool = True,
        to: PushMode = PushMode.ONLINE,
        **options: Any,
    ) -> None:
        """Do as `push`."""
        self._check(push_source_name, df, allow_registry_cache)
        await super().push_async(push_source_name, df, allow_registry_cache, to, **options)

    def _check(self, push_source: str, rows: pd.DataFrame, allow_registry_cache: bool) -> None:
        from features.quality.pushed import PushCheck  # imports Pandera, which opening a store need not

        check = PushCheck(self._settings, self)
        for view in self._fvs_for_push_source_or_raise(push_source, allow_registry_cache):
            if isinstance(view, FeatureView):
                check.refuse(view, rows)
