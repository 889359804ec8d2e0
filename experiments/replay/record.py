"""What one replay leaves behind: a row per prediction, an entry per week, an entry per retraining."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd
from pydantic import BaseModel

from experiments.replay.traffic import Answer


class Retraining(BaseModel, frozen=True):
    """One run of the training deployment, and what the running service did about it."""

    as_of: datetime
    reason: str
    accepted: bool
    version: str
    champion: str
    gate: str
    gate_reasons: tuple[str, ...]
    seconds: float
    requests_sent: int
    requests_failed: int


class WeekRecord(BaseModel, frozen=True):
    """What monitoring decided at the end of one week."""

    number: int
    start: datetime
    end: datetime
    verdict: str
    reasons: tuple[str, ...]
    drifting: tuple[str, ...]
    champion: str


@dataclass
class Record:
    """Grows while the replay runs."""

    weeks: list[WeekRecord] = field(default_factory=list)
    retrainings: list[Retraining] = field(default_factory=list)
    predictions: list[pd.DataFrame] = field(default_factory=list)

    def add_answers(self, answers: list[Answer]) -> None:
        """Keep what the service answered over HTTP."""
        frame = pd.DataFrame(
            [vars(answer) for answer in answers], columns=["example_id", "prediction", "version"]
        )
        self.predictions.append(frame.assign(online=True))

    def add_bulk(self, example_ids: pd.Series, predictions: object, version: str) -> None:
        """Keep what the same bundle scored in bulk."""
        frame = pd.DataFrame(
            {"example_id": example_ids.to_numpy(), "prediction": predictions, "version": version}
        )
        self.predictions.append(frame.assign(online=False))

    def all_predictions(self) -> pd.DataFrame:
        """One row per example: example_id, prediction, version, online."""
        return pd.concat(self.predictions, ignore_index=True)

    def write(self, folder: Path) -> None:
        """Write the weeks and retrainings as JSON and the predictions as Parquet."""
        folder.mkdir(parents=True, exist_ok=True)
        self.all_predictions().to_parquet(folder / "predictions.parquet", index=False)
        for name, entries in (("weeks", self.weeks), ("retrainings", self.retrainings)):
            lines = [entry.model_dump_json() for entry in entries]
            (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
