"""`fit --by COLUMN --own NAMES`: one fit of all tables, and one table of it in other commands."""

import csv
import json

import numpy as np
import pytest

from jaxscale.cli import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    path = tmp_path_factory.mktemp("families") / "runs.csv"
    rng = np.random.default_rng(0)
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["N", "D", "loss", "corpus"])
        for corpus, E in (("c4", 1.7), ("r p", 1.8)):
            for n in np.geomspace(1e7, 3e9, 5):
                for d in np.geomspace(2e8, 6e10, 5):
                    loss = (E + 400 * n**-0.34 + 1500 * d**-0.33) * np.exp(0.002 * rng.normal())
                    rows.writerow([n, d, loss, corpus])
    return path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--own", "E"], "--own goes with --by COLUMN"),
        (["--by", "corpus", "--pool"], "--pool goes with --by COLUMN --own NAMES"),
        (["--by", "corpus", "--own", "Q"], "no such parameter"),
        (["--by", "corpus", "--own", "E", "--where", "N < 1e8", "--pool", "-1"], "positive"),
        (["--by", "N", "--own", "E", "--fix", "Z=1"], "has no parameter 'Z'"),
    ],
)
def test_what_does_not_go_together_is_refused(runs, options, said, capsys):
    assert main(["fit", str(runs), *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_one_fit_answers_for_every_table_and_for_one(runs, tmp_path, capsys):
    fit = tmp_path / "fit.json"
    asked = ["fit", str(runs), "--by", "corpus", "--own", "E", "--starts", "32", "--out", str(fit)]
    assert main(asked) == 0
    assert "E_r_p" in capsys.readouterr().out
    assert json.loads(fit.read_text())["settings"]["families"]["labels"] == ["c4", "r p"]
    place = ["predict", str(fit), "--N", "1e9", "--D", "2e10", "--json"]
    assert main(place) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    losses = {name: said["predictions"][0]["loss"] for name, said in tables.items()}
    assert losses["r p"] - losses["c4"] == pytest.approx(0.1, abs=0.01)
    assert main([*place, "--table", "r p"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert one["predictions"][0]["loss"] == losses["r p"]
    assert main([*place, "--table", "x"]) == 2 and "error" in json.loads(capsys.readouterr().out)
    assert main(["allocate", str(fit), "--compute", "1e21", "--draws", "0", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["tables"]) == {"c4", "r p"}
    assert main(["verify", str(fit), str(runs)]) == 0
    figure = tmp_path / "fit.png"
    assert main(["plot", str(fit), "--figure", str(figure)]) == 0 and figure.exists()
    capsys.readouterr()
    assert main(["plot", str(fit), "--kind", "contours", "--figure", str(figure)]) == 2
    assert main(["report", str(fit), "--out", str(tmp_path / "r.html")]) == 2
    assert "say which: --table NAME" in capsys.readouterr().err
    assert main(["influence", str(fit), "--param", "alpha", "--table", "c4"]) == 2
    assert "was not fitted by itself" in capsys.readouterr().err
