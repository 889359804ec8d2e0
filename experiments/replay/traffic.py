"""The client side of the replay: requests at their own instants, and a client that never stops asking."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx
import pandas as pd

from contracts.problem import Problem
from experiments.errors import ReplayError

Instance = Mapping[str, object]


@dataclass(frozen=True)
class Moment:
    """All the requests of one prediction instant."""

    as_of: pd.Timestamp
    instances: Sequence[Instance]


@dataclass(frozen=True)
class Answer:
    """One answered prediction."""

    example_id: str
    prediction: float
    version: str


def moments(problem: Problem, examples: pd.DataFrame) -> Iterator[Moment]:
    """Group examples by prediction instant, in time order, as the JSON instances that a caller would send."""
    names = [spec.name for spec in problem.fields]
    rows = examples[names].astype(object).where(examples[names].notna(), None)
    for spec in problem.fields:
        if spec.dtype == "timestamp":
            rows[spec.name] = examples[spec.name].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    rows["request_id"] = examples["example_id"]
    rows["prediction_time"] = examples["event_timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    for as_of, group in rows.groupby(examples["event_timestamp"], sort=True):
        instances = [{str(name): value for name, value in row.items()} for row in group.to_dict("records")]
        yield Moment(pd.Timestamp(str(as_of)), instances)


class PredictionClient:
    """Asks a running service over one kept-alive connection."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30.0)

    def predict(self, instances: Sequence[Instance]) -> list[Answer]:
        """Ask for these instances.

        Raises:
            ReplayError: the service answered with anything but predictions for all of them, made of features
                as they were known.
        """
        response = self._http.post("/v1/predict", json={"instances": instances})
        if response.status_code != 200:
            raise ReplayError(f"the service answered {response.status_code}: {response.text[:500]}")
        if response.json()["degraded"]:
            raise ReplayError("the service could not read its online store; /health/ready says why")
        answers = [
            Answer(item["request_id"], item["prediction"], item["model_version"])
            for item in response.json()["predictions"]
        ]
        if len(answers) != len(instances):
            raise ReplayError(f"{len(instances)} instances were sent and {len(answers)} answers came back")
        return answers

    def served_version(self) -> str | None:
        """The version that answers now; `None` while no model is served."""
        response = self._http.get("/v1/model")
        return str(response.json()["version"]) if response.status_code == 200 else None

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


@dataclass
class ContinuousClient:
    """Sends one moment's requests over and over; no answer, or two versions in one answer, is a failure.

    Each time under new request ids, since a known id is answered as it was the first time.
    """

    url: str
    moment: Moment
    pause_seconds: float = 0.1
    sent: int = 0
    failed: int = 0
    versions: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="continuous-client", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        client = PredictionClient(self.url)
        while not self._stop.is_set():
            self._send(client)
            time.sleep(self.pause_seconds)
        client.close()

    def _send(self, client: PredictionClient) -> None:
        self.sent += 1
        renamed = [
            {**instance, "request_id": f"continuous-{self.sent}-{instance['request_id']}"}
            for instance in self.moment.instances
        ]
        try:
            seen = {answer.version for answer in client.predict(renamed)}
        except (ReplayError, httpx.HTTPError):
            self.failed += 1
            return
        if len(seen) != 1:
            self.failed += 1
        self.versions += [version for version in seen if version not in self.versions]
