"""Late labels meet logged answers: the one join that monitoring and the judge of rollouts both read."""

from typing import Final

import pandas as pd

from contracts.problem import Label
from features.contract import INGESTED_AT

LABEL: Final = "label"
KNOWN_AT: Final = "known_at"


def join_labels(predictions: pd.DataFrame, labels: pd.DataFrame, label: Label) -> pd.DataFrame:
    """Add `label` (float64, NaN when unknown), `known_at`, and `ingested_at` if labels have it, to answers.

    Predictions join on `request_id`, labels on `example_id`: callers who name one example each get its label.
    What was scored unseen is left out: it is no answer. `labels` holds what was known as of the evaluation.
    """
    answers = predictions[predictions["role"] != "shadow"]
    known = pd.DataFrame(
        {
            "request_id": labels["example_id"].astype(object),
            LABEL: labels[label.name].astype("float64"),
            **{name: labels[name] for name in (KNOWN_AT, INGESTED_AT) if name in labels},
        }
    )
    return answers.merge(known, on="request_id", how="left", validate="many_to_one")
