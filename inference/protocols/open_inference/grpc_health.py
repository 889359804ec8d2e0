"""`grpc.health.v1.Health`: what a kubelet, a balancer or Envoy asks of any gRPC server.

Source: gRPC's "GRPC Health Checking Protocol". `Watch` is not offered, which clients take for a
server that they need not watch.
"""

from typing import Any, Final

import grpc

from inference.observability.call import Call
from inference.protocols.errors import UnknownServiceError
from inference.protocols.open_inference.grpc_calls import Reply, Rpc, handler_of
from inference.protocols.open_inference.grpc_messages import SERVICE, health_classes
from inference.rest.application_state import ApplicationState

HEALTH_SERVICE: Final = "grpc.health.v1.Health"
# An empty name means the server as a whole.
KNOWN: Final = frozenset({"", SERVICE})
SERVING, NOT_SERVING = 1, 2


class HealthService:
    """Says whether a model is loaded and warmed, to anybody, as `/health/ready` does."""

    def __init__(self, state: ApplicationState) -> None:
        self._state, self._messages = state, health_classes()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given to answer this service's calls."""
        request, response = self._messages["HealthCheckRequest"], self._messages["HealthCheckResponse"]
        return handler_of(self._state, HEALTH_SERVICE, [Rpc("Check", request, response, self._check)])

    async def _check(self, message: Any, _call: Call) -> Reply:
        if message.service not in KNOWN:
            name = message.service[:64]
            raise UnknownServiceError(f"{name!r} is no service here; ask for {SERVICE!r} or for none")
        status = NOT_SERVING if self._state.follower.served is None else SERVING
        return Reply(self._messages["HealthCheckResponse"](status=status))
