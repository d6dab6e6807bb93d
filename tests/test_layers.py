"""The wings of the package: imports point one way, and every room keeps the house's rules."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxscale"
ROWS = [
    {"_version", "errors", "text"},
    {"_numerics", "executors", "shown"},
    {"files", "flops", "optimizers"},
    {"data", "laws"},
    {"objective", "decisions", "forecast", "datasets"},
    {"engine", "varpro"},
    {"checks"},
    {"fitting"},
    {"uncertainty"},
    {"comparison", "isoflops", "recipes", "sweep"},
    {"specification", "designs", "ranking"},
    {"plotting"},
    {"plot", "reports"},
    {"cli"},
]
"""A module imports from its own wing and from wings of lower rows."""

ROW = {wing: row for row, wings in enumerate(ROWS) for wing in wings}
NEVER = {
    "optimizers": set(ROW) - {"_numerics"},
    **dict.fromkeys(("objective", "varpro", "engine"), {"data"}),
}
"""What a wing does not see, beside what stands higher."""

MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[:2] != "__"
)
FACES = [path for path in PACKAGE.rglob("__init__.py")]


def wing(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("jaxscale", *(parts[:-1] if parts[-1] == "__init__" else parts)))


def imports(path: Path) -> list[tuple[str, str]]:
    """All (module, name) that a file imports from the package, at any depth, for types too."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jaxscale"
        for alias in node.names
    ]


def files(path: Path) -> set[str]:
    """The files of the package that a file needs, by their dotted names."""
    known = {dotted(p) for p in MODULES}
    found = set()
    for module, name in imports(path):
        found.add(f"{module}.{name}" if f"{module}.{name}" in known else module)
    return found & known


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = wing(path)
    for module in files(path):
        other = module.split(".")[1]
        assert ROW[other] < ROW[here] or other == here, f"{here} imports {module}"
        assert other not in NEVER.get(here, ()) or other == here, f"{here} knows {module}"
    assert all(name in ROW for module, name in imports(path) if module == "jaxscale")


def test_no_circles():
    needs = {dotted(path): files(path) - {dotted(path)} for path in MODULES}
    faces = {dotted(path) for path in FACES}
    while needs:  # take away what needs nothing, until nothing is left
        free = {name for name, others in needs.items() if not others & needs.keys()}
        assert free, f"a circle among {sorted(needs)}"
        needs = {name: others for name, others in needs.items() if name not in free}
    assert faces


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_private_names_of_other_files(path):
    for module, name in imports(path):
        assert not name.startswith("_") or name in ROW or name == "__version__", (module, name)


@pytest.mark.parametrize("face", FACES, ids=dotted)
def test_no_face_hides_a_module(face):
    beside = {path.stem for path in face.parent.glob("*.py")} | {
        path.parent.name for path in face.parent.glob("*/__init__.py")
    }
    modules = {
        name
        for module, name in imports(face)
        if f"{module}.{name}" in map(dotted, [*FACES, *MODULES])
    }
    handed_on = {name for module, name in imports(face)} - modules
    assert not handed_on & beside


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_house_rules(path):
    text = path.read_text()
    assert text.count("\n") <= 400
    assert "jax.config.update" not in text and "pickle.load" not in text
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec"), node.lineno
            if node.func.id == "print":
                assert dotted(path) == "jaxscale.cli.console", f"{path} prints"
        if isinstance(node, ast.ExceptHandler):
            caught = ast.dump(node.type) if node.type else "everything"
            assert "'Exception'" not in caught and caught != "everything", node.lineno
        if isinstance(node, ast.FunctionDef):
            doc = len((ast.get_docstring(node) or "").splitlines())
            assert node.end_lineno - node.lineno + 1 - doc <= 60, node.name


def test_import_leaves_matplotlib_and_the_devices_alone():
    import subprocess
    import sys

    code = (
        "import jax, os, sys; before = (dict(jax.config.values), dict(os.environ));"
        "import jaxscale;"
        "assert 'matplotlib' not in sys.modules;"
        "assert before == (dict(jax.config.values), dict(os.environ));"
        "assert not jax._src.xla_bridge._backends"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
