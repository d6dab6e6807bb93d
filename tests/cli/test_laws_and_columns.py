"""`--law LAW[:COLUMN]`, `--fix` and `--column` mean the same in every command that takes them."""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import jaxscale
from jaxscale.cli.compare import _laws
from jaxscale.cli.given import law_given, split_law
from jaxscale.cli.parser import main

MINE = '''
from jaxscale import Chinchilla, PowerLaw


class Along(PowerLaw):
    """L(x) = a x^b + c."""


class Both(Chinchilla):
    """L(N, D) = E + A N^-alpha + B D^-beta."""
'''


@pytest.fixture
def folder(tmp_path, monkeypatch, fitted):
    """A table with other names for its columns, laws in a file, and fits."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    runs = fitted.runs
    columns = (runs.columns["N"], runs.columns["D"], runs.loss)
    rows = [f"{n!r},{d!r},{y!r}" for n, d, y in zip(*(c.tolist() for c in columns), strict=True)]
    Path("runs.csv").write_text("\n".join(["wide,long,loss", *rows]) + "\n")
    Path("steps.csv").write_text(
        "steps,D,loss\n" + "".join(f"{k},{k},{3 / k}\n" for k in range(1, 9))
    )
    fitted.save("fit.json")
    return tmp_path


@pytest.mark.parametrize(
    "text, want",
    [
        ("Chinchilla", ("Chinchilla", "")),
        ("PowerLaw:C", ("PowerLaw", "C")),
        ("PowerLaw:a:b c", ("PowerLaw", "a:b c")),
        ("a/b.py:Mine", ("a/b.py:Mine", "")),
        ("a/b.py:Mine:Training FLOP", ("a/b.py:Mine", "Training FLOP")),
    ],
)
def test_a_law_is_split_from_its_column(text, want):
    assert split_law(text) == want


COLUMNS = ["--column", "N=wide", "--column", "D=long"]
TAKEN = {
    "its name": ("Chinchilla", "runs.csv", COLUMNS, ("N", "D")),
    "a letter": ("PowerLaw:D", "runs.csv", COLUMNS, ("D",)),
    "a column": ("PowerLaw:long", "runs.csv", COLUMNS, ("D",)),
    "a column without a letter": ("PowerLaw:wide", "runs.csv", [], ("wide",)),
    "a derived letter": ("LogLaw:C", "runs.csv", COLUMNS, ("C",)),
    "steps before others": ("PowerLaw", "steps.csv", [], ("S",)),
    "the only size": ("PowerLaw", "runs.csv", COLUMNS[:2], ("N",)),
    "a class": ("mine.py:Both", "runs.csv", COLUMNS, ("N", "D")),
    "a class and a column": ("mine.py:Along:wide", "runs.csv", COLUMNS, ("N",)),
}


@pytest.mark.parametrize("text, table, columns, inputs", TAKEN.values(), ids=TAKEN)
@pytest.mark.parametrize("command", ["fit", "compare"])
def test_fit_and_compare_read_a_law_alike(
    folder, monkeypatch, fitted, command, text, table, columns, inputs
):
    taken = []

    def stop(law, *_, **__):
        taken.extend(law.values() if isinstance(law, dict) else [law])
        raise jaxscale.FitError("taken")

    monkeypatch.setattr(f"jaxscale.cli.{command}.{command}", stop)
    assert main([command, table, "--law", text, "--quiet", *columns]) == 1
    assert [law.inputs for law in taken] == [inputs]


@pytest.mark.parametrize(
    "argv, message",
    [
        (["fit", "runs.csv", *COLUMNS, "--law", "PowerLaw"], "say which column, e.g. PowerLaw:N"),
        (["fit", "runs.csv", "--law", "mine.py:Along"], "e.g. mine.py:Along:C (wide, long)"),
        (["fit", "runs.csv", *COLUMNS, "--law", "Chinchilla:C"], "'C' after the colon does not"),
        (["fit", "runs.csv", "--law", "Kaplan,Chinchilla"], "jaxscale compare takes several"),
        (["warmup", "--n", "60", "--law", "PowerLaw"], "say which column, e.g. PowerLaw:C"),
        (
            ["warmup", "--n", "60", "--loss", "square", "--delta", "1"],
            "goes with a loss that has a width",
        ),
        (["warmup", "--n", "60", "--fix", "E=1", "--fix", "E=2"], "--fix E is given twice"),
        (["compare", "runs.csv", *COLUMNS, "--fix", "gamma=1"], "no law that is compared has such"),
        (["compare", "runs.csv", *COLUMNS, "--law", "Kaplan", "--law", "kaplan"], "given twice"),
        (["predict", "fit.json", "--law", "Chinchilla:N", "--N", "1"], "reads N, D; leave out :N"),
        (["predict", "Chinchilla:hoffmann_2022", "--law", "Kaplan", "--N", "1"], "its law already"),
        (["forecast", "x.csv", "--final-step", "9", "--column", "D=x"], "there are loss, step, lr"),
        (["forecast", "x.csv", "--final-step", "9", "--column", "x"], "e.g. loss=val_loss"),
    ],
)
def test_what_is_out_of_place_is_refused_with_what_to_write(capsys, folder, argv, message):
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


def test_a_fit_along_a_column_is_known_by_it(capsys, folder, fitted):
    law = jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of="D")
    prediction = jaxscale.predict(law, D=fitted.runs.columns["D"])
    runs = fitted.runs.replace(loss=prediction)
    from jaxscale.fitting.statistics import statistics

    one = dict(law=law, runs=runs, prediction=prediction, value=0.0, errors={})
    one["statistics"] = statistics(runs, prediction)
    dataclasses.replace(fitted, **one, suspects=np.array([], int)).save("one.json")
    assert main(["predict", "one.json", "--law", "PowerLaw:D", "--D", "1e10"]) == 0
    assert main(["predict", "one.json", "--law", "PowerLaw:N", "--D", "1e10"]) == 2
    assert "was fitted along D; leave out :N" in capsys.readouterr().err


def test_fix_holds_a_parameter_of_every_law_that_has_it(noisy):
    options = argparse.Namespace(law=["Chinchilla,Kaplan", "PowerLaw:C"], fix=[("E", 1.7)])
    laws, _ = _laws(options, noisy)
    assert list(laws) == ["Chinchilla(E=1.7)", "Kaplan", "PowerLaw:C"]
    assert laws["Chinchilla(E=1.7)"].fixed == {"E": 1.7} and not laws["Kaplan"].fixed
    label, law, column = law_given("PowerLaw:C", {"c": 1.0}, noisy)
    assert (label, law.fixed, column) == ("PowerLaw:C", {"c": 1.0}, "C")


@pytest.mark.slow
def test_compare_fits_in_the_precision_that_is_asked_for(capsys, folder):
    few = ["--starts", "16", "--draws", "0", "--folds", "0", "--levels", "4", "--quiet", "--json"]
    argv = ["compare", "runs.csv", *COLUMNS, "--law", "KaplanD", *few, "--deltas", "1e-3,1e-2"]
    values = {}
    for precision in ("float64", "float32"):
        assert main([*argv, "--precision", precision]) in (0, 1)
        document = json.loads(capsys.readouterr().out)
        assert document["settings"]["precision"] == precision
        values[precision] = document["laws"][0]["objective"]
    assert values["float64"] == pytest.approx(values["float32"], rel=1e-3)
    assert values["float64"] < values["float32"]


@pytest.mark.slow
def test_a_figure_of_a_comparison_without_rollout_costs_no_answer(capsys, folder):
    Path("one.csv").write_text("N,D,loss\n" + "".join(f"5,{k}e8,{3 / k}\n" for k in range(1, 9)))
    few = ["--starts", "16", "--draws", "0", "--folds", "3", "--deltas", "1e-3", "--quiet"]
    few += ["--law", "KaplanD", "--figure", "r.png"]
    assert main(["compare", "one.csv", *few, "--by", "N"]) == 3
    out, err = capsys.readouterr()
    assert "KaplanD" in out and "--figure r.png was not drawn: this figure needs a rollout" in err
    assert not Path("r.png").exists()
    assert main(["compare", "runs.csv", *COLUMNS, *few]) == 0
    assert Path("r.png").stat().st_size > 10_000
