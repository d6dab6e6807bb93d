"""What `--flops` may be, that a fit file keeps it, and the command `size`."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

import jaxscale
from jaxscale.cli.costs import cost_given
from jaxscale.cli.given import costed
from jaxscale.cli.parser import main, parser
from jaxscale.flops import AffineCost, PowerCost, SixND, TransformerCost
from jaxscale.laws import derived

OWN = """
import numpy


def head(N, D):
    return D * (6 * N + 1e9)


def falls(N, D):
    return D / N


def host(N, D):
    return numpy.asarray(N, float) * D


def broken(N, D):
    return N * nothing


def one(N):
    return N
"""
HOURS = PowerCost(3e-17, 0.9, 1.02, unit="gpu_hours")


@pytest.fixture
def runs(fitted):
    N, D = fitted.runs.columns["N"], fitted.runs.columns["D"]
    noise = np.exp(0.02 * np.random.default_rng(0).normal(size=len(N)))
    names = {"N": "params", "D": "tokens", "C": "flops"}
    C = D * (6 * N + 1e9)
    return fitted.runs.replace(C=C, gpu_hours=HOURS(N, D) * noise, names=names)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("costs.py").write_text(OWN)
    return tmp_path


def options(*argv):
    return parser().parse_args(["fit", "runs.csv", *argv])


GIVEN = {  # what is written -> the cost's form, its unit, what the notes say
    "7.2": ("product", "FLOPs", None),
    "C": ("affine", "FLOPs", r"a run costs D \(k N\^a \+ c\) FLOPs, by \d+ runs \(k 6 ± "),
    "flops:product": ("product", "FLOPs", "a run costs k N D FLOPs"),
    "gpu_hours": ("power", "gpu_hours", r"N\^a D\^b gpu_hours, .*AIC -\d.*, k N D -?\d"),
    "gpu_hours:power": ("power", "gpu_hours", r"off by \d(\.\d)? %\); allocations"),
    "costs.py:head": (None, "FLOPs", None),
}


@pytest.mark.parametrize("text", GIVEN)
def test_a_cost_goes_with_the_law_and_its_column_with_the_runs(folder, runs, text):
    form, unit, said = GIVEN[text]
    law, counted = costed(options("--flops", text), jaxscale.Chinchilla(), runs)
    assert getattr(law.flops, "form", None) == form and getattr(law.flops, "unit", unit) == unit
    hours = unit == "gpu_hours"
    assert (counted.columns["C"] == runs.columns["gpu_hours" if hours else "C"]).all()
    assert counted.names["C"] == ("gpu_hours" if hours else "flops")
    notes = counted.warnings[len(runs.warnings) :]
    assert bool(notes) == bool(said) and (said is None or re.search(said, notes[0]))
    if hours:
        assert law.flops.a == pytest.approx(0.9, abs=0.02) and law.flops.b == pytest.approx(
            1.02, 0.02
        )


REFUSED = {
    "0": "--flops must be positive, got 0",
    "nan": "--flops must be positive, got nan",
    "gpu": "--flops gpu: expected .* or a column of numbers: .*gpu_hours",
    "tokens": "D is what a cost is a function of",
    "C:cubic": "no cost of the form 'cubic'; there are product, power, affine",
    "costs.py:none": "costs.py defines no function 'none'; it has 'head', 'falls'",
    "costs.py:falls": r"costs.py: falls\(N, D\) does not increase in N",
    "costs.py:host": r"costs.py: host\(N, D\) is to be written in jax.numpy: line 14",
    "costs.py:broken": r"costs.py: broken\(1e9, 1e10\) fails: line 18: NameError",
    "costs.py:one": r"costs.py: one\(1e9, 1e10\) fails: TypeError",
    "gone.py:head": "gone.py.*no such file",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_cost_is_refused_by_name(folder, runs, text):
    with pytest.raises((ValueError, OSError), match=REFUSED[text]):
        costed(options("--flops", text), jaxscale.Chinchilla(), runs)
    with pytest.raises(ValueError, match="PowerLaw reads no N and D"):
        costed(options("--flops", "C"), jaxscale.PowerLaw(of="C"), runs)
    with pytest.raises(ValueError, match="there are no runs whose column it could be"):
        cost_given("gpu_hours", None)


SAVED = [
    SixND(7.2),
    SixND(2e-17, unit="dollars"),
    HOURS,
    AffineCost(6.0, 0.98, 1e9),
    TransformerCost(50304.0, embeddings=2.0),
]


@pytest.mark.parametrize("cost", SAVED, ids=lambda cost: f"{cost.form} {cost.unit}")
def test_a_fit_file_keeps_the_cost(tmp_path, fitted, cost):
    fit = dataclasses.replace(fitted, law=fitted.law.replace(flops=cost))
    fit.save(tmp_path / "fit.json")
    assert jaxscale.load(tmp_path / "fit.json").law.flops == cost


DAMAGED = {
    "form": ({"form": "cubic"}, "settings.flops.form: expected one of product, power"),
    "k": ({"k": -1.0}, "settings.flops.k: expected a number > 0"),
    "missing": ({"a": None}, "settings.flops.a"),
    "more": ({"z": 1.0}, "settings.flops.z is unknown"),
    "unit": ({"unit": 3}, "settings.flops.unit: expected a text"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_cost_is_refused_by_its_field(tmp_path, fitted, name):
    changes, said = DAMAGED[name]
    path = tmp_path / "fit.json"
    dataclasses.replace(fitted, law=fitted.law.replace(flops=HOURS)).save(path)
    document = json.loads(path.read_text())
    document["settings"]["flops"] |= changes
    path.write_text(json.dumps(document))
    with pytest.raises(jaxscale.DataError, match=said):
        jaxscale.load(path)


def test_a_fit_with_a_function_is_read_with_it(folder, fitted, capsys):
    own = cost_given("costs.py:head", None)
    dataclasses.replace(fitted, law=fitted.law.replace(flops=own)).save("own.json")
    argv = ["predict", "own.json", "--N", "1e9", "--D", "2e10"]
    assert main(argv) == 2 and "or --flops FILE.py:FUNCTION" in capsys.readouterr().err
    assert main([*argv, "--flops", "costs.py:head"]) == 0
    assert main([*argv, "--flops", "7"]) == 2
    assert "other costs go to jaxscale fit or allocate" in capsys.readouterr().err


def test_exponents_are_those_of_a_cost_that_is_a_power():
    law = jaxscale.Chinchilla.preset("hoffmann_2022")
    plain, priced = derived(law), derived(law.replace(flops=HOURS))
    for C in (1e3, 1e5):
        low, high = (jaxscale.allocate(law, compute=c, flops=HOURS) for c in (C, 10 * C))
        assert np.log10(high.N / low.N) == pytest.approx(priced["a"], rel=1e-6)
        assert np.log10(high.D / low.D) == pytest.approx(priced["b"], rel=1e-6)
    assert plain == derived(law.replace(flops=SixND(7.2))) != priced


SIZES = {
    "nearest": (["8.03e9", "--vocab", "128256", "--gqa", "4", "--ff-ratio", "3.5"], 0),
    "one": (["--layers", "12", "--width", "768", "--heads", "12", "--tied", "--plain"], 0),
    "experts": (["4.67e10", "--experts", "8", "--active-experts", "2", "--D", "1e12"], 0),
    "neither": ([], "give N, for architectures of that size, or --layers"),
    "both": (["1e9", "--layers", "12"], "give N, for architectures of that size, or --layers"),
    "half": (["--layers", "12"], "one architecture needs --layers, --width and --heads"),
    "mixed": (["1e9", "--width", "768"], "--width goes with --layers, not with N"),
    "mixed too": (
        ["--layers", "2", "--width", "128", "--heads", "2", "--gqa", "2"],
        "--gqa goes with N, not with --layers",
    ),
    "heads": (["--layers", "2", "--width", "128", "--heads", "3"], "3 heads do not divide"),
    "small": (["1e3"], "no architecture of this family"),
    "no tokens": (["1e9", "--D", "0"], "--D must be positive, got 0"),
    "none": (["1e9", "--number", "0"], "--number must be at least 1, got 0"),
}


@pytest.mark.parametrize("name", SIZES)
def test_size_lists_architectures_or_says_why_not(name, capsys):
    argv, said = SIZES[name]
    assert main(["size", *argv, "--json"]) == (0 if said == 0 else 2)
    out, err = capsys.readouterr()
    if said != 0:
        assert said in err and err.count("\n") == 1
        return
    document = json.loads(out)
    if name == "nearest":
        best = document["architectures"][0]
        assert best["parameters"]["total"] == 8_030_261_248
        assert best["architecture"]["layers"] == 32 and best["architecture"]["kv_heads"] == 8
    elif name == "one":
        assert document["parameters"]["non_embedding"] == 12 * 12 * 768**2 + 25 * 768
    else:
        best = document["architectures"][0]
        each = best["training_flops_per_token"]
        assert best["training_flops"] == pytest.approx(1e12 * each["exact"])
        assert best["parameters"]["active"] < 0.31 * best["parameters"]["total"]


def test_allocate_names_the_architecture_to_build(capsys):
    argv = ["allocate", "Chinchilla:hoffmann_2022", "--compute", "1e21", "1e24", "--build", "50257"]
    assert main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    for best, built in zip(document["allocations"], document["built"], strict=True):
        total = built["parameters"]["total"]
        assert total == pytest.approx(best["N"], rel=0.02) and built["D"] == best["D"]
        assert built["off"] == pytest.approx(total / best["N"] - 1)
        assert built["cost"] == pytest.approx(6 * total * best["D"])
        assert built["training_flops"] == pytest.approx(best["compute"], rel=0.05)
        assert built["architecture"]["vocab"] == 50304
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert "as counted (FLOPs)" in text and f"{total:,}" in text
    assert main([*argv[:3], "1e9", "--build", "50257"]) == 2
    assert "no architecture of this family" in capsys.readouterr().err


@pytest.mark.slow
def test_a_budget_in_hours_is_answered_in_hours(folder, runs, capsys):
    names = ("N", "D", "C", "gpu_hours")
    rows = zip(*(runs.columns[name] for name in names), runs.loss, strict=True)
    lines = [
        "params,tokens,flops,gpu_hours,loss",
        *(",".join(map(repr, map(float, r))) for r in rows),
    ]
    Path("runs.csv").write_text("\n".join(lines) + "\n")
    argv = ["fit", "runs.csv", "--flops", "gpu_hours", "--starts", "64", "--quiet"]
    assert main([*argv, "--out", "fit.json"]) == 0
    assert "! a run costs k N^a D^b gpu_hours" in capsys.readouterr().out
    cost = jaxscale.load("fit.json").law.flops
    assert main(["allocate", "fit.json", "--compute", "1e4", "--json"]) == 0
    (best,) = json.loads(capsys.readouterr().out)["allocations"]
    assert cost(best["N"], best["D"]) == pytest.approx(1e4, rel=1e-9)
    assert HOURS(best["N"], best["D"]) == pytest.approx(1e4, rel=0.1)
