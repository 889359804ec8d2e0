"""The facts of one call, whatever protocol it came by."""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from inference.observability.tracing import RequestTrace


class Call(msgspec.Struct, frozen=True, gc=False):
    """What the service knows of a call besides its questions.

    - `started`: `perf_counter()` at arrival.
    - `protocol`: roundtrip (`/v1/predict`), open_inference, grpc, tensorflow_serving or mlflow.
    - `caller`: the id of the API key or the token's subject; `None` without access control.
    - `request_id`: of the whole call (`x-request-id`), for logs and traces; not a prediction's id.
    - `detailed`: whether an error is told in detail: the caller has the scope `admin`.
    - `explain`: whether the answers are to carry their reasons.
    - `trace`: takes the spans of the call's stages; `None` unless it is traced.
    """

    started: float
    protocol: str = "roundtrip"
    caller: str | None = None
    request_id: str | None = None
    explain: bool = False
    trace: "RequestTrace | None" = None
    detailed: bool = False
