"""Imports point one way: each module imports from lower levels only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxscale"
LEVELS = [
    {"_pytree", "_precision", "_smallmat", "_logarithm", "_roots", "_visible", "_cache", "errors"},
    {"reading"},
    {
        "_durable",
        "_positive",
        "intervals",
        "_programs",
        "document",
        "tables",
        "expressions",
        "losses",
    },
    {"console", "labels"},
    {"space", "flops", "columns", "annealing", "schedules", "local_level"},
    {"laws", "runs", "optimizers", "metrics", "forecast"},
    {"curves"},
    {"objective", "lawnames", "lawcure", "datasets", "design"},
    {"separation"},
    {"normal_equations"},
    {"grids"},
    {"engine", "implicit", "starts", "thinning"},
    {"certificate", "tabulate", "search", "lawcheck"},
    {"result", "preparation"},
    {"verification"},
    {"saved"},
    {"fit", "allocation", "exponents", "linearized"},
    {"refit", "resampling", "quantities", "frontier", "splits", "candidates", "comparison_table"},
    {"jackknife", "influence", "selection", "nested", "sensitivity"},
    {"bootstrap", "covariance", "stacking"},
    {
        "profile",
        "posterior",
        "synthetic",
        "plotting",
        "warmup",
        "sweep_spec",
        "speedup",
        "asymptote",
        "comparison",
    },
    {"sweep_cells", "sweep_summary", "multiplier"},
    {"sweep"},
    {"contours"},
    {"uncertainty_plots"},
    {"joint_plots", "analysis_plots", "forecast_plots"},
    {"outputs"},
    {"commands"},
    {"uncertainty_command"},
    {
        "sweep_command",
        "influence_command",
        "compare_command",
        "datasets_command",
        "forecast_command",
        "laws_command",
    },
    {"cli"},
    {"__main__"},
]
LEVEL = {name: k for k, names in enumerate(LEVELS) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in ast.walk(node):
                child.skip = True
        if getattr(node, "skip", False):
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxscale"):
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = room(path)
    assert here in LEVEL, f"give {here} a level"
    for other in imported(path) - {here}:
        if here in ("commands", "cli", "result") and other not in LEVEL:
            continue  # names of the package itself, such as __version__
        assert LEVEL[other] < LEVEL[here], f"{here} imports {other}"


def test_optimizers_know_no_laws_and_no_runs():
    for path in (PACKAGE / "optimizers").glob("*.py"):
        assert imported(path) <= {"optimizers", "_smallmat"}, path


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
                assert room(path) == "console", f"{path} prints"
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
