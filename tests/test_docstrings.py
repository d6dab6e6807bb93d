"""Public functions say what they take: where there are three parameters or more, each by name."""

import ast
import functools
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxscale"
FEW = 2
"""Parameters that one sentence can explain."""
OWN_VOCABULARY = {"cli"}
"""Wings that nobody calls from Python: the options of a command are explained by its help."""


def parameters(function: ast.FunctionDef, bound: bool) -> list[str]:
    """The names of a function's parameters, without that of the instance or class."""
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names = names[1:] if bound else names
    return names + [a.arg for a in (given.vararg, given.kwarg) if a is not None]


def unexplained(function: ast.FunctionDef, names: list[str]) -> list[str]:
    """The parameters that the section "Args:" does not name."""
    doc = ast.get_docstring(function) or ""
    section = re.search(r"^Args:\n((?:(?:    .*)?\n?)*)", doc, re.MULTILINE)
    entries = re.findall(r"^ {4}([\w*][\w*, ]*):", section[1], re.MULTILINE) if section else []
    explained = {name.strip(" *") for entry in entries for name in entry.split(",")}
    return [name for name in names if name not in explained]


def decorators(function: ast.FunctionDef) -> set[str]:
    return {node.id for node in function.decorator_list if isinstance(node, ast.Name)}


def overrides(method: str, owner: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
    """Whether a base class of the same wing has the method, and explains it."""
    bases = [classes[b.id] for b in owner.bases if isinstance(b, ast.Name) and b.id in classes]
    own = {node.name for base in bases for node in base.body if isinstance(node, ast.FunctionDef)}
    return method in own or any(overrides(method, base, classes) for base in bases)


@functools.cache
def classes_of(path: Path) -> tuple[ast.ClassDef, ...]:
    """The classes at the top of a file."""
    body = ast.parse(path.read_text()).body
    return tuple(node for node in body if isinstance(node, ast.ClassDef))


def public(path: Path):
    """Yield (name, node, parameters) of the functions and methods of a file without underscore."""
    tree = ast.parse(path.read_text())
    own = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    near = path.parent.glob("*.py") if path.parent != PACKAGE else ()
    classes = {node.name: node for other in near for node in classes_of(other)}
    classes |= {node.name: node for node in own}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name[0] != "_":
            yield node.name, node, parameters(node, bound=False)
    for owner in own:
        for node in owner.body:
            if not isinstance(node, ast.FunctionDef) or "_" in (node.name[0], owner.name[0]):
                continue
            if not overrides(node.name, owner, classes):
                bound = "staticmethod" not in decorators(node)
                yield f"{owner.name}.{node.name}", node, parameters(node, bound)


FUNCTIONS = {
    f"{path.relative_to(PACKAGE).as_posix()}:{name}": (node, names)
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] not in OWN_VOCABULARY
    for name, node, names in public(path)
    if len(names) > FEW
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_of_a_public_function_is_explained(name):
    missing = unexplained(*FUNCTIONS[name])
    assert not missing, f"Args: has no {', '.join(missing)}"


@pytest.mark.parametrize(
    "doc, missing",
    [
        ("Return it.", ["a", "b", "rest"]),
        ("Return it.\n\nArgs:\n    a: one.\n    b: two,\n        rest: of it.\n", ["rest"]),
        ("Return it.\n\nArgs:\n    a, b: two.\n    *rest: the others.\n\nReturns:\n    It.\n", []),
        ("Return it.\n\nArgs:\n    a: one.\n\nReturns:\n    b: no parameter.\n", ["b", "rest"]),
    ],
)
def test_a_section_explains_what_it_names(doc, missing):
    function = ast.parse(f"def f(a, b, *rest):\n    {doc!r}").body[0]
    assert unexplained(function, parameters(function, bound=False)) == missing
