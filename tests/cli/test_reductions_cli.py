"""One row per run on the command line: each option, what is said of it, and what a fit keeps."""

import argparse
import dataclasses
import importlib

import numpy as np
import pytest

import jaxscale
from jaxscale.cli.parser import main, parser
from jaxscale.cli.recorded import reading, recorded
from jaxscale.errors import DataError


def write(folder):
    """Write a sweep in three sizes, and its log: of each N and seed a run for each rate."""
    rows, log = ["run,N,D,lr,seed,loss"], ["run,N,tokens,seed,loss"]
    for n in (10, 20, 40):
        for seed in (0, 1):
            for k, rate in enumerate((1e-3, 2e-3, 4e-3)):
                name, loss = f"{n}M-{n / 10:g}xC-s{seed}k{k}", 3 + 1 / n + 0.02 * (k - 1.1) ** 2
                rows.append(f"{name},{n}e6,{n}e8,{rate},{seed},{loss + 0.01 * seed:.6f}")
                for step in range(1, 11):
                    log.append(f"{name},{n}e6,{step * n}e7,{seed},{loss + 1 / step:.6f}")
    (folder / "sweep.csv").write_text("\n".join(rows) + "\n")
    (folder / "log.csv").write_text("\n".join(log) + "\n")


ROWS = {
    "last of": (["log.csv", "--last-of", "run"], 18, "last row of each run by tokens: 18 rows"),
    "end": (["log.csv", "--last-of", "run", "--end", "median:3"], 18, "its loss the median:3"),
    "best of": (["sweep.csv", "--best-of", "N,D"], 3, "best of each N, D: 3 rows of 18"),
    "over": (["sweep.csv", "--best-of", "N,D,seed", "--over", "lr"], 6, "all with the minimum of"),
    "response": (
        ["sweep.csv", "--best-of", "N,seed", "--over", "lr", "--column", "loss=lr_opt"],
        6,
        "all with the minimum of a parabola in log lr",
    ),
    "average over": (
        ["sweep.csv", "--average-over", "seed", "--where", "lr == 0.002"],
        3,
        "averaged over seed: 3 rows of 6 remain, each of 2 alike in 'N', 'D', 'lr'",
    ),
    "envelope": (["log.csv", "--envelope", "C"], 10, "envelope along C: "),
    "parse": (
        ["sweep.csv", "--parse", "{}-{M}xC-s{}", "--best-of", "N"],
        3,
        "'10M-1xC-s0k0' says M 1",
    ),
    "all of them": (
        ["log.csv", "--last-of", "run", "--best-of", "N,seed", "--average-over", "seed"],
        3,
        "averaged over seed: 3 rows of 6",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_every_option_is_applied_and_said(name, tmp_path, monkeypatch, capsys):
    argv, count, said = ROWS[name]
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    given = []

    def fit(law, runs, **options):
        given.append(runs)
        raise jaxscale.FitError("stop here")

    monkeypatch.setattr(importlib.import_module("jaxscale.cli.fit"), "fit", fit)
    assert main(["fit", *argv, "--quiet", "--law", "PowerLaw:N"]) == 1
    assert "stop here" in capsys.readouterr().err
    assert any(said in note for note in given[0].warnings)
    assert len(given[0]) == count or name == "envelope"
    if name == "response":
        assert ((given[0].loss > 1e-3) & (given[0].loss < 4e-3)).all()


@pytest.mark.parametrize("command", ["fit", "compare", "isoflop", "verify"])
def test_the_old_name_is_refused_with_the_new(command, capsys):
    need = ["fit.json"] if command == "verify" else []
    assert main([command, *need, "runs.csv", "--lowest", "N,D"]) == 2
    assert "give --best-of COLUMN,... in its place" in capsys.readouterr().err


def test_a_fit_keeps_how_its_table_was_made():
    argv = ["--last-of", "run", "--end", "ema:0.9", "--best-of", "N,D", "--over", "lr,batch"]
    more = ["--average-over", "seed", "--envelope", "C", "--parse", "auto"]
    given = parser().parse_args(["fit", "runs.csv", *argv, *more])
    kept = reading(given)
    assert kept["table"] == {
        "last_of": "run", "end": "ema:0.9", "best_of": "N,D", "over": "lr,batch",
        "average_over": "seed", "envelope": "C", "parse": ["auto"],
    }  # fmt: skip
    again, _ = recorded(parser().parse_args(["verify", "fit.json", "runs.csv"]), kept)
    for name, value in kept["table"].items():
        assert getattr(again, name) == value


def test_fits_of_earlier_versions_are_read_under_the_old_name():
    bare = parser().parse_args(["verify", "fit.json", "runs.csv"])
    found, _ = recorded(bare, {"table": {"lowest": "N,D"}})
    assert isinstance(found, argparse.Namespace) and found.best_of == "N,D"
    with pytest.raises(DataError, match=r"settings\.table\.best_of: expected a str"):
        recorded(bare, {"table": {"lowest": 3}})


@pytest.mark.slow
def test_a_fit_of_reduced_runs_is_verified_from_their_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    N = np.repeat(np.geomspace(1e7, 1e9, 8), 9)
    lr, seed = np.tile(np.repeat([1e-3, 2e-3, 4e-3], 3), 8), np.tile([0, 1, 2], 24)
    loss = 1.8 + 480 * N**-0.35 + 0.05 * np.log(lr / 2.2e-3) ** 2
    loss = loss + 0.002 * np.random.default_rng(1).standard_normal(len(N))
    rows = [",".join(map(str, row)) for row in zip(N, lr, seed, loss, strict=True)]
    (tmp_path / "runs.csv").write_text("\n".join(["N,lr,seed,loss", *rows]) + "\n")
    argv = ["--best-of", "N,seed", "--over", "lr", "--average-over", "seed"]
    law = ["--law", "PowerLaw:N", "--error", "loss_se", "--starts", "64", "--quiet"]
    assert main(["fit", "runs.csv", *argv, *law, "--out", "fit.json"]) == 0
    said = capsys.readouterr().out
    assert "! best of each N, seed over lr: 24 rows of 72 remain, all with" in said
    assert "! averaged over seed: 8 rows of 24 remain, each of 3 alike in 'N'" in said
    assert main(["verify", "fit.json", "runs.csv"]) == 0
    assert "the same 8 runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        (
            "N,D,loss,state",
            {"where": "state == 'ok'"},
            "with --where \"state == 'ok'\": give that here too",
        ),
        (
            "params (M),tokens (B),loss,state",
            {"bad": "drop", "units": "auto"},
            "with --units auto: give",
        ),
        ("N,D,loss,state", {"bad": "drop"}, ""),  # as the message itself says
    ],
)
def test_a_fit_of_python_says_to_read_the_table_as_it_was(
    header, options, said, tmp_path, monkeypatch, capsys, fitted
):
    monkeypatch.chdir(tmp_path)
    columns, scale = fitted.runs.columns, (1e6, 1e9) if "(M)" in header else (1, 1)
    rows = [
        f"{n / scale[0]:.17g},{d / scale[1]:.17g},{x:.17g},ok"
        for n, d, x in zip(columns["N"], columns["D"], fitted.runs.loss, strict=True)
    ]
    (tmp_path / "runs.csv").write_text("\n".join([header, "1,1,,crashed", *rows, ""]))
    runs = jaxscale.read_runs("runs.csv", **options)
    dataclasses.replace(fitted, runs=runs, settings={}).save("fit.json")
    assert main(["verify", "fit.json", "runs.csv", "--quiet"]) == 2
    err = capsys.readouterr().err
    assert ("fit.json has runs that were read in Python with" in err) == bool(said) and said in err


def test_the_panel_saves_its_figure(fitted, tmp_path):
    jaxscale.plot.residuals(fitted).savefig(tmp_path / "residuals.svg")
    assert (tmp_path / "residuals.svg").read_text().startswith("<?xml")
