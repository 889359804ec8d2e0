"""An on-demand function rebuilt from the source text that Feast keeps of it, as Feast rebuilds it.

The text is as trusted as the registry that it comes from: Feast runs the same one.
"""

import ast
import builtins
import dis
import textwrap
from collections.abc import Iterator
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any, Final

from features.errors import RepositoryError

# The names that Feast gives to a function beside the builtins (`feast.transformation.udf_rehydrate`).
PROVIDED: Final = {"pd": "pandas", "pandas": "pandas", "np": "numpy", "numpy": "numpy"}


def compile_function(source: str) -> FunctionType:
    """Return the first function that the text defines, without its decorators and annotations.

    Raises:
        RepositoryError: the text defines no function, or one that needs more than the text.
    """
    try:
        tree = ast.parse(textwrap.dedent(source))
        function = next(_define(node) for node in tree.body if isinstance(node, ast.FunctionDef))
    except (SyntaxError, StopIteration, NameError) as error:
        raise RepositoryError(f"an on-demand view's text defines no function by itself ({error})") from error
    unknown = set(_globals(function.__code__)) - vars(builtins).keys() - function.__globals__.keys()
    if unknown:
        raise RepositoryError(f"an on-demand view's function reads {sorted(unknown)}; import it inside")
    return function


def _define(node: ast.FunctionDef) -> FunctionType:
    node.decorator_list, node.returns = [], None
    for argument in (part for part in ast.walk(node.args) if isinstance(part, ast.arg)):
        argument.annotation = None
    # Imported only when named: pandas alone takes a third of a second.
    named = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    namespace: dict[str, Any] = {
        name: import_module(module) for name, module in PROVIDED.items() if name in named
    }
    exec(compile(ast.Module([node], type_ignores=[]), "<on-demand view>", "exec"), namespace)
    function: FunctionType = namespace[node.name]
    return function


def _globals(code: CodeType) -> Iterator[str]:
    yield from (step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant)
