"""What serving has to know of a feature service, as plain data: no Feast object in it, so none is needed.

Types are Feast's, by name: see `features.schema.feature_types`.
"""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from features.schema.feature_column import FeatureColumn
from features.schema.feature_types import Default
from features.schema.on_demand_columns import ViewFeature


class PlanPart(BaseModel):
    """Base of the plan's parts: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class StoredView(PlanPart):
    """One stored view, by the name that references use, and its table in the online store.

    `keys`: join key -> name in requests; `features`: what is read, each with its type; `defaults`: what
    stands for a feature while the online store is away. Without a TTL a row never expires.
    """

    name: str
    table: str
    keys: dict[str, str]
    key_types: dict[str, str]
    features: dict[str, str]
    ttl: timedelta | None
    defaults: dict[str, Default]


class ComputedView(PlanPart):
    """One on-demand view: what it reads, what it declares (`declared`), what the service takes (`features`).

    `source` is the text of its function; None where the text alone is not what Feast runs.
    """

    name: str
    request_fields: dict[str, str]
    inputs: dict[str, ViewFeature]
    declared: tuple[str, ...]
    features: tuple[str, ...]
    source: str | None


class ServingPlan(PlanPart):
    """A feature service resolved for serving: inputs in model order, their types, the views behind them."""

    columns: tuple[FeatureColumn, ...]
    types: dict[str, str]
    stored: tuple[StoredView, ...]
    computed: tuple[ComputedView, ...]

    @property
    def request_fields(self) -> dict[str, str]:
        """Every request field that an on-demand view reads, with its type."""
        return {name: dtype for view in self.computed for name, dtype in view.request_fields.items()}

    @property
    def needs_feast(self) -> bool:
        """Whether a function must be had from Feast, so that the plan alone cannot serve."""
        return any(view.source is None for view in self.computed)
