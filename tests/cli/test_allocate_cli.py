"""`jaxscale allocate`: every question by its options, and what is refused."""

import json
import shlex

import pytest

from jaxscale.cli.parser import main
from jaxscale.decisions.allocation import allocate
from jaxscale.decisions.question import Lifetime, price
from jaxscale.laws import Chinchilla

HOFFMANN = "Chinchilla:hoffmann_2022"
LAW = Chinchilla.preset("hoffmann_2022")
QUESTIONS = [
    ("--compute 1e22 --N 8e9", dict(compute=1e22, N=8e9)),
    ("--target-loss 2.0 --D 4e11", dict(target_loss=2.0, D=4e11)),
    ("--compute 1e22 --ratio 20", dict(compute=1e22, ratio=20.0)),
    ("--N 8e9", dict(N=8e9)),
    ("--compute 1e22 --overhead .5", dict(compute=1e22, times_N=0.5)),
    ("--target-loss 2.0 --lifetime-tokens 1e12", dict(target_loss=2.0, lifetime=1e12)),
    (
        "--compute 1e22 --unique-tokens 2e10 --worth 10 4",
        dict(compute=1e22, unique_tokens=2e10, worth=(10.0, 4.0)),
    ),
    (
        "--target-loss 2.0 --lifetime-tokens 1e12 --output-tokens 1e11 --mfu .5 --writing-mfu .1",
        dict(target_loss=2.0, lifetime=Lifetime(9e11, 1e11, 2.0, 2.0, 10.0)),
    ),
    (
        "--dollars 1e6 --device-price 2 --device-flops 1e15 --mfu .4 --lifetime-tokens 1e12 "
        "--serving-price 1 --serving-mfu .3",
        dict(
            compute=1e6,
            lifetime=Lifetime(1e12, 0.0, price(2, 1e15, 0.4), price(1, 1e15, 0.3)),
        ),
    ),
]


def answered(capsys, line):
    code = main(["allocate", *shlex.split(line)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(("line", "question"), QUESTIONS, ids=[line for line, _ in QUESTIONS])
def test_the_command_line_asks_what_python_asks(capsys, line, question):
    code, out, _ = answered(capsys, f"{HOFFMANN} {line} --json")
    (row,) = json.loads(out)["allocations"]
    want = allocate(LAW, **question)
    assert code == 0
    for name in ("compute", "N", "D", "loss", "tokens_per_parameter", "overhead", "cost", "epochs"):
        if getattr(want, name) is not None and (name != "overhead" or "overhead" in row):
            assert row[name] == pytest.approx(getattr(want, name), rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize(
    ("more", "unit"),
    [
        ("", "FLOPs"),
        ("--output-tokens 1e11", "FLOPs"),
        ("--serving-mfu .5", "FLOPs of the hardware"),
        ("--device-price 2 --device-flops 1e15", "dollars"),
    ],
)
def test_the_whole_cost_is_named_by_what_it_counts(capsys, more, unit):
    line = f"{HOFFMANN} --target-loss 2.0 --lifetime-tokens 1e12 --json {more}"
    assert json.loads(answered(capsys, line)[1])["cost_in"] == unit


def test_a_loss_that_nothing_reaches_leaves_the_others(capsys):
    line = f"{HOFFMANN} --target-loss 2.0 1.5 1.9"
    code, out, err = answered(capsys, f"{line} --json")
    found = json.loads(out)["allocations"]
    assert [row["compute"] is None for row in found] == [False, True, False]
    assert code == 1 and "reaches no loss below" in err and "the target is 1.5" in err
    assert answered(capsys, line)[1].count("none") >= 3
    assert answered(capsys, f"{HOFFMANN} --target-loss 1.5")[0] == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--compute 1e22 --target-loss 2", "exactly one of compute and target_loss"),
        ("", "exactly one of compute and target_loss"),
        ("--compute 1e22 --N 1e9 --D 1e9", "do not go together"),
        ("--compute 1e22 --mfu .4", "--mfu goes with --lifetime-tokens"),
        ("--dollars 1e6", "--dollars goes with --device-price"),
        ("--dollars 1e6 --device-price 2", "--device-flops"),
        ("--compute 1e22 --device-price 2 --device-flops 1e15", "--dollars X, not --compute"),
        ("--target-loss 2 --lifetime-tokens 1e12 --mfu 1.4", "--mfu is a share"),
        ("--target-loss 2 --lifetime-tokens 1e12 --output-tokens 2e12", "--output-tokens 2e+12"),
        ("--compute 1e22 --worth 15 5", "--worth goes with --unique-tokens"),
        ("--compute 1e22 --draws 100", "a preset, without runs"),
        ("--compute 1e22 --draws -1", "--draws must be 0 or more"),
        ("--compute 1e22 --figure x.png", "needs a fit with its runs"),
        ("--compute 1e22 --kind overhead", "--kind overhead goes with --figure"),
    ],
)
def test_options_that_do_not_go_together_are_refused(capsys, line, message):
    code, out, err = answered(capsys, f"{HOFFMANN} {line}")
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1


def test_a_law_of_one_scale_is_inverted(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{10**k!r},{1.7 + 9e3 * 10 ** (-0.19 * k) * (1 + 1e-4 * (-1) ** j)!r}"
            for j, k in enumerate([18, 18.5, 19, 19.5, 20, 20.5, 21, 21.5, 22])]  # fmt: skip
    (tmp_path / "runs.csv").write_text("\n".join(["C,loss", *rows]) + "\n")
    assert main(["fit", "runs.csv", "--law", "PowerLaw:C", "--out", "fit.json", "--quiet"]) == 0
    capsys.readouterr()
    code, out, err = answered(
        capsys, "fit.json --target-loss 2.2 1.0 2.0 --draws 64 --json --quiet"
    )
    document = json.loads(out)
    found = document["allocations"]
    assert code == 1 and "has loss 1 at no C" in err
    assert found[0]["compute"] == pytest.approx((9e3 / 0.5) ** (1 / 0.19), rel=0.05)
    assert found[1]["compute"] is None and found[1]["intervals"]["compute"]["low"] is None
    limits = found[2]["intervals"]["compute"]
    assert limits["low"] < found[2]["compute"] < limits["high"]
    code, out, err = answered(capsys, "fit.json --compute 1e22")
    assert code == 2 and "a law of one scale has an inverse alone" in err
