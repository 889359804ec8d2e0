"""Feast's own value messages, loaded from its file: importing the package for them takes seconds.

Protobuf keeps one class per message and process, so these are the classes that Feast itself has, whichever of
the two comes first.
"""

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

FILE: Final = Path("protos", "feast", "types", "Value_pb2.py")


def _load_messages() -> Any:
    feast = find_spec("feast")
    if feast is None or feast.origin is None:
        raise ModuleNotFoundError("feast is not installed; `pip install 'roundtrip[features]'`", name="feast")
    spec = spec_from_file_location(f"{__name__}_of_feast", Path(feast.origin).parent / FILE)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"feast has no {FILE}; install the release that is locked", name="feast")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_messages = _load_messages()
Map: Any = _messages.Map
Value: Any = _messages.Value
ValueType: Any = _messages.ValueType
