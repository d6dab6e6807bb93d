"""The commands `bootstrap` and `influence` as a person and a script meet them."""

import dataclasses
import json

import numpy as np
import pytest

import jaxscale
from jaxscale.cli.parser import main
from jaxscale.fitting.statistics import statistics
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.influence import influence
from jaxscale.uncertainty.profile import profile
from jaxscale.uncertainty.quantities import Best

pytestmark = pytest.mark.slow

FAST = ["--draws", "200", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, fitted):
    """A fit, one whose runs have 10 groups, one with 4, one not certified, one of one scale."""
    path = tmp_path_factory.mktemp("uncertainty")
    fitted.save(path / "fit.json")
    for count in (4, 10):
        labels = [f"f{k % count}" for k in range(60)]
        runs = fitted.runs.replace(group=labels, names={"group": "family"})
        dataclasses.replace(fitted, runs=runs).save(path / f"groups{count}.json")
    doubted = dataclasses.replace(fitted.certificate, at_bound=("E",))
    dataclasses.replace(fitted, certificate=doubted).save(path / "doubted.json")
    law = jaxscale.PowerLaw(a=30.0, b=-0.35, c=1.0, of="D")
    tokens = np.geomspace(1e3, 1e7, 60)
    loss = jaxscale.predict(law, D=tokens)
    one = dict(law=law, runs=jaxscale.Runs(D=tokens, loss=loss), prediction=loss, value=0.0)
    one["statistics"] = statistics(one["runs"], loss)
    one["errors"] = {}
    dataclasses.replace(fitted, **one).save(path / "one.json")
    (path / "damaged.json").write_text('{"law": "Chinchilla"')
    return path


def run(capsys, *argv):
    code = main([str(a) for a in argv])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_person_reads_one_table(capsys, folder):
    places = ["--compute", "1e22", "1e24", "--target-loss", "2.3", "--N", "1e9", "--D", "1e11"]
    code, out, err = run(capsys, "bootstrap", folder / "fit.json", *FAST, *places)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Chinchilla: L(N, D) = E + A N^-alpha + B D^-beta"
    assert "200 draws, residual bootstrap, percentile intervals, seed 0" in lines[1]
    heads = [line for line in lines if line and not line.startswith((" ", "!"))][2:]
    assert heads == [
        "best run of 1e22 FLOPs",
        "best run of 1e24 FLOPs",
        "cheapest run of loss 2.3",
        "loss at N 1 B, D 100 B",
    ]
    names = [line.split()[0] for line in lines if line.startswith("  ")]
    best = ["N", "D", "loss", "tokens/param"]
    own = ["estimate", "E", "A", "B", "alpha", "beta", "a", "b"]
    assert names == [*own, *best, *best, "compute", "mean", "a"]
    assert "! best run of 1e24 FLOPs: C is a factor 1000 outside the range of the runs" in lines


def test_a_script_reads_what_the_library_says(capsys, folder, tmp_path):
    saved = tmp_path / "intervals.json"
    options = ["--level", ".8", "--kind", "t", "--seed", "3", "--compute", "1e24"]
    places = ["--C", "1e23", "1e25", "--N", "1e9", "-o", saved, "--json"]
    code, out, err = run(capsys, "bootstrap", folder / "fit.json", *FAST, *options, *places)
    document = json.loads(out)
    assert code == 0 and json.loads(saved.read_text()) == document
    draws = bootstrap(jaxscale.load(folder / "fit.json"), draws=200, seed=3)
    assert document["method"] == draws.method and document["draws"] == 200
    assert document["freedom"] == draws.freedom
    for each in draws.intervals(level=0.8, kind="t"):
        found = document["intervals"][each.name]
        assert found == pytest.approx(
            {"estimate": each.estimate, "error": each.error, "low": each.low, "high": each.high}
        )
    budget = document["budgets"][0]
    size = draws.interval(Best(1e24), level=0.8, kind="t")
    assert (budget["N"]["low"], budget["N"]["high"]) == pytest.approx((size.low, size.high))
    assert budget["compute"] == 1e24 and not budget["at_edge"]
    assert budget["extrapolation"]["C"] == pytest.approx(1000)
    first, second = document["predictions"]
    new = draws.predict(level=0.8, new_run=True, N=1e9, C=1e25)
    assert second["inputs"] == {"N": 1e9, "C": 1e25}
    assert second["new_run"] == pytest.approx({"low": float(new.low), "high": float(new.high)})
    assert set(first["extrapolation"]) == {"N", "D", "C"}
    assert document["trusted"] and document["data"]["n"] == 60
    assert [f"jaxscale: note: {note}" for note in document["notes"]] == err.splitlines()


def test_profiles_need_no_draws(capsys, folder, tmp_path):
    figure = tmp_path / "profiles.png"
    options = ["--kind", "profile", "--figure", figure]
    code, out, _ = run(capsys, "bootstrap", folder / "fit.json", *options, "--json")
    document = json.loads(out)
    assert code == 0 and figure.stat().st_size > 1000
    assert (document["draws"], document["method"]) == (0, None)
    alpha = next(p for p in profile(jaxscale.load(folder / "fit.json")) if p.name == "alpha")
    found, want = document["intervals"]["alpha"], alpha.interval(0.9)
    assert (found["low"], found["high"]) == pytest.approx((want.low, want.high))
    assert found["error"] is None
    code, out, _ = run(capsys, "bootstrap", folder / "fit.json", "--kind", "profile")
    assert "profile intervals, sandwich, 55 degrees of freedom" in out and "nan" not in out


def test_groups_are_drawn_whole(capsys, folder):
    options = [*FAST, "--group", "family", "--json"]
    code, out, _ = run(capsys, "bootstrap", folder / "groups10.json", *options)
    document = json.loads(out)
    assert (code, document["method"], document["freedom"]) == (0, "cluster", 9)
    code, _, err = run(capsys, "bootstrap", folder / "groups4.json", *FAST, "--group", "family")
    assert code == 1 and "4" in err and err.startswith("jaxscale: error: ")


def test_what_runs_of_a_budget_share_is_said_and_drawn(capsys, folder):
    """No column names the budgets, nor any option."""
    fit = jaxscale.load(folder / "fit.json")
    shift = 0.02 * np.repeat(np.random.default_rng(1).normal(size=6), 10)
    noise = shift + 0.01 * np.random.default_rng(2).normal(size=60)
    runs = fit.runs.replace(loss=fit.prediction * np.exp(noise))
    jaxscale.fit(jaxscale.Chinchilla(), runs, starts=32).save(folder / "budgets.json")
    code, out, err = run(capsys, "bootstrap", folder / "budgets.json", *FAST)
    assert (code, err) == (0, "")
    assert "200 draws, shared-noise bootstrap, percentile intervals, seed 0" in out
    assert "\n! residuals of one budget move together (intraclass correlation " in out
    code, out, err = run(capsys, "bootstrap", folder / "budgets.json", *FAST, "--json")
    document = json.loads(out)
    said = document["shared_noise"]
    assert (code, document["method"]) == (0, "shared-noise")
    assert (said["of"], said["groups"]) == ("budget", 6) and 0 < said["p"] < 0.05
    assert 0.2 < said["intraclass_correlation"] < 1
    options = [*FAST, "--method", "shared-noise", "--group", "family", "--json"]
    code, out, _ = run(capsys, "bootstrap", folder / "groups10.json", *options)
    said = json.loads(out)["shared_noise"]
    assert code == 0 and (said["of"], said["groups"], said["p"]) == ("family", 10, None)
    code, out, _ = run(capsys, "bootstrap", folder / "fit.json", *FAST, "--json")
    assert code == 0 and json.loads(out)["shared_noise"] is None


@pytest.mark.parametrize(
    "fit, options, message",
    [
        ("missing.json", [], "missing.json': no such file"),
        ("damaged.json", [], "it is no JSON"),
        ("Chinchilla:hoffmann_2022", [], "a preset without runs"),
        ("fit.json", ["--law", "Nope"], "no law 'Nope'"),
        ("fit.json", ["--compute", "-3"], "compute must be a positive number of FLOPs"),
        ("fit.json", ["--target-loss", "1"], "reaches no loss below"),
        ("fit.json", ["--level", "95"], "level must lie between 0 and 1"),
        ("fit.json", ["--draws", "0"], "draws must be at least 2"),
        ("fit.json", ["--N", "1e9"], "takes N, D; a prediction was asked at N"),
        ("fit.json", ["--N", "1e9", "--D", "0"], "D must be positive"),
        ("fit.json", ["--N", "1", "2", "--D", "1", "2", "3"], "equally many per input"),
        ("fit.json", ["--method", "cluster"], "give --group COLUMN"),
        ("fit.json", ["--group", "family"], "fit again with --column group=family"),
        ("groups10.json", ["--group", "family", "--method", "case"], "--group goes with --method"),
        ("fit.json", ["--kind", "profile", "--method", "case"], "--kind profile makes none"),
        ("fit.json", ["--kind", "profile", "--level", ".999"], "0.99"),
        ("fit.json", ["--figure", "a.jpg"], "ends in one of .png"),
        ("fit.json", ["--joint", "no/a.png"], "there is no folder 'no'"),
        ("fit.json", ["--out", "no/a.json"], "there is no folder 'no'"),
        ("one.json", ["--compute", "1e24"], "needs a law of N and D; PowerLaw takes D"),
    ],
)
def test_bootstrap_says_what_is_wrong_in_one_sentence(capsys, folder, fit, options, message):
    path = fit if ":" in fit else folder / fit
    code, out, err = run(capsys, "bootstrap", path, *options)
    assert code in (1, 2) and out == ""
    assert err.startswith("jaxscale: error: ") and err.count("\n") == 1
    assert message in err


def test_a_fit_that_is_not_certified_is_said_to_be(capsys, folder):
    code, _, err = run(capsys, "influence", folder / "doubted.json", "--compute", "1e24")
    assert code == 1 and "not certified: E ended at a bound" in err


def test_influence_ranks_the_runs(capsys, folder, tmp_path):
    figure = tmp_path / "influence.png"
    options = ["--compute", "1e24", "--most", "3", "--figure", figure]
    code, out, err = run(capsys, "influence", folder / "fit.json", *options)
    assert (code, err) == (0, "") and figure.stat().st_size > 1000
    found = influence(jaxscale.load(folder / "fit.json"), Best(1e24))
    assert out == found.text(3) + "\n"
    options = ["--compute", "1e24", "--out", tmp_path / "whole.json", "--json"]
    code, out, _ = run(capsys, "influence", folder / "fit.json", *options)
    document = json.loads((tmp_path / "whole.json").read_text())
    assert json.loads(out)["runs"] == document["runs"][:10]
    assert code == 0 and document["quantity"] == "N*(C=1e24)" and len(document["runs"]) == 60
    order = found.largest(60)
    assert [each["row"] for each in document["runs"]] == found.runs.rows[order].tolist()
    changes = [each["without"] for each in document["runs"]]
    np.testing.assert_allclose(changes, found.without[order])
    assert set(document["runs"][0]["d_log_inputs"]) == {"N", "D"}


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "0 are asked for"),
        (["--param", "alpha", "--compute", "1e24"], "2 are asked for"),
        (["--N", "1e9", "1e10", "--D", "1e11"], "2 are asked for"),
        (["--param", "gamma"], "no quantity 'gamma'"),
        (["--compute", "0"], "compute must be a positive"),
        (["--target-loss", "1"], "reaches no loss"),
        (["--param", "alpha", "--most", "0"], "--most must be 1 or more"),
        (["--param", "alpha", "--figure", "a.txt"], "ends in one of"),
    ],
)
def test_influence_says_what_is_wrong(capsys, folder, options, message):
    code, out, err = run(capsys, "influence", folder / "fit.json", *options)
    assert (code, out) == (2, "") and message in err


@pytest.mark.parametrize("name", ["waterfall", "bands"])
def test_plot_draws_the_new_figures(capsys, folder, tmp_path, name, monkeypatch):
    monkeypatch.setattr(
        "jaxscale.uncertainty.bootstrap.bootstrap", lambda fit: bootstrap(fit, draws=200)
    )
    path = tmp_path / f"{name}.png"
    code, out, _ = run(capsys, "plot", folder / "fit.json", "--kind", name, "--figure", path)
    assert code == 0 and out.strip() == str(path) and path.stat().st_size > 1000


def test_bootstrap_draws_bands_and_joint_spread(capsys, folder, tmp_path):
    paths = [tmp_path / "bands.png", tmp_path / "joint.svg"]
    options = ["--figure", paths[0], "--joint", paths[1]]
    code, _, err = run(capsys, "bootstrap", folder / "fit.json", *FAST, *options)
    assert (code, err) == (0, "") and all(path.stat().st_size > 1000 for path in paths)
