"""What would be without effect, or have a meaning that nobody wants, is refused in a sentence."""

import copy
import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale
from jaxscale import Absolute, DataError, Huber, Runs, Square, read_runs
from jaxscale.cli.parser import main
from jaxscale.data.columns import check_map
from jaxscale.objective.losses import loss_named

ROWS = [(1e8 * k, 2e9 * k**2, 3 - 0.1 * k, k, 0.1 * k) for k in range(1, 9)]
HEAD = "N,D,loss,mass,noise"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("\n".join([HEAD, *(",".join(map(str, row)) for row in ROWS)]) + "\n")
    return path


def columns(**more):
    N, D, loss = np.array(ROWS).T[:3]
    return dict(N=N, D=D, loss=loss, **more)


@pytest.mark.parametrize("where", ["", " ", "\t\n"])
def test_an_empty_where_keeps_no_secret(table, where):
    with pytest.raises(DataError, match="where: cannot read"):
        read_runs(table, where=where)
    assert len(read_runs(table, where=None)) == 8


NEAR = {
    **dict.fromkeys(["weights", "Weights", "sample_weight", "sigma", "std", "stderr"], "weight"),
    **dict.fromkeys(["error", "errors", "uncertainty", "variance", "yerr", "stdev"], "weight"),
    "groups": "group",
}


@pytest.mark.parametrize("name", NEAR)
def test_a_near_miss_of_an_option_is_no_column(name):
    with pytest.raises(DataError, match=f"did you mean {NEAR[name]} "):
        Runs(**columns(**{name: np.ones(8)}))
    with pytest.raises(DataError, match=f"did you mean {NEAR[name]} "):
        Runs(**columns()).replace(**{name: np.ones(8)})


@pytest.mark.parametrize("name", ["width", "lr", "noise", "steps_per_s", "mass", "sigma_w", "w"])
def test_a_column_of_another_name_is_a_column(name):
    runs = Runs(**columns(**{name: np.ones(8)}))
    assert name in runs.columns and runs.weight is None


@pytest.mark.parametrize("name", ["sigma", "error", "std"])
def test_a_law_may_take_a_column_of_such_a_name(tmp_path, name):
    """A table that has one is clean; arrays that have one say that they mean it."""
    path = tmp_path / "runs.csv"
    path.write_text("\n".join([f"N,loss,{name}", *(f"{k}e8,{3 - k / 9},1" for k in range(1, 9))]))
    read = read_runs(path)
    assert name in read.columns and read.warnings == () and read.weight is None
    some = read.select(read.loss < 2.9, "high")
    assert name in some.replace(loss=2 * some.loss).columns
    assert name in Runs(**columns(**{name: np.ones(8)}), names={name: name}).columns


@pytest.mark.parametrize(
    "mapping, message",
    [
        (["std=noise"], "--column std=noise is without effect; did you mean weight"),
        (["variance=noise"], "did you mean weight"),
        (["groups=mass"], "did you mean group"),
        (["tokens=D"], "nothing uses a column called 'tokens'; did you mean D?"),
        (["params=N"], "did you mean N?"),
        (["flops=mass"], "did you mean C?"),
        (["Weight=mass"], "did you mean weight"),
        (["q=mass"], "nothing uses a column called 'q'; there are N, D, C, S, loss, weight"),
        (["n=N"], "did you mean N?"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "compare", "sweep"])
def test_a_map_that_nothing_uses_is_refused(capsys, tmp_path, table, command, mapping, message):
    argv = [command, str(table), *(part for pair in mapping for part in ("--column", pair))]
    if command == "sweep":
        pairs = ", ".join('{} = "{}"'.format(*pair.split("=")) for pair in mapping)
        text = f'data.a.path = "runs.csv"\ndata.a.map = {{{pairs}}}\nsweep.laws = ["Chinchilla"]\n'
        (tmp_path / "s.toml").write_text(text)
        argv = ["sweep", str(tmp_path / "s.toml"), "--folder", str(tmp_path / "out")]
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


@pytest.mark.parametrize("used", [["gpu_hours", "", ""], ["", "gpu_hours"], ["gpu_hours"]])
def test_the_names_that_a_map_may_have_are_names(used):
    with pytest.raises(DataError, match="group, trials, gpu_hours$"):
        check_map({"qqqq": "gpu_hours"}, used)


@pytest.mark.parametrize(
    "argv",
    [
        ["--column", "N=N", "--column", "D=D", "--column", "weight=mass", "--column", "C=mass"],
        ["--column", "q=mass", "--where", "q < 7"],
        ["--law", "PowerLaw:q", "--column", "q=mass"],
        ["--column", "S=mass", "--column", "group=noise"],
    ],
)
def test_a_map_that_something_uses_is_taken(monkeypatch, table, fitted, argv):
    monkeypatch.setattr("jaxscale.cli.fit.fit", lambda *args, **options: fitted)
    assert main(["fit", str(table), "--quiet", *argv]) == 0


LOSSES = [(Huber, "delta"), (Absolute, "smoothing")]
BAD = [0, 0.0, -0.0, -1, -1e-9, math.nan, math.inf, -math.inf, "1e-3", None, [1e-3, -1], "wide"]


@pytest.mark.parametrize("cls, name", LOSSES)
@pytest.mark.parametrize("width", [*BAD, np.array([1.0, np.nan]), jnp.float32(-2.0)], ids=repr)
def test_a_width_is_positive(cls, name, width):
    with pytest.raises(ValueError, match=f"{cls.__name__}.{name}=.*positive and finite"):
        cls(width)


@pytest.mark.parametrize("cls, name", LOSSES)
@pytest.mark.parametrize("width", [1e-3, 1, np.float32(2), np.array([1e-3, 1.0]), jnp.ones(3)])
def test_a_good_width_is_kept_as_it_is(cls, name, width):
    assert getattr(cls(width), name) is width
    for same in (copy.copy(cls(width)), pickle.loads(pickle.dumps(cls(width)))):
        np.testing.assert_array_equal(getattr(same, name), width)


@pytest.mark.parametrize("delta", [-1.0, 0.0, math.nan])
def test_a_named_loss_has_a_width_too(delta):
    with pytest.raises(ValueError, match="positive and finite"):
        loss_named("huber", delta)


def test_jax_may_put_anything_in_the_place_of_a_width():
    """Traced widths have no value; gradients, axes and blanks are no widths."""
    r = jnp.linspace(-1.0, 1.0, 9)

    def total(loss):
        return jnp.sum(loss.rho(r))

    slope = jax.grad(total)(Huber(0.1))
    assert isinstance(slope, Huber) and np.isfinite(slope.delta)
    minus = jax.tree.map(lambda x: -x, slope)
    assert float(minus.delta) == -float(slope.delta)
    assert jax.tree.map(lambda _: None, Huber(0.1)).delta is None
    many = jax.vmap(total)(Huber(jnp.array([0.1, 0.2])))
    np.testing.assert_allclose(many, [total(Huber(0.1)), total(Huber(0.2))], rtol=1e-6)
    axes = jax.tree.map(lambda _: 0, Huber(0.1))
    assert jax.vmap(total, in_axes=(axes,))(Huber(jnp.array([0.1, 0.2]))).shape == (2,)
    assert jax.jit(lambda delta: total(Huber(delta)))(0.1) == pytest.approx(total(Huber(0.1)))
    paths = jax.tree_util.tree_flatten_with_path(Huber(0.1))[0]
    assert [jax.tree_util.keystr(path) for path, _ in paths] == [".delta"]
    assert jax.tree.structure(Huber(1.0)) == jax.tree.structure(Huber(2.0))
    assert jax.tree.structure(Huber(1.0)) != jax.tree.structure(Absolute(1.0))
    assert jax.tree.leaves(Square()) == [] and jaxscale.Square is Square
