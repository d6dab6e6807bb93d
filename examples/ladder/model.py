"""Build: a decoder-only byte-level transformer, sized by one number, its width.

RMSNorm, rotary positions, SwiGLU, tied embeddings, no biases. Blocks are stacked and scanned, so
that compiling takes as long for five blocks as for one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

VOCABULARY = 256  # bytes
Params = dict[str, Any]


class Size(NamedTuple):
    """What the width decides."""

    width: int
    depth: int
    heads: int
    hidden: int  # of the feed-forward block

    @classmethod
    def of(cls, width: int) -> Size:
        """Depth grows with width, heads are about 16 wide, SwiGLU has 8/3 of the width.

        Two blocks and two heads at least: with one, attention cannot copy what followed an
        earlier occurrence, or copies badly, and such models form a law of their own.
        """
        depth = max(2, round(width / 28))
        return cls(width, depth, max(2, width // 16), 4 * round(2 * width / 3))

    @property
    def params_no_embed(self) -> int:
        """Parameters of blocks and norms: attention 4 w^2, SwiGLU 3 w h, gains."""
        block = 4 * self.width**2 + 3 * self.width * self.hidden + 2 * self.width
        return self.depth * block + self.width

    @property
    def params(self) -> int:
        """All parameters; the embedding counts once, it is tied."""
        return self.params_no_embed + VOCABULARY * self.width

    def flops(self, tokens: int, context: int) -> int:
        """Exact FLOPs of the matrix products of training on `tokens`: forward, and twice back.

        A multiplication and an addition are two FLOPs. Scores and their mixing are counted in
        full, as they are computed here; the looked-up embedding costs nothing, the logits do.
        """
        matrices = self.depth * (4 * self.width**2 + 3 * self.width * self.hidden)
        scores = 2 * self.depth * self.width * context
        return 3 * 2 * tokens * (matrices + VOCABULARY * self.width + scores)


def init(key: Array, size: Size) -> Params:
    """Draw parameters; residual branches start smaller the deeper the model."""
    w, h, n = size.width, size.hidden, size.depth
    shapes = {
        "qkv": (n, w, 3 * w),
        "out": (n, w, w),
        "gate": (n, w, h),
        "up": (n, w, h),
        "down": (n, h, w),
    }
    keys = dict(zip((*shapes, "embed"), jax.random.split(key, len(shapes) + 1), strict=True))
    blocks = {}
    for name, shape in shapes.items():
        scale = shape[1] ** -0.5 * ((2 * n) ** -0.5 if name in ("out", "down") else 1.0)
        blocks[name] = scale * jax.random.normal(keys[name], shape)
    blocks |= {"norm_attention": jnp.ones((n, w)), "norm_mlp": jnp.ones((n, w))}
    embed = w**-0.5 * jax.random.normal(keys["embed"], (VOCABULARY, w))
    return {"embed": embed, "blocks": blocks, "norm": jnp.ones((w,))}


def logits(params: Params, tokens: Array, heads: int) -> Array:
    """Return [batch, context, 256] for tokens [batch, context]."""
    width = params["embed"].shape[1]
    x = params["embed"][tokens] * width**0.5  # unit variance, as the norms expect

    def block(x: Array, p: Params) -> tuple[Array, None]:
        x = x + _attention(_rms(x, p["norm_attention"]), p, heads)
        y = _rms(x, p["norm_mlp"])
        return x + (jax.nn.silu(y @ p["gate"]) * (y @ p["up"])) @ p["down"], None

    x, _ = lax.scan(block, x, params["blocks"])
    return _rms(x, params["norm"]) @ params["embed"].T


def losses(params: Params, windows: Array, heads: int) -> tuple[Array, Array]:
    """Return the mean loss in nats per byte and the accuracy of the next byte."""
    windows = windows.astype(jnp.int32)
    out = logits(params, windows[:, :-1], heads)
    target = windows[:, 1:]
    picked = jnp.take_along_axis(out, target[..., None], axis=-1)[..., 0]
    loss = jnp.mean(jax.nn.logsumexp(out, axis=-1) - picked)
    return loss, jnp.mean(jnp.argmax(out, axis=-1) == target)


def _rms(x: Array, gain: Array) -> Array:
    return x * lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6) * gain


def _attention(x: Array, p: Params, heads: int) -> Array:
    batch, context, width = x.shape
    q, k, v = jnp.split(x @ p["qkv"], 3, axis=-1)
    q, k, v = (a.reshape(batch, context, heads, width // heads) for a in (q, k, v))
    q, k = _rotate(q), _rotate(k)
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * (width // heads) ** -0.5
    causal = jnp.tril(jnp.ones((context, context), bool))
    weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(batch, context, width) @ p["out"]


def _rotate(x: Array) -> Array:
    """Rotary positions: pairs (i, i + half) turn by position / 10000^(i / half)."""
    context, half = x.shape[1], x.shape[-1] // 2
    angle = jnp.arange(context)[:, None] * 10_000.0 ** (-jnp.arange(half) / half)
    cos, sin = jnp.cos(angle)[:, None, :], jnp.sin(angle)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)
