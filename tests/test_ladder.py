"""The ladder of real models: its counts, its text, its schedules, and the whole way once."""

import csv
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples.ladder import __main__ as ladder
from examples.ladder import model
from examples.ladder.corpus import held_out_windows, read_corpus
from examples.ladder.plan import QUICK, Plan, learning_rates, rate_of
from examples.ladder.train import learning_rate
from examples.ladder.workers import read_log, train_all

SIZES = [model.Size.of(width) for width in (8, 16, 48, 96, 128)]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: str(s.width))
def test_parameters_are_counted_exactly(size):
    shapes = jax.eval_shape(lambda key: model.init(key, size), jax.random.key(0))
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    assert size.params == count
    assert size.params_no_embed == count - math.prod(shapes["embed"].shape)


def products(jaxpr):
    """FLOPs of all matrix products of a program, those of its loops as often as they run."""
    total = 0
    for eqn in jaxpr.eqns:
        times = eqn.params.get("length", 1) if eqn.primitive.name == "scan" else 1
        for value in eqn.params.values():
            inner = getattr(value, "jaxpr", value)
            total += times * products(inner) if hasattr(inner, "eqns") else 0
        if eqn.primitive.name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            depth = math.prod(eqn.invars[0].aval.shape[k] for k in contracted)
            total += 2 * depth * math.prod(eqn.outvars[0].aval.shape)
    return total


@pytest.mark.parametrize("size", SIZES, ids=lambda s: str(s.width))
def test_flops_are_those_of_the_matrix_products(size):
    batch, context = 2, 32
    params = jax.eval_shape(lambda key: model.init(key, size), jax.random.key(0))
    tokens = jax.ShapeDtypeStruct((batch, context), jnp.int32)
    forward = jax.make_jaxpr(lambda p, t: model.logits(p, t, size.heads))(params, tokens)
    assert 3 * products(forward.jaxpr) == size.flops(batch * context, context)


def test_a_model_sees_only_what_came_before():
    size = model.Size.of(16)
    params = model.init(jax.random.key(0), size)
    tokens = jax.random.randint(jax.random.key(1), (1, 24), 0, 256)
    other = tokens.at[0, 12].add(1)
    a, b = (model.logits(params, t, size.heads)[0] for t in (tokens, other))
    np.testing.assert_array_equal(a[:12], b[:12])
    assert np.all(np.any(a[12:] != b[12:], axis=-1))


def test_no_text_is_on_both_sides(tmp_path):
    for k in range(200):
        (tmp_path / f"m{k}.py").write_text(f"x = {k}\n" * 50)
        (tmp_path / f"copy{k}.py").write_text(f"x = {k}\n" * 50)
    corpus = read_corpus(tmp_path)
    sides = [set(bytes(side).split(b"\0")) - {b""} for side in (corpus.train, corpus.valid)]
    assert corpus.files == 200 and sum(map(len, sides)) == 200 and not sides[0] & sides[1]
    assert 2 <= len(sides[1]) <= 25
    assert read_corpus(tmp_path).digest == corpus.digest
    windows = held_out_windows(corpus, 7, 16)
    assert windows.shape == (7, 17) and bytes(windows[0]) == bytes(corpus.valid[:17])


@pytest.mark.parametrize("wsd", [False, True])
def test_schedules_rise_hold_and_end_at_zero(wsd):
    steps, peak = 1000, 0.01
    rate = np.array(learning_rate(np.arange(steps + 1), steps, peak, wsd))
    assert rate[0] == pytest.approx(peak / 20) and rate[20] == pytest.approx(peak, rel=1e-3)
    assert rate[-1] == pytest.approx(0, abs=1e-9) and np.all(np.diff(rate[20:]) <= 1e-9)
    assert rate[790] == pytest.approx(peak if wsd else peak * 0.109, rel=0.02)


def test_the_full_plan_is_what_the_readme_says():
    plan = Plan()
    runs = plan.ladder(lambda width, tokens: 0.01)
    assert len(runs) >= 60 and len({run.name for run in runs}) == len(runs)
    sizes = [run.size.params for run in runs]
    assert min(sizes) < 6e3 and max(sizes) > 1e6 and len(plan.budgets) >= 5
    for budget in plan.budgets:
        spent = [6 * r.size.params * r.tokens for r in runs if r.part == "isoflop"]
        near = [c for c in spent if abs(c / budget - 1) < 0.01]
        assert len(near) == plan.sizes_per_budget >= 6
    cost = [r.size.params * r.tokens for r in runs]
    assert cost == sorted(cost) and {r.seed for r in runs} >= {0, 1, 2}


def test_learning_rates_are_the_vertices_of_parabolas():
    def row(params, tokens, lr):
        best = 3.0 * params**-0.4 * tokens**-0.1
        return {
            "params": params,
            "tokens": tokens,
            "lr": lr,
            "loss": 2 + 0.1 * np.log(lr / best) ** 2,
        }

    shapes = [(5e3, 3e5), (4e4, 3e5), (5e5, 3e5), (4e4, 1.5e6)]
    rows = [row(*shape, 10.0**-k) for shape in shapes for k in np.arange(0.5, 4, 0.3)]
    c, a, b = learning_rates(rows)
    assert (c, a, b) == pytest.approx((3.0, -0.4, -0.1), rel=1e-6)
    assert rate_of((c, a, b))(16, 1e6) == pytest.approx(3 * SIZES[1].params ** -0.4 / 3.981, 0.01)


@pytest.mark.slow
def test_the_whole_way_in_a_minute_and_again_after_a_kill(tmp_path):
    out = tmp_path / "quick"
    ladder.main(["--out", str(out), "--quick", "--workers", "2"])
    text = (out / "report.txt").read_text()
    assert "Chinchilla: L(N, D)" in text and "Held out" in text
    for figure in ("law", "valleys", "curves", "held_out"):
        assert (out / f"{figure}.png").stat().st_size > 10_000
    with (out / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    planned = QUICK.ladder(rate_of(tuple(json.loads((out / "rates.json").read_text()).values())))
    assert [row["run"] for row in rows] == [run.name for run in planned]
    loss = {row["run"]: float(row["loss"]) for row in rows}
    small, large = (next(n for n in loss if f"rectangle-w{w}" in n) for w in (8, 24))
    assert loss[large] < loss[small] < math.log(256)

    # A kill tears the last line: its run is trained again, to the same numbers, and no other.
    log = out / "log.jsonl"
    whole = read_log(log)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:-1]) + lines[-1][:40])
    torn = json.loads(lines[-1])["row"]["run"]
    again = train_all(planned, log, 1, "again")
    assert len(read_log(log)) == len(whole)
    for entry in again:
        name = entry["row"]["run"]
        assert entry["row"]["loss"] == pytest.approx(whole[name]["row"]["loss"], rel=1e-3)
        if name != torn:
            assert entry == whole[name]
