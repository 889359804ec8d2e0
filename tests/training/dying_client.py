"""A registry's client whose process dies in the middle of what it writes."""

from contracts.registry import open_client
from contracts.settings import RegistrySettings


class ProcessDiedError(Exception):
    """The process is gone."""


class DyingClient:
    """The registry's client, for a process that dies after so many writes."""

    def __init__(self, settings: RegistrySettings, writes: int) -> None:
        self._client, self._left = open_client(settings), writes

    def __getattr__(self, name: str) -> object:
        method = getattr(self._client, name)
        if not name.startswith(("set_", "delete_")):
            return method

        def write(*arguments: object) -> object:
            if not self._left:
                raise ProcessDiedError
            self._left -= 1
            return method(*arguments)

        return write
