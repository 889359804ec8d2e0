"""Feast's registry file, written so that a process killed at any moment leaves the old one or the new one."""

import os
from pathlib import Path

from feast.infra.registry.file import FileRegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry


class AtomicFileRegistryStore(FileRegistryStore):
    """Feast's own empties the file before it writes; a kill in between loses every definition."""

    def _write_registry(self, registry_proto: Registry) -> None:
        """Write a draft beside the file, have it on disk, then give it the file's name."""
        target = Path(self._filepath)
        self._filepath = target.with_suffix(f".{os.getpid()}.draft")
        try:
            super()._write_registry(registry_proto)
            self._filepath.replace(target)
        finally:
            self._filepath.unlink(missing_ok=True)
            self._filepath = target
