"""Train and evaluate one model: AdamW, a schedule, one table row and one curve per run.

The learning rate of every schedule is a function of the step, so one compiled program serves
every length and every rate of a size: the number of steps is an argument of its loop.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from examples.ladder import model
from examples.ladder.corpus import Corpus, held_out_windows

WSD_DECAY = 0.2  # the last part of a WSD run


@dataclasses.dataclass(frozen=True)
class Run:
    """What to train."""

    width: int
    steps: int
    lr: float
    seed: int = 0
    schedule: str = "cosine"  # or "wsd"
    batch: int = 8  # windows
    context: int = 128  # bytes
    evaluations: int = 40
    held_out: int = 256  # windows
    part: str = "isoflop"

    @property
    def size(self) -> model.Size:
        """What the width decides."""
        return model.Size.of(self.width)

    @property
    def tokens(self) -> int:
        """Bytes seen."""
        return self.steps * self.batch * self.context

    @property
    def name(self) -> str:
        """All that tells it from other runs; the key of the log."""
        return (
            f"{self.part}-w{self.width}-n{self.steps}-lr{self.lr:.4g}"
            f"-{self.schedule}-s{self.seed}-b{self.batch}"
        )


def learning_rate(step: Any, steps: Any, peak: Any, wsd: Any) -> Array:
    """Warm up over 2 % of the steps (10 at least), then cosine or WSD, both down to zero."""
    step, steps = jnp.asarray(step, jnp.float32), jnp.asarray(steps, jnp.float32)
    warm = jnp.maximum(0.02 * steps, 10.0)
    along = jnp.clip((step - warm) / (steps - warm), 0.0, 1.0)
    cosine = 0.5 * (1 + jnp.cos(math.pi * along))
    stable = jnp.clip((1 - step / steps) / WSD_DECAY, 0.0, 1.0)
    return peak * jnp.where(step < warm, (step + 1) / warm, jnp.where(wsd, stable, cosine))


def optimizer() -> optax.GradientTransformation:
    """AdamW without its learning rate; norms and their gains do not decay."""

    def matrices(params: Any) -> Any:
        return jax.tree.map_with_path(lambda path, _: "norm" not in str(path[-1]), params)

    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(b1=0.9, b2=0.95),
        optax.add_decayed_weights(0.1, mask=matrices),
    )


@functools.partial(jax.jit, static_argnames=("heads", "batch", "context"), donate_argnums=0)
def advance(
    state: Any,
    count: Any,
    run: dict[str, Any],
    text: Array,
    *,
    heads: int,
    batch: int,
    context: int,
) -> tuple[Any, Array]:
    """Take `count` steps from `state` = (params, opt_state, step); also the mean training loss."""
    opt = optimizer()

    def step(_: Any, carry: Any) -> Any:
        (params, opt_state, at), total = carry
        key = jax.random.fold_in(run["key"], at)
        offsets = jax.random.randint(key, (batch,), 0, len(text) - context - 1)
        windows = text[offsets[:, None] + jnp.arange(context + 1)]
        (loss, _), grad = jax.value_and_grad(model.losses, has_aux=True)(params, windows, heads)
        updates, opt_state = opt.update(grad, opt_state, params)
        lr = learning_rate(at, run["steps"], run["peak"], run["wsd"])
        params = jax.tree.map(lambda p, u: p - lr * u, params, updates)
        return (params, opt_state, at + 1), total + loss

    state, total = lax.fori_loop(0, count, step, (state, jnp.zeros(())))
    return state, total / count


@functools.partial(jax.jit, static_argnames="heads")
def evaluate(params: Any, windows: Array, *, heads: int) -> tuple[Array, Array]:
    """Return the loss and accuracy on windows [chunks, batch, context + 1]."""
    loss, accuracy = lax.map(lambda w: model.losses(params, w, heads), windows)
    return jnp.mean(loss), jnp.mean(accuracy)


def train(run: Run, corpus: Corpus, text: Array) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the row of a run and its curve, one row per evaluation.

    Args:
        run: what to train.
        corpus: both sides of the text.
        text: the training side on the device.
    """
    size, began = run.size, time.perf_counter()
    held_out = held_out_windows(corpus, run.held_out, run.context)
    held_out = jnp.asarray(held_out.reshape(-1, min(32, run.held_out), run.context + 1))
    key = jax.random.key(run.seed)
    params = model.init(jax.random.fold_in(key, 0), size)
    state = (params, optimizer().init(params), jnp.zeros((), jnp.int32))
    hyper = {
        "key": jax.random.fold_in(key, 1),
        "steps": jnp.asarray(run.steps, jnp.float32),
        "peak": jnp.asarray(run.lr, jnp.float32),
        "wsd": jnp.asarray(run.schedule == "wsd"),
    }
    shape = {"heads": size.heads, "batch": run.batch, "context": run.context}
    stops = np.unique(np.linspace(0, run.steps, run.evaluations + 1).round().astype(int))
    curve: list[dict[str, Any]] = []
    for before, stop in zip(stops[:-1], stops[1:], strict=True):
        state, train_loss = advance(state, int(stop - before), hyper, text, **shape)
        loss, accuracy = evaluate(state[0], held_out, heads=size.heads)
        lr = learning_rate(stop - 1, run.steps, run.lr, run.schedule == "wsd")
        row = {"run": run.name, "step": int(stop), "tokens": int(stop) * run.batch * run.context}
        row |= {"lr": float(lr), "train_loss": float(train_loss), "loss": float(loss)}
        curve.append(row | {"accuracy": float(accuracy)})
    last = curve[-1]
    return {
        "run": run.name,
        "part": run.part,
        "params": size.params,
        "params_no_embed": size.params_no_embed,
        "tokens": run.tokens,
        "flops": 6 * size.params * run.tokens,
        "flops_exact": size.flops(run.tokens, run.context),
        "loss": last["loss"],
        "bits_per_byte": last["loss"] / math.log(2),
        "accuracy": last["accuracy"],
        "train_loss": last["train_loss"],
        "width": size.width,
        "depth": size.depth,
        "lr": run.lr,
        "batch": run.batch * run.context,
        "steps": run.steps,
        "seed": run.seed,
        "schedule": run.schedule,
        "seconds": round(time.perf_counter() - began, 2),
    }, curve
