"""README and the examples say what really happens."""

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest

from jaxscale.cli.parser import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DECISIONS = (ROOT / "docs" / "benchmarks" / "decisions.md").read_text()
SHOWN = {"speedup": "asymptote pinned", "not_determined": "certified: False"} | dict.fromkeys(
    ("forecast_optax", "forecast_nnx", "forecast_equinox"), "probability to end below"
)
VOLATILE = ("time ", "optimum ")  # seconds and rounding errors differ from machine to machine


def stable(text):
    lines = [line.rstrip() for line in text.strip().splitlines()]
    return [line for line in lines if not line.startswith(VOLATILE)]


def test_the_first_example_prints_what_readme_shows():
    code = re.search(r"```python\n(.*?)```", README, re.S)[1]
    shown = re.search(r"```text\n(.*?)```", README, re.S)[1]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})
    assert len(stable(out.getvalue())) == len(stable(shown))
    for line, expected in zip(stable(out.getvalue()), stable(shown), strict=True):
        # A last digit may stand at the edge: numbers agree to 1e-5, words to the letter.
        words, numbers = apart(line)
        assert words == apart(expected)[0], line
        assert numbers == pytest.approx(apart(expected)[1], rel=1e-5, abs=1e-5), line


def apart(line):
    number = r"\b\d+(?:\.\d+)?(?:e[+-]\d+)?\b"
    return re.sub(number, "#", " ".join(line.split())), list(map(float, re.findall(number, line)))


def test_ci_calls_the_test_command_of_readme():
    command = "python -m pip install -q -e '.[dev]' && python -m pytest"
    assert f"\n{command}\n" in README and f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_of_readme_lead_somewhere(link):
    assert (ROOT / link).exists()


def examples():
    """Every example; those that compile many programs come with the slow tests."""
    for path in sorted((ROOT / "examples").glob("*.py")):
        slow = path.stem.startswith(
            ("forecast_", "law_in_scan", "replicates", "speedup", "uncertainty")
        )
        yield pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.slow
@pytest.mark.parametrize("path", list(examples()))
def test_examples_run(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert SHOWN.get(path.stem, "alpha") in capsys.readouterr().out


@pytest.mark.slow
def test_the_isoflop_example_prints_what_its_page_shows(monkeypatch, tmp_path, capsys):
    command, shown = re.search(
        r"jaxscale (isoflop [^\n]*)\n```\n\nprints\n\n```text\n(.*?)```", DECISIONS, re.S
    ).groups()
    monkeypatch.chdir(tmp_path)
    words = [str(ROOT / word) if word.endswith(".csv") else word for word in command.split()]
    assert main([*words, "--quiet"]) == 0
    printed = [x for x in capsys.readouterr().out.splitlines()[2:] if x[:1] != "!"]  # doubts, notes
    for line, expected in zip(printed, shown.splitlines(), strict=True):
        assert apart(line)[0] == apart(expected)[0]
        # Simulated shares and rounded numbers move by their last digit from machine to machine.
        assert apart(line)[1] == pytest.approx(apart(expected)[1], rel=0.03, abs=0.05), line
    assert (tmp_path / "valleys.png").stat().st_size > 10_000
