"""A closed-loop load: so many connections, each sending its next request when the last is answered.

Run as a process of its own (`python -m … PLAN`), so that it takes no time from what it measures. It stops by
itself after the seconds of the plan, and it speaks to this machine only.
"""

from time import perf_counter

import msgspec
import uvloop

from experiments.benchmarks.http_serving.chain import Chain
from experiments.benchmarks.http_serving.closed_loop import ClosedLoop
from experiments.benchmarks.http_serving.kept_connection import HOST
from experiments.benchmarks.http_serving.load_process import carry_out
from experiments.benchmarks.http_serving.tally import Load, Tally
from experiments.benchmarks.http_serving.wire import Columns, Wire, from_feature_server


class Step(msgspec.Struct, frozen=True):
    """Where a request goes, and its bodies in turn."""

    port: int
    path: str
    headers: dict[str, str]
    bodies: list[bytes]


class Onward(msgspec.Struct, frozen=True):
    """A second request for each: to a model server, with the features that the first has brought."""

    step: Step
    columns: Columns
    wire: Wire


class Plan(msgspec.Struct, frozen=True):
    """What is sent for how long; figures are of the seconds after the warm-up."""

    step: Step
    connections: int
    warm_up: float
    seconds: float
    onward: Onward | None = None


def encode_request(step: Step, body: bytes) -> bytes:
    """The bytes of one POST."""
    headers = {"host": HOST, "content-type": "application/json", **step.headers, "content-length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {step.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def run_load(plan: Plan) -> Load:
    """Send for `warm_up + seconds`, and until an answer counts; then wait for what is open."""
    requests = [encode_request(plan.step, body) for body in plan.step.bodies]
    since = perf_counter() + plan.warm_up
    end, tally = since + plan.seconds, Tally(since)
    if plan.onward is None:
        ClosedLoop(plan.step.port, requests, end, tally).run(plan.connections)
    else:
        uvloop.run(_chain(plan.step.port, plan.onward, requests, end).run(plan.connections, tally))
    return tally.summarise(plan.seconds)


def _chain(port: int, onward: Onward, requests: list[bytes], end: float) -> Chain:
    def then(answer: bytes) -> bytes:
        return encode_request(onward.step, from_feature_server(answer, onward.columns, onward.wire))

    return Chain((port, onward.step.port), requests, then, end)


if __name__ == "__main__":
    carry_out(Plan, run_load)
