"""What `make map` and `make lint` find: a circle, an engine module that imports a problem."""

import grimp

from tests.repository.map import PROBLEM, find_circle, find_problem_imports


def graph_of(*imports: tuple[str, str]) -> grimp.ImportGraph:
    graph = grimp.ImportGraph()
    for importer, imported in imports:
        graph.add_import(importer=importer, imported=imported)
    return graph


def test_a_circle_is_found_whole() -> None:
    graph = graph_of(("a.one", "a.two"), ("a.two", "a.three"), ("a.three", "a.one"), ("a.four", "a.one"))
    assert set(find_circle(graph)) == {"a.one", "a.two", "a.three"}
    assert find_circle(graph_of(("a.one", "a.two"), ("a.one", "a.three"))) == []


def test_only_a_problem_may_import_a_problem() -> None:
    own = f"features.{PROBLEM}"
    graph = graph_of(
        (f"{own}.build", f"{own}.raw"), (f"{own}.raw", "features.errors"), ("features.apply", f"{own}.raw")
    )
    assert find_problem_imports(graph) == [f"features.apply -> {own}.raw"]
