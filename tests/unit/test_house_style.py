"""The rules of the house, held against every component as it is written."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.paths import CHECKOUT

COMPONENTS = sorted((CHECKOUT / "components").glob("*.py"))
SOURCES = sorted(
    file
    for folder in (
        "bench",
        "components",
        "demo",
        "deployment",
        "pipelines",
        "policies",
        "sandbox",
        "settings",
        "ship",
        "image",
    )
    for file in (CHECKOUT / folder).rglob("*.py")
)


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def name_of(file: Path) -> str:
    return str(file.relative_to(CHECKOUT))


def classes(file: Path, base: str) -> list[ast.ClassDef]:
    """The classes of a file that inherit from a name that ends in `base`."""
    found = [node for node in ast.walk(parse(file)) if isinstance(node, ast.ClassDef)]
    return [one for one in found if any(ast.unparse(parent).endswith(base) for parent in one.bases)]


def component_classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for file in COMPONENTS:
        for one in classes(file, "ComponentResource"):
            yield file, one


def test_there_are_components_to_check() -> None:
    """A walk that finds nothing would pass every rule."""
    assert len(list(component_classes())) >= 3


@pytest.mark.parametrize("file", COMPONENTS, ids=name_of)
def test_a_component_file_has_at_most_250_lines(file: Path) -> None:
    """A longer one is two topics."""
    assert len(file.read_text().splitlines()) <= 250


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_a_function_has_at_most_40_lines(file: Path) -> None:
    """What is longer reads badly at night."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(parse(file))
        if isinstance(node, functions) and node.end_lineno - node.lineno + 1 > 40
    ]
    assert not long


def test_every_component_has_one_component_a_file_and_a_literal_token() -> None:
    """A token that changes would replace every resource below it."""
    for file in COMPONENTS:
        assert len(classes(file, "ComponentResource")) <= 1, name_of(file)
    for file, component in component_classes():
        tokens = [
            node.args[0].value
            for node in ast.walk(component)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) == "super().__init__"
            and isinstance(node.args[0], ast.Constant)
        ]
        assert len(tokens) == 1, name_of(file)
        project, _module, kind = tokens[0].split(":")
        assert (project, kind) == ("antgent", component.name)


def test_every_component_registers_its_outputs_last() -> None:
    """Without it the engine never knows that a component is complete."""
    for file, component in component_classes():
        init = next(node for node in component.body if getattr(node, "name", "") == "__init__")
        assert "self.register_outputs(" in ast.unparse(init.body[-1]), name_of(file)


@pytest.mark.parametrize("file", COMPONENTS, ids=name_of)
def test_a_component_reads_neither_config_nor_environment(file: Path) -> None:
    """Everything it depends on stands in its arguments."""
    text = ast.unparse(parse(file))
    for forbidden in ("pulumi.Config(", "os.environ", "os.getenv", ".merge(", "json.dumps("):
        assert forbidden not in text, f"{name_of(file)} uses {forbidden}"


@pytest.mark.parametrize("file", COMPONENTS, ids=name_of)
def test_arguments_are_frozen_and_each_says_its_default(file: Path) -> None:
    """Help where it is needed: at the field."""
    for node in ast.walk(parse(file)):
        if not (isinstance(node, ast.ClassDef) and node.name.endswith("Args")):
            continue
        assert "frozen=True" in ast.unparse(node.decorator_list[0]), node.name
        assert "kw_only=True" in ast.unparse(node.decorator_list[0]), node.name
        for field, follower in zip(node.body, [*node.body[1:], None], strict=True):
            if not isinstance(field, ast.AnnAssign):
                continue
            where = f"{node.name}.{ast.unparse(field.target)}"
            assert isinstance(follower, ast.Expr), f"{where} has no docstring"
            said = ast.literal_eval(follower.value)
            assert "Defaults to" in said or "No default" in said, f"{where} does not say its default"


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_every_module_says_what_it_is_for(file: Path) -> None:
    """Whoever opens the file for the first time reads one sentence and knows."""
    if file.read_text().strip():
        assert ast.get_docstring(parse(file))
