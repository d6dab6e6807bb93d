"""A loss of a person's own goes wherever a built-in one does."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale.cli import main
from jaxscale.fitting import preparation
from jaxscale.sweep.run import run_sweep
from jaxscale.sweep.spec import read_spec

pytestmark = pytest.mark.slow


class Own(jaxscale.Loss):
    """Huber's loss, written again with nothing but its rho."""

    width = "delta"
    delta: float = 1e-2

    def rho(self, r):
        size = jnp.abs(r)
        inner = jnp.minimum(size, self.delta)
        return inner * (size - 0.5 * inner)


FILE = '''
import jax.numpy as jnp
import jaxscale


class Own(jaxscale.Loss):
    """Huber's."""

    width = "delta"
    delta: float = 1e-2

    def rho(self, r):
        size = jnp.abs(r)
        inner = jnp.minimum(size, self.delta)
        return inner * (size - 0.5 * inner)


class NoLoss:
    pass
'''


@pytest.fixture(scope="module")
def counted():
    """How often runs were prepared, over the whole module."""
    calls = []
    patch = pytest.MonkeyPatch()
    plain = preparation.prepare

    def prepare(*args, **options):
        calls.append(args[0])
        return plain(*args, **options)

    for module in ("fit.prepare", "result.prepare", "solver.prepare"):
        patch.setattr(f"jaxscale.fitting.{module}", prepare)
    patch.setattr("jaxscale.comparison.sensitivity.prepare", prepare)
    yield calls
    patch.undo()


@pytest.fixture(scope="module")
def pair(noisy, counted):
    own = jaxscale.fit(jaxscale.Chinchilla(), noisy, loss=Own(), starts=64)
    return own, jaxscale.fit(jaxscale.Chinchilla(), noisy, loss=jaxscale.Huber(1e-2), starts=64)


def test_it_finds_the_same_optimum_and_the_same_errors(pair):
    own, built_in = pair
    assert own.value == pytest.approx(built_in.value, rel=1e-9)
    assert own.certificate.trusted and own.certificate.inside_delta > 0
    for name, error in built_in.errors.items():
        assert own.errors[name] == pytest.approx(error, rel=2e-2)
    assert "own (delta 0.01) on log residuals" in str(own)


@pytest.mark.parametrize(
    "answer",
    [
        lambda fit: jaxscale.bootstrap(fit, draws=100, method="case").interval("alpha"),
        lambda fit: jaxscale.profile(fit, "alpha")[0].interval(),
        lambda fit: jaxscale.jackknife(fit).interval("alpha"),
        lambda fit: jaxscale.covariance(fit).interval("alpha"),
    ],
    ids=["bootstrap", "profile", "jackknife", "covariance"],
)
def test_every_uncertainty_takes_it(pair, answer):
    own, built_in = (answer(fit) for fit in pair)
    assert own.low == pytest.approx(built_in.low, rel=5e-3)
    assert own.high == pytest.approx(built_in.high, rel=5e-3)


def test_influence_takes_it(pair):
    own, built_in = (jaxscale.influence(fit, "alpha") for fit in pair)
    np.testing.assert_allclose(own.without, built_in.without, atol=1e-4)
    assert own.delta == pytest.approx(built_in.delta, rel=1e-3)


def test_one_fit_prepares_its_runs_once(noisy, counted):
    counted.clear()
    fit = jaxscale.fit(jaxscale.Chinchilla(), noisy, loss=Own(), starts=64)
    jaxscale.bootstrap(fit, draws=10)
    jaxscale.influence(fit, "alpha")
    jaxscale.profile(fit, "alpha")
    jaxscale.solver(fit)
    assert len(counted) == 1


def test_comparison_takes_it_and_prepares_once_per_law(noisy, counted):
    counted.clear()
    laws = ["Chinchilla", "Kaplan", "PowerLaw:C"]
    options = dict(starts=32, folds=3, draws=19, deltas=[5e-3, 1e-2])
    own = jaxscale.compare(laws, noisy, loss=Own(), **options)
    assert len(counted) == 3
    built_in = jaxscale.compare(laws, noisy, loss=jaxscale.Huber(1e-2), **options)
    assert own.best.label == built_in.best.label == "Chinchilla"
    for a, b in zip(own.entries, built_in.entries, strict=True):
        assert a.information.aicc == pytest.approx(b.information.aicc, abs=1e-2)
    assert "own (delta 0.01)" in str(own)


def test_the_command_line_takes_it(noisy, tmp_path, capsys):
    table = tmp_path / "runs.csv"
    rows = zip(noisy.columns["N"], noisy.columns["D"], noisy.loss, strict=True)
    table.write_text(
        "N,D,loss\n" + "".join(f"{float(n)!r},{float(d)!r},{float(x)!r}\n" for n, d, x in rows)
    )
    file, out = tmp_path / "mine.py", tmp_path / "fit.json"
    file.write_text(FILE)
    options = [f"--loss={file}:Own", "--delta=0.02", "--starts=32", "--quiet", f"--out={out}"]
    assert main(["fit", str(table), *options]) == 0
    assert json.loads(out.read_text())["objective"]["delta"] == 0.02
    capsys.readouterr()
    assert main(["bootstrap", str(out), "--draws=20", "--quiet"]) == 2
    assert "fitted with the loss 'mine:Own'" in (err := capsys.readouterr().err)
    assert "--loss FILE.py:Own" in err
    assert main(["bootstrap", str(out), f"--loss={file}:Own", "--draws=20", "--quiet"]) == 0
    capsys.readouterr()
    for wrong, message in (
        (f"{file}:NoLoss", "defines no jaxscale.Loss 'NoLoss'"),
        (
            "cauchy",
            "there are huber, square, absolute, asymmetric, quantile, student, or FILE.py:CLASS",
        ),
        (f"{tmp_path / 'none.py'}:Own", "none.py"),
    ):
        assert main(["fit", str(table), f"--loss={wrong}", "--quiet"]) == 2
        assert message in capsys.readouterr().err


def test_a_sweep_names_the_losses_there_are(tmp_path):
    spec = tmp_path / "spec.toml"
    (tmp_path / "a.csv").write_text("N,D,loss\n")
    spec.write_text("[data.a]\npath = 'a.csv'\n[sweep]\nlaws = ['Chinchilla']\nlosses = ['own']\n")
    with pytest.raises(ValueError, match="huber, square, absolute"):
        run_sweep(read_spec(spec), tmp_path / "out")
