"""The command line as a person and a script meet it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from broken import BROKEN

import jaxscale
from jaxscale.cli.parser import main

FAST = ["--starts", "16", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, noisy):
    path = tmp_path_factory.mktemp("cli")
    header = "Model Size,Training FLOP,loss,config"
    N, D = noisy.columns["N"], noisy.columns["D"]
    rows = [
        f"{n!r},{6 * n * d!r},{y!r},{'ab'[k % 2]}"
        for k, (n, d, y) in enumerate(zip(N.tolist(), D.tolist(), noisy.loss.tolist(), strict=True))
    ]
    (path / "runs.csv").write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def saved(folder):
    assert main(["fit", str(folder / "runs.csv"), "-o", str(folder / "fit.json"), *FAST]) == 0
    return str(folder / "fit.json")


def run(capsys, *argv):
    code = main([str(a) for a in argv])
    out, err = capsys.readouterr()
    return code, out, err


def test_fit_prints_one_json_object_with_the_promised_names(capsys, folder, fitted):
    code, out, err = run(capsys, "fit", folder / "runs.csv", "--json", *FAST)
    assert code == 0
    document = json.loads(out)
    assert document["law"] == "Chinchilla"
    assert set(document["params"]) == {"E", "A", "B", "alpha", "beta"}
    assert document["objective"]["value"] == pytest.approx(fitted.value, rel=1e-9)
    assert document["objective"] | {"value": 0} == {
        "value": 0,
        "loss": "huber",
        "delta": 0.001,
        "residual": "log",
        "n": 60,
    }
    assert {
        "status",
        "starts",
        "share_at_best",
        "basins",
        "grad_norm",
        "condition",
        "at_bound",
    } <= set(document["certificate"])
    assert document["data"]["columns"] == ["N", "D"] and len(document["data"]["sha256"]) == 64
    assert {"compile", "solve"} <= set(document["seconds"]) and document["versions"]["jax"]
    assert "5 standard errors" in err


def test_fit_prints_a_table_for_people(capsys, folder):
    code, out, _ = run(capsys, "fit", folder / "runs.csv", *FAST)
    assert code == 0
    for text in (
        "Chinchilla: L(N, D) = E + A N^-alpha + B D^-beta",
        "irreducible loss",
        "inside delta",
        "R²",
        "at the best value",
        "4 runs beyond 5 standard errors",
    ):
        assert text in out, text
    assert max(map(len, out.splitlines())) < 130


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra, check",
    [
        (["--fix", "E=1.6"], lambda d: d["params"]["E"] == 1.6),
        (["--loss", "square"], lambda d: d["objective"]["loss"] == "square"),
        (
            ["--loss", "absolute", "--residual", "relative"],
            lambda d: d["objective"]["residual"] == "relative",
        ),
        (["--delta", "0.01"], lambda d: d["objective"]["delta"] == 0.01),
        (["--where", "config == 'a' & loss < 9"], lambda d: d["data"]["n"] == 30),
        (["--drop-highest", "3"], lambda d: d["data"]["dropped"] == 3),
        (["--column", "N=Model Size", "--law", "chinchilla"], lambda d: d["law"] == "Chinchilla"),
        (["--law", "PowerLaw:C"], lambda d: d["data"]["columns"] == ["C"]),
        (["--law", "PowerLaw:Training FLOP"], lambda d: d["data"]["columns"] == ["C"]),
        (["--law", "Kaplan"], lambda d: d["derived"]["N_c"] > 0),
        (["--precision", "mixed"], lambda d: d["settings"]["precision"] == "mixed"),
        (
            ["--optimizer", "adam", "--max-steps", "50"],
            lambda d: d["settings"]["optimizer"] == "adam",
        ),
        (["--seed", "7"], lambda d: d["settings"]["seed"] == 7),
    ],
)
def test_options_of_fit(capsys, folder, extra, check):
    code, out, _ = run(capsys, "fit", folder / "runs.csv", "--json", *FAST, *extra)
    document = json.loads(out)
    assert code == (0 if document["certificate"]["trusted"] else 1)
    assert check(document)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tables_exit_with_2_and_a_sentence(capsys, tmp_path, name):
    text, parts = BROKEN[name][:2]
    path = tmp_path / "broken.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    code, out, err = run(capsys, "fit", path, "--json")
    assert code == 2 and json.loads(out)["error"]["kind"] == "data"
    assert "Traceback" not in err and err.startswith("jaxscale: error: ")
    for part in parts:
        assert part in err
    assert len(err.splitlines()) <= 3


@pytest.mark.parametrize(
    "argv, message",
    [
        (["fit", "nowhere.csv"], "no such file"),
        (["fit", "RUNS", "--law", "Nonsense"], "`jaxscale laws` lists"),
        (["fit", "RUNS", "--law", "PowerLaw"], "say which column, e.g. PowerLaw:N (N, C)"),
        (["fit", "RUNS", "--law", "Chinchilla:C"], "'C' after the colon does not apply"),
        (["fit", "RUNS", "--law", "nofile.py:Mine"], "no such file"),
        (["fit", "RUNS", "--fix", "Z=1"], "has no parameter 'Z'"),
        (["fit", "RUNS", "--column", "N"], "expected NAME=COLUMN"),
        (["fit", "RUNS", "--column", "N=sizes"], "no column 'sizes'"),
        (["fit", "RUNS", "--where", "__import__('os')"], "not allowed"),
        (["fit", "RUNS", "--delta", "0"], "--delta must be positive"),
        (["fit", "RUNS", "--law", "Chinchila"], "did you mean Chinchilla?"),
        (["fit", "RUNS", "--fix", "E=1", "--fix", "E=2"], "--fix E is given twice"),
        (
            ["fit", "RUNS", "--column", "N=D", "--column", "N=N"],
            "--column N is given twice, D and N",
        ),
        (["fit", "RUNS", "--loss", "cubic"], "--loss cubic: there are huber, square, absolute"),
        (
            ["fit", "RUNS", "--loss", "square", "--delta", "0.1"],
            "--delta goes with a loss that has a width",
        ),
        (["fit", "RUNS", "--where", "confg == 'a'"], "did you mean 'config'?"),
        (["fit", "RUNS", "--where", "config == a"], "quote it if it is text"),
        (["fit", "RUNS", "-o", "nowhere/fit.json"], "there is no folder 'nowhere'"),
        (["fit", "RUNS", "-o", "."], "is a directory"),
        (["predict", "RUNS", "--N", "1e9"], "not a fit result"),
        (["predict", "Chinchilla:hoffmann_2022", "--N", "1e9", "--D", "-1"], "D must be positive"),
        (["predict", "Chinchilla", "--N", "1e9"], "it has: hoffmann_2022"),
        (["predict", "Chinchilla:nobody", "--N", "1e9"], "no preset 'nobody'"),
        (["predict", "Chinchilla:hoffmann_2022", "--N", "1e9"], "missing D"),
        (
            ["predict", "Chinchilla:hoffmann_2022", "--N", "1", "2", "--D", "1", "2", "3"],
            "equally many",
        ),
        (["allocate", "Chinchilla:hoffmann_2022", "--target-loss", "1.0"], "reaches no loss"),
        (["allocate", "KaplanN:kaplan_2020", "--compute", "1e20"], "law of N and D"),
        (["plot", "Chinchilla:hoffmann_2022", "--figure", "x.png"], "needs a fit"),
    ],
)
def test_usage_errors_are_sentences_with_exit_code_2(capsys, folder, argv, message):
    argv = [str(folder / "runs.csv") if a == "RUNS" else a for a in argv]
    code, out, err = run(capsys, *argv)
    assert code == 2 and message in err and out == ""


@pytest.mark.parametrize(
    "argv",
    [
        ["fit"],
        ["fit", "x.csv", "--residual", "cubic"],
        ["nonsense"],
        ["fit", "x.csv", "--fix", "E=abc"],
    ],
)
def test_argparse_errors_exit_with_2(capsys, argv):
    assert main(argv) == 2


def test_an_untrusted_fit_exits_with_1_and_says_why(capsys, tmp_path):
    N = np.logspace(7, 10, 30)
    rows = [f"{n:.0f},{20 * n:.0f},{2 + 400 * n**-0.34:.6f}" for n in N]
    (tmp_path / "line.csv").write_text("\n".join(["params,tokens,loss", *rows]))
    code, out, err = run(capsys, "fit", tmp_path / "line.csv", "--json", *FAST)
    assert code == 1 and json.loads(out)["certificate"]["reasons"]
    assert "jaxscale: note: " in err


def test_doubt_about_a_fit_follows_it(capsys, folder, tmp_path):
    path = tmp_path / "short.json"
    code, _, _ = run(capsys, "fit", folder / "runs.csv", "--max-steps", 2, "-o", path, *FAST)
    assert code == 1
    for command in (
        ["predict", path, "--N", 1e9, "--D", 1e10],
        ["allocate", path, "--compute", 1e20],
    ):
        code, _, err = run(capsys, *command)
        assert code == 1 and "not certified" in err


def test_a_law_file_with_an_error_is_a_sentence(capsys, folder, tmp_path):
    (tmp_path / "bad.py").write_text("class Mine(\n")
    spec = f"{tmp_path / 'bad.py'}:Mine"
    code, _, err = run(capsys, "fit", folder / "runs.csv", "--law", spec)
    assert code == 2 and "bad.py" in err and "SyntaxError" in err and "Traceback" not in err


@pytest.mark.parametrize("after", [2.0, 3.5])
def test_an_interrupt_ends_at_once_with_130(folder, after):
    environment = dict(os.environ, JAXSCALE_CACHE="off")
    command = [
        sys.executable,
        "-m",
        "jaxscale",
        "fit",
        str(folder / "runs.csv"),
        "--quiet",
        "--starts",
        "1000000",
    ]
    begin = time.perf_counter()  # a busy machine takes longer to come to the handler
    subprocess.run([sys.executable, "-c", "import jaxscale.cli"], env=environment, check=True)
    after = max(after, 2 * (time.perf_counter() - begin))
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(after)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err.strip() == "jaxscale: interrupted"


def test_predict_and_extrapolation(capsys, saved, fitted):
    code, out, _ = run(capsys, "predict", saved, "--N", 1e9, 7e10, "--D", 1e10, "--json")
    rows = json.loads(out)["predictions"]
    assert code == 0 and len(rows) == 2
    assert rows[0]["loss"] == pytest.approx(fitted.predict(N=1e9, D=1e10), rel=1e-6)
    assert rows[0]["extrapolation"]["N"] == 1 and rows[1]["extrapolation"]["N"] > 1
    code, out, _ = run(capsys, "predict", saved, "--N", 7e10, "--D", 1.4e12)
    assert code == 0 and "70 B" in out and "1.4 T" in out and "N x" in out
    code, out, _ = run(capsys, "predict", "Chinchilla:hoffmann_2022", "--N", 7e10, "--C", 5.88e23)
    assert code == 0 and "1.92085" in out


def test_allocate(capsys, saved, fitted):
    code, out, err = run(capsys, "allocate", saved, "--compute", 1e21, 1e24, "--draws", 0, "--json")
    found = json.loads(out)["allocations"]
    assert code == 0 and [a["compute"] for a in found] == [1e21, 1e24]
    assert found[0]["N"] * found[0]["D"] * 6 == pytest.approx(1e21)
    assert "outside the range of the runs" in err
    assert found[0]["extrapolation"]["C"] == 1 and found[1]["extrapolation"]["C"] > 100
    code, out, _ = run(capsys, "allocate", saved, "--target-loss", 2.2, "--draws", 0)
    assert code == 0 and "2.20000" in out and "tokens/param" in out


@pytest.mark.parametrize("kind", ["all", "law", "residuals", "starts"])
def test_plot_writes_a_picture(capsys, saved, tmp_path, kind):
    path = tmp_path / "fit.png"
    code, out, _ = run(capsys, "plot", saved, "--figure", path, "--kind", kind)
    assert code == 0 and out.strip() == str(path)
    assert path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--kind", "law", "--reach", "30"], ""),
        (["--kind", "law", "--reach", "0.5"], "--reach is a factor from 1 to 1e+06, got 0.5"),
        (["--kind", "residuals", "--reach", "30"], "--reach goes with --kind law"),
        (["--reach", "30"], "--reach goes with --kind law"),
    ],
)
def test_plot_draws_the_law_as_far_as_it_is_asked(capsys, saved, tmp_path, argv, said):
    code, _, err = run(capsys, "plot", saved, "--figure", tmp_path / "law.svg", *argv)
    assert (code, said in err) == (2 if said else 0, True)
    assert (tmp_path / "law.svg").exists() == (not said)


def test_laws(capsys):
    code, out, _ = run(capsys, "laws")
    assert code == 0 and all(name in out for name in jaxscale.CATALOGUE)
    code, out, _ = run(capsys, "laws", "Chinchilla")
    assert "arXiv:2203.15556" in out and "0.33917084" in out and "Source:" in out
    code, out, _ = run(capsys, "laws", "--json")
    assert len(json.loads(out)["laws"]) == len(jaxscale.CATALOGUE)


MINE = '''
import jaxscale
from jaxscale import Law, Scalar, coefficient, exponent, offset, power


class Mine(Law):
    """L(N) = E + A N^-alpha."""

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    alpha: Scalar = exponent("model-size exponent")

    def __call__(self, N):
        return self.E + self.A * power(N, -self.alpha)
'''


def test_a_users_law_in_a_file_goes_the_whole_way(capsys, folder, tmp_path):
    (tmp_path / "mylaws.py").write_text(MINE)
    spec = f"{tmp_path / 'mylaws.py'}:Mine"
    out_file = tmp_path / "fit.json"
    code, out, _ = run(capsys, "fit", folder / "runs.csv", "--law", spec, "-o", out_file, *FAST)
    assert code == 0 and "Mine: L(N) = E + A N^-alpha" in out
    code, _, err = run(capsys, "predict", out_file, "--N", 1e9)
    assert code == 2 and "--law FILE.py:Mine" in err
    code, out, _ = run(capsys, "predict", out_file, "--law", spec, "--N", 1e9)
    assert code == 0 and "1 B" in out
    code, out, _ = run(capsys, "plot", out_file, "--law", spec, "--figure", tmp_path / "p.png")
    assert code == 0


@pytest.mark.slow
def test_the_installed_command_runs_the_demo_from_a_clean_cache(tmp_path):
    environment = dict(os.environ, XDG_CACHE_HOME=str(tmp_path / "cache"))
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", "jaxscale", "demo", "--folder", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "byte-level transformers" in done.stdout and "ten times the largest" in done.stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"fit.json", "fit.png"}
    cache = tmp_path / "cache" / "jaxscale" / "programs"
    assert cache.stat().st_mode & 0o777 == 0o700 and any(cache.iterdir())
    fit = jaxscale.load(tmp_path / "out" / "fit.json")
    assert fit.runs.source == "stdlib_ladder" and fit.certificate.trusted
