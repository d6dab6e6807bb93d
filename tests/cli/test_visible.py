"""Control characters of other people's names are shown, not obeyed: on terminals and in figures."""

import dataclasses
import json
import re

import matplotlib.text
import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxscale import plotting
from jaxscale.cli.parser import main
from jaxscale.data.loss_curves import Curve
from jaxscale.forecast.forecaster import Forecast
from jaxscale.forecast.offline import Fan
from jaxscale.plotting import labels
from jaxscale.plotting.forecast import plot_forecast
from jaxscale.shown.blocks import full_text
from jaxscale.text import one_line, visible

NASTY = "a\x1b[31mred\x07\x9b1m\u202e\u2066\u200f\u2028\x7f\rb\njaxscale: fake"
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


@pytest.mark.parametrize(
    "text, want",
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb\tc", r"a\rb\tc"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\u2067x\u2069", r"\u2067x\u2069"),
        ("\u061c\u200e\u200f", r"\u061c\u200e\u200f"),
        ("\x7f", r"\u007f"),  # which JSON reads as well
        ("\udcff", r"\udcff"),
        ("\u2028", r"\u2028"),
        ("R² ± é 模型 \U0001f600 \\x1b", "R² ± é 模型 \U0001f600 \\x1b"),
    ],
)
def test_controls_are_written_out_and_letters_stay(text, want):
    assert one_line(text) == visible(text) == want
    assert (one_line("a\nb"), visible("a\nb")) == (r"a\nb", "a\nb")


LOG = "step,loss\n" + "".join(f"{k},{2 + 10 / k}\n" for k in range(1, 40))
LAW = "from jaxscale.laws import Chinchilla as Mine\n"
SPEC = "data.a.path = 'runs.csv'\nsweep = {laws = ['PowerLaw:C'], starts = 16}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch, fitted):
    """Inputs whose names, cells and columns are nasty; fits are taken from the fixture."""
    monkeypatch.chdir(tmp_path)
    runs = fitted.runs
    rows = zip(runs.columns["N"], runs.columns["D"], runs.loss, strict=True)
    table = "N,D,loss\n" + "".join(f"{n!r},{d!r},{y!r}\n" for n, d, y in np.array([*rows]).tolist())
    quoted = f'"{NASTY}"'
    files = {
        "runs.csv": table,
        f"{NASTY}.csv": table,
        "header.csv": table.replace("N,", f"{quoted},", 1),
        "cell.csv": table.replace("\n", f"\n{quoted},1,2\n", 1),
        "kind." + NASTY: table,
        f"{NASTY}-log.csv": LOG,
        "run.csv": LOG.replace("\n", f",{quoted}\n").replace(quoted, "run", 1),
        f"{NASTY}.py": LAW,
        "raises.py": f"raise TypeError({NASTY!r})\n",
        "doc.py": LAW + f"class Doc(Mine):\n    {NASTY!r}\n",
        "spec.toml": SPEC,
        f"{NASTY}.toml": SPEC,
        "data.toml": SPEC.replace("data.a", f"data.{json.dumps(NASTY, ensure_ascii=True)}"),
        "law.toml": SPEC.replace("'PowerLaw:C'", json.dumps(NASTY)),
        "map.toml": f"{SPEC}data.a.map = {{N = {json.dumps(NASTY)}}}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, newline="")
    document = fitted.to_dict()
    document["data"] = {**document["data"], "source": NASTY}
    (tmp_path / "source.json").write_text(json.dumps(document))
    (tmp_path / "law.json").write_text(json.dumps({**document, "law": NASTY}))
    (tmp_path / f"{NASTY}-cut.json").write_text(json.dumps(document)[:99])
    (tmp_path / f"{NASTY}.json").write_text(json.dumps(document))
    monkeypatch.setattr(
        "jaxscale.cli.fit.fit",
        lambda law, runs, **options: dataclasses.replace(fitted, runs=runs, suspects=[]),
    )
    return tmp_path


PLACES = {
    "file in an answer": ["fit", f"{NASTY}.csv", "--quiet"],
    "file missing": ["fit", f"no{NASTY}.csv"],
    "file kind": ["fit", "kind." + NASTY],
    "directory": ["fit", "."],
    "header": ["fit", "header.csv"],
    "cell": ["fit", "cell.csv"],
    "out folder": ["fit", "runs.csv", "-o", f"{NASTY}/x.json"],
    "out is in": ["fit", f"{NASTY}.csv", "-o", f"{NASTY}.csv"],
    "map column": ["fit", "runs.csv", "--column", f"N={NASTY}"],
    "map letter": ["fit", "runs.csv", "--column", f"{NASTY}=N"],
    "map nothing": ["fit", "runs.csv", "--column", NASTY],
    "where": ["fit", "runs.csv", "--where", NASTY],
    "where column": ["fit", "runs.csv", "--where", f"`{NASTY}` < 3"],
    "where kept": ["fit", "runs.csv", "--where", f"N > 1e8 and D != '{NASTY}'"],
    "where in an answer": ["fit", "runs.csv", "--where", "loss < 3 and\tN > 0", "--quiet"],
    "where of two lines": ["fit", "runs.csv", "--where", "loss < 4\n and N > 0", "--quiet"],
    "decimal": ["fit", "runs.csv", "--decimal", NASTY],
    "law": ["fit", "runs.csv", "--law", NASTY],
    "law file": ["fit", "runs.csv", "--law", f"{NASTY}.py:Nope"],
    "law raises": ["fit", "runs.csv", "--law", "raises.py:Mine"],
    "law doc": ["laws", "doc.py:Doc"],
    "fix": ["fit", "runs.csv", "--fix", f"{NASTY}=1"],
    "of": ["fit", "runs.csv", "--law", f"PowerLaw:{NASTY}"],
    "unknown option": ["fit", "runs.csv", f"--{NASTY}"],
    "choice": ["fit", "runs.csv", "--loss", NASTY],
    "command": [NASTY],
    "debug": ["fit", f"no{NASTY}.csv", "--debug"],
    "compare laws": ["compare", "runs.csv", "--law", f"PowerLaw:{NASTY}"],
    "compare by": ["compare", "runs.csv", "--by", NASTY],
    "compare deltas": ["compare", "runs.csv", "--deltas", NASTY],
    "group": ["bootstrap", "source.json", "--group", NASTY],
    "fit's source": ["influence", "source.json", "--param", "alpha"],
    "fit's law": ["allocate", "law.json", "--compute", "1e20"],
    "fit's name": ["allocate", f"{NASTY}-cut.json", "--compute", "1e20"],
    "preset": ["allocate", f"Chinchilla:{NASTY}", "--compute", "1e20"],
    "param": ["influence", "source.json", "--param", NASTY],
    "at": ["predict", "source.json", "--at", f"{NASTY}=1"],
    "figure's name": ["plot", f"{NASTY}.json", "--kind", "starts", "--figure", f"{NASTY}.svg"],
    "figure's ending": ["plot", "source.json", "--figure", f"x.{NASTY}"],
    "run": ["forecast", "run.csv", "--final-step", "99"],
    "run as JSON": ["forecast", "run.csv", "--final-step", "99", "--json"],
    "run and figure": ["forecast", "run.csv", "--final-step", "99", "--figure", f"{NASTY}.png"],
    "log": ["forecast", f"{NASTY}-log.csv", "--final-step", "99"],
    "unknown run": ["forecast", "run.csv", "--final-step", "99", "--run", NASTY],
    "known run": ["forecast", "run.csv", "--final-step", "99", "--run", "other"],
    "column of the loss": [
        "forecast",
        "run.csv",
        "--final-step",
        "99",
        "--column",
        f"loss={NASTY}",
    ],
    "learn": ["forecast", "run.csv", "--final-step", "99", "--learn", f"no{NASTY}"],
    "data set": ["datasets", NASTY],
    "spec": ["sweep", f"no{NASTY}.toml", "--folder", "out"],
    "spec's cells": ["sweep", f"{NASTY}.toml", "--folder", f"out{NASTY}", "--dry-run"],
    "spec's data": ["sweep", "data.toml", "--folder", "out"],
    "spec's law": ["sweep", "law.toml", "--folder", "out"],
    "spec's map": ["sweep", "map.toml", "--folder", "out"],
    "sweep into a file": ["sweep", "spec.toml", "--folder", f"{NASTY}.csv"],
}


@pytest.mark.parametrize("argv", PLACES.values(), ids=PLACES)
def test_a_name_is_shown_and_not_obeyed(capsys, folder, argv):
    try:
        code = main(argv)
    except SystemExit as stop:  # of argparse
        code = stop.code
    out, err = capsys.readouterr()
    assert code in (0, 1, 2) and out + err
    assert not FORBIDDEN.search(out + err), (out, err)
    if argv[0] != "laws":  # the text of a law may have lines of its own
        assert not re.search("^jaxscale: fake", out + err, re.M)
    if "--json" in argv:
        json.loads(out)


def test_json_keeps_the_very_name(capsys, folder):
    assert main(["forecast", "run.csv", "--final-step", "99", "--json"]) in (
        0,
        1,
    )  # a curve that steep is doubted
    out = capsys.readouterr().out
    assert json.loads(out)["runs"][0]["name"] == NASTY
    assert r"\u007f" in out


def test_the_tables_of_python_have_no_controls_either(fitted):
    runs = fitted.runs.replace(source=NASTY, dropped=[(3, NASTY)])
    hurt = dataclasses.replace(fitted, runs=runs, warnings=(NASTY,))
    for text in (str(hurt), full_text(hurt)):
        assert not FORBIDDEN.search(text) and "\njaxscale: fake" not in text
    assert len(full_text(hurt).splitlines()) == len(full_text(fitted).splitlines()) + 2


NAMES = ["a$b", "$x$", "cost $5 {a", r"\frac{", "100 %_^", "a\\$b", NASTY, "\udcff", "x" * 60, "模"]


def forecast_of(name):
    step = np.arange(1, 30)
    curve = Curve(step, 2 + 1 / step, None, name, "log.csv")
    end = Forecast(*(np.array(x) for x in (2.0, 1.9, 2.1)), **_rest())
    ahead = np.array([29.0, 40.0])
    fan = Fan(ahead, ahead * 0 + 2, ahead * 0 + 1.9, ahead * 0 + 2.1, ahead, ahead * 0 + 1e-3)
    return plot_forecast(curve, end, fan)


def _rest():
    names = [field.name for field in dataclasses.fields(Forecast)]
    return {name: np.zeros(1) for name in names[3:]}


def loss_called(fit, name):
    runs = fit.runs.replace(names={**fit.runs.names, "loss": name})
    return plotting.plot_law(dataclasses.replace(fit, runs=runs)).figure


@pytest.mark.filterwarnings("ignore:Glyph .* missing:UserWarning")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["run", "loss"])
def test_names_stand_in_figures_as_they_are(tmp_path, fitted, where, name):
    figure = forecast_of(name) if where == "run" else loss_called(fitted, name)
    plotting.save(figure, tmp_path / "a.png")
    texts = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    assert not any(FORBIDDEN.search(text) for text in texts)
    start = labels.as_written(name)[:20]
    assert any(start in text for text in texts)


@pytest.mark.parametrize(
    "name", ["alpha", "a_b", "a_b_c_d", "alpha_", "_x", "a__b", "α", "lambda_1", "E_inf"]
)
def test_parameters_of_any_name_can_be_drawn(tmp_path, name):
    figure = Figure()
    figure.suptitle(f"best {labels.symbol(name)} at each {labels.symbol('beta')}")
    plotting.save(figure, tmp_path / "a.svg")
