"""`grpc.health.v1.Health`: what a kubelet, a balancer or Envoy asks of any gRPC server.

Source: gRPC's "GRPC Health Checking Protocol". `Watch` is not offered, which clients take for a
server that they need not watch.
"""

from typing import Any, Final

import grpc

from inference.observability.call import Call
from inference.protocols.errors import UnknownServiceError
from inference.protocols.open_inference.grpc_calls import Reply, Rpc, handler_of
from inference.protocols.open_inference.grpc_messages import message_classes
from inference.protocols.open_inference.grpc_service import SERVICE
from inference.rest.application_state import ApplicationState

PACKAGE: Final = "grpc.health.v1"
HEALTH_SERVICE: Final = f"{PACKAGE}.Health"
# An empty name means the server as a whole.
KNOWN: Final = frozenset({"", SERVICE})


class HealthService:
    """Says whether a model is loaded and warmed, to anybody, as `/health/ready` does."""

    def __init__(self, state: ApplicationState) -> None:
        self._state, messages = state, message_classes()
        self._request = messages[f"{PACKAGE}.HealthCheckRequest"]
        self._response = messages[f"{PACKAGE}.HealthCheckResponse"]

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given to answer this service's calls."""
        check = Rpc("Check", self._request, self._response, self._check)
        return handler_of(self._state, HEALTH_SERVICE, [check])

    async def _check(self, message: Any, _call: Call) -> Reply:
        if message.service not in KNOWN:
            name = message.service[:64]
            raise UnknownServiceError(f"{name!r} is no service here; ask for {SERVICE!r} or for none")
        status = "NOT_SERVING" if self._state.follower.served is None else "SERVING"
        return Reply(self._response(status=status))
