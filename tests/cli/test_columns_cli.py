"""A person's own table on the command line: units, factors, FLOPs, standard errors, names."""

import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import jaxscale
from jaxscale.cli.parser import main
from jaxscale.fitting.fractions import beyond_a_fraction

N, D = (x.ravel() for x in np.meshgrid([2e7, 8e7, 3e8, 1e9], [1e9, 5e9, 2e10, 8e10]))
LOSS = 1.8 + 480 * N**-0.35 + 2100 * D**-0.37


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{n / 1e6:g},{d / 1e9:g},{7.2 * n * d:.6g},{math.exp(y):.9g},{1 - y / 9:.9g},.0{k % 9 + 1}"
        for k, (n, d, y) in enumerate(zip(N, D, LOSS, strict=True))
    ]
    head = "params (M),tokens (B),flops,val_ppl,acc,loss_sem"
    Path("own.csv").write_text("\n".join([head, *rows]) + "\n")
    return tmp_path


LOG = ["--column", "loss=log(val_ppl)", "--quiet"]
TAKEN = {  # options -> what the fit is given: k, the error column, the largest N
    "units": (["--units", "auto", *LOG], SIX := 6.0, None, 1e9),
    "factors": (["--scale", "N=1e6", "--scale", "D=1e9", *LOG], SIX, None, 1e9),
    "flops": (["--units", "auto", "--flops", "7.5", *LOG], 7.5, None, 1e9),
    "error": (["--units", "auto", "--error", "loss_sem", *LOG], SIX, "loss_sem", 1e9),
    "error, a column": (["--units", "auto", "--column", "se=loss_sem", *LOG], SIX, "loss_sem", 1e9),
    "sigma": (["--units", "auto", "--column", "sigma=loss_sem", *LOG], SIX, "loss_sem", 1e9),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_fit_is_given_what_the_options_say(folder, monkeypatch, name):
    argv, k, error, largest = TAKEN[name]
    taken = []

    def stop(law, runs, **options):
        taken.append((law, runs, options))
        raise jaxscale.FitError("taken")

    monkeypatch.setattr("jaxscale.cli.fit.fit", stop)
    assert main(["fit", "own.csv", *argv]) == 1
    ((law, runs, options),) = taken
    assert law.flops.k == k and options["error"] == error
    assert runs.columns["N"].max() == largest
    np.testing.assert_allclose(runs.loss, LOSS, rtol=1e-8)
    hinted = any("--error 'loss_sem'" in text for text in runs.warnings)
    assert hinted == (error is None)


REFUSED = {
    "units unsaid": ([*LOG], "--units auto) reads it in full, as does --scale N=1e6 --scale D=1e9"),
    "several metrics": (["--units", "auto"], "'val_ppl', 'acc' could be it"),
    "no flops": (["--law", "PowerLaw:N", "--flops", "7", *LOG], "PowerLaw reads no N and D"),
    "negative flops": (["--units", "auto", "--flops", "-7", *LOG], "--flops must be positive"),
    "two errors": (["--error", "acc", "--column", "sem=loss_sem", *LOG], "and --error acc differ"),
    "no such factor": (["--scale", "S=2", *LOG], "--scale S=2: no column is read as S"),
    "twice": (["--scale", "N=2", "--scale", "N=3", *LOG], "--scale N is given twice"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(folder, capsys, name):
    argv, message = REFUSED[name]
    assert main(["fit", "own.csv", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


@pytest.fixture
def perplexed(folder, fitted):
    """A fit of a perplexity, as far as names go."""
    runs = fitted.runs.replace(names={"loss": "val_ppl"})
    dataclasses.replace(fitted, runs=runs).save("ppl.json")
    runs = fitted.runs.replace(names={"loss": "acc"})
    dataclasses.replace(fitted, runs=runs).save("acc.json")


def test_a_perplexity_is_called_one(perplexed, capsys):
    at = ["--N", "1e9", "--D", "2e10"]
    for argv in (
        ["predict", "ppl.json", *at],
        ["allocate", "ppl.json", "--compute", "1e20", "--draws", "0"],
    ):
        assert main(argv) == 0
        assert "perplexity" in capsys.readouterr().out
        assert main([*argv, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["response"] == "perplexity"
    fit = jaxscale.load("ppl.json")
    assert "on log perplexity, " in str(fit) and "irreducible perplexity" in str(fit)
    assert " loss" not in str(fit).replace("on loss", " loss")
    assert fit.to_dict()["data"]["response"] == "perplexity"
    assert main(["predict", "acc.json", *at]) == 0
    assert capsys.readouterr().out.split()[2] == "accuracy"


FRACTIONS = {  # column, share of the losses, prediction -> what is said
    ("acc", 0.1, 1.4): "an accuracy of 1.4 is none, it lies in 0 to 1: .*--column 'loss=1-acc'",
    ("acc (%)", 20, 140): "it lies in 0 to 100: .*--column 'loss=100-`acc .%.`'",
    ("1-acc", 0.1, -0.2): "an error rate of -0.2 is none, it lies in 0 to 1$",
    ("acc", 0.1, 0.9): None,
    ("reward", 0.1, 1.4): None,
    ("pass@10", 0.1, 1.4): "an accuracy of 1.4 is none, it lies in 0 to 1: ",
    ("win_rate", 20, 140): "an accuracy of 140 is none, it lies in 0 to 100: ",
    ("right / asked", 0.1, 1.4): r"--column 'loss=1-\(right / asked\)'",
    ("f1", 0.1, 1.4): "a score of 1.4 is outside 0 to 1, where no run is: if that is where",
    ("bleu", 20, 140): "a score of 140 is above 100, where no run is",
    ("score", 50, 140): None,  # runs of more than 100 themselves
    ("loss", 0.1, 1.4): None,
}


@pytest.mark.parametrize(("column", "share", "predicted"), FRACTIONS)
def test_a_fraction_beyond_its_ends_is_said(fitted, column, share, predicted):
    runs = fitted.runs.replace(loss=share * fitted.runs.loss, names={"loss": column})
    fit = dataclasses.replace(fitted, runs=runs)
    held = dataclasses.replace(fit, law=jaxscale.PowerLaw(1.0, -0.1, 0.0, of="N"))
    if runs.response.kind != "score":
        assert all("--bound c=0:1" in s for s in beyond_a_fraction(held, [-1.0]))
    said = beyond_a_fraction(fit, [0.5, predicted])
    want = FRACTIONS[column, share, predicted]
    assert said == [] if want is None else re.search(want, said[0])


def test_an_allocation_counts_as_it_is_told(capsys):
    best = {}
    for k in ([], ["--flops", "6"], ["--flops", "7.2"]):
        argv = ["allocate", "Chinchilla:hoffmann_2022", "--compute", "1e21", "--json", *k]
        assert main(argv) == 0
        (best["".join(k)],) = json.loads(capsys.readouterr().out)["allocations"]
    assert best[""] == best["--flops6"]
    told = best["--flops7.2"]
    assert told["N"] * told["D"] * 7.2 == pytest.approx(1e21, rel=1e-12)
    assert main([*argv[:-1], "0"]) == 2 and "--flops must be positive" in capsys.readouterr().err


def test_figures_call_a_response_what_it_is(perplexed):
    from jaxscale.plotting.captions import loss_label

    assert loss_label(jaxscale.load("ppl.json")) == "perplexity"
    assert loss_label(jaxscale.load("acc.json")) == "accuracy"


@pytest.mark.slow
def test_an_own_table_is_fitted_and_allocated_from_as_it_counts(folder, capsys):
    argv = ["fit", "own.csv", "--units", "auto", *LOG, "--starts", "64", "--out", "fit.json"]
    assert main(argv) == 0
    assert "a run costs 7.2 N D FLOPs, not 6 N D" in capsys.readouterr().out
    assert jaxscale.load("fit.json").law.flops == jaxscale.SixND(7.2)
    assert main(["allocate", "fit.json", "--compute", "1e21", "--json", "--draws", "0"]) == 0
    (best,) = json.loads(capsys.readouterr().out)["allocations"]
    true = jaxscale.Chinchilla(1.8, 480.0, 2100.0, 0.35, 0.37, flops=jaxscale.SixND(7.2))
    want = jaxscale.allocate(true, compute=1e21)
    assert best["N"] == pytest.approx(want.N, rel=0.01)
    assert best["N"] * best["D"] * 7.2 == pytest.approx(1e21, rel=1e-9)
