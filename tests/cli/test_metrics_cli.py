"""Accuracies on the command line: counts, rates, per cent, and what a loss or a width may be."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxscale.cli.parser import main

C = np.geomspace(1e18, 1e21, 24)
RIGHT = np.random.default_rng(4).binomial(400, 0.95 - 900 * C**-0.18)
FIT = ["--law", "PowerLaw:C", "--fix", "c=.95", "--starts", "32", "--quiet"]


def table(rate="{k}", head="C,correct,questions", n="400", rows=C):
    lines = []
    for c, k in zip(rows, RIGHT, strict=True):
        r = k / 400
        cell = rate.format(k=k, r=r, p=100 * r, s=(r * (1 - r) / 400) ** 0.5)
        lines.append(f"{c:.6g},{cell},{n}")
    return "\n".join([head, *lines]) + "\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(text):
    with open("runs.csv", "w") as file:
        file.write(text)
    return ["fit", "runs.csv", *FIT]


REFUSED = {
    "more right than asked": (table("401"), ["--residual", "binomial"], "more right answers"),
    "half a question": (table(n="400.5"), ["--residual", "binomial"], "whole number of trials"),
    "no question": (table(rate="0.5", head="C,acc,questions", n="0"), ["--residual", "logit"],
                    "whole number of trials, 1 or more, got 0"),
    "per cent": (table("{p}", head="C,acc,questions"), ["--residual", "logit"],
                 "--column 'loss=acc/100' makes fractions"),
    "a loss that is a residual": (table(), ["--loss", "binomial"], "--residual binomial"),
    "a quantile beyond 1": (table(), ["--loss", "quantile:1.5"], "tau is the share of runs below"),
    "a quantile of words": (table(), ["--loss", "quantile:best"], "tau must be a number"),
    "a number for huber": (table(), ["--loss", "huber:.1"], "takes no number after a colon"),
    "a width of a quantile": (table(), ["--loss", "quantile", "--delta", "auto"],
                              "--delta goes with a loss that has a width, not with quantile"),
    "a width of fractions": (table(), ["--residual", "binomial", "--delta", "auto"],
                             "--delta goes with a loss that has a width, not with square"),
    "many widths": (table(), ["--delta", "auto", "--by", "questions"], "give a width beside --by"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_fraction_and_no_loss_is_refused_in_a_sentence(name, capsys):
    text, options, said = REFUSED[name]
    assert main([*written(text), *options]) == 2
    told = capsys.readouterr().err
    assert said in told and len(told.splitlines()) <= 3


def test_a_width_of_two_fits_goes_with_a_fit_alone(capsys):
    written(table())
    assert main(["compare", "runs.csv", "--delta", "auto"]) == 2
    assert "--delta auto takes two fits: it goes with jaxscale fit" in capsys.readouterr().err


@pytest.mark.slow
def test_counts_rates_and_standard_errors_are_one_fit(capsys):
    binomial = ["--residual", "binomial", "--json"]
    ways = {
        "counts": (table(), []),
        "rates": (table("{r}", head="C,acc,n"), ["--column", "trials=n"]),
        "per cent": (table("{p}", head="C,acc,trials"), ["--column", "loss=acc/100"]),
        "errors": (table("{r},{s}", head="C,acc,acc_stderr,n"), ["--error", "acc_stderr"]),
    }
    found = {}
    for name, (text, options) in ways.items():
        assert main([*written(text), *binomial, *options, "--out", f"{name}.json"]) == 0, name
        found[name] = json.loads(capsys.readouterr().out)
        assert found[name]["objective"]["loss"] == "square"
    values = [each["objective"]["value"] for each in found.values()]
    np.testing.assert_allclose(values, values[0], rtol=1e-6)
    assert main(["predict", "counts.json", "--C", "1e20", "1e26"]) == 0
    assert " is none" not in capsys.readouterr().err
    assert main(["bootstrap", "counts.json", "--draws", "50", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "trials"
    assert main([*written(table()), "--residual", "logit", "--json"]) == 0
    close = json.loads(capsys.readouterr().out)["params"]["b"]
    assert close == pytest.approx(found["counts"]["params"]["b"], rel=0.05)
    assert main([*written(table()), "--json"]) == 0
    assert "(trials) is not used" in json.dumps(json.loads(capsys.readouterr().out))
    assert main([*written(table()), "--loss", "quantile:.1", "--out", "q.json"]) == 0
    stated = json.loads(Path("q.json").read_text())["objective"]
    assert stated["loss"] == "quantile" and stated["fields"] == {"tau": 0.1}
    assert main(["predict", "q.json", "--C", "1e20"]) == 0
