"""From a number of parameters to an architecture that a cluster can train.

An optimum of 2.36 B parameters is no model: widths come in multiples of a head and of what the
hardware likes, layers are whole, a vocabulary is padded. `nearest` lists the architectures around a
size, the closest in log N first, with shapes as wide per layer as people build them.
"""

from __future__ import annotations

import dataclasses
import math

from jaxscale.flops.transformer import Transformer

ASPECTS = ((1e8, 64.0), (7e9, 128.0))
"""Width over depth as people have it: 64 at a hundred million parameters, 128 from seven billion.

GPT-3 has 64 (125 M) to 128 (175 B), Llama 128 (7 B) to 102 (70 B), Hoffmann's models 64 (44 M) to
109 (16 B): Brown et al. 2020, table 2.1; Touvron et al. 2023, table 2; Hoffmann et al. 2022, table
A9. Kaplan et al. 2020, figure 5: the loss moves by less than 1 % from 50 to 200.
"""
SAME = 0.02
"""Distance in log N that weighs as much as `SHAPE` does in the logarithm of width over depth."""
SHAPE = 0.35
WIDEST = 1 << 16
TICKS = ((1024, 64), (4096, 128), (WIDEST, 256))
"""Up to which width it is a multiple of what."""


@dataclasses.dataclass(frozen=True)
class Family:
    """What the architectures of a family have in common.

    Attributes:
        vocab: tokens that there are; padded to a multiple of `vocab_multiple`.
        context: tokens of a training sequence.
        head_dim: width of a head; None for 64 up to a width of 1024, and 128 above.
        group: query heads per head of keys and values; 1 for no grouping.
        gated: whether feed-forward layers have a gate.
        ff_ratio: their width over d_model; None for 4, with a gate 8 / 3.
        ff_multiple: what it is rounded up to a multiple of.
        tied: whether the head is the embedding.
        width_multiple: d_model is a multiple of this and of a head; None for 64 up to a width of
            1024, 128 up to 4096, 256 above.
        vocab_multiple: see `vocab`.
        aspect: width over depth; None for what people build at the size, see `ASPECTS`.
        experts: routed experts of a layer; 0 for a dense model.
        active_experts: those that a token passes.
        shared_experts: those that every token passes.
    """

    vocab: int = 50257
    context: int = 2048
    head_dim: int | None = None
    group: int = 1
    gated: bool = True
    ff_ratio: float | None = None
    ff_multiple: int = 256
    tied: bool = False
    width_multiple: int | None = None
    vocab_multiple: int = 64
    aspect: float | None = None
    experts: int = 0
    active_experts: int = 0
    shared_experts: int = 0

    def __post_init__(self) -> None:
        for name in ("vocab", "context", "group", "ff_multiple"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be a positive whole number")
        for name in ("head_dim", "ff_ratio", "aspect", "vocab_multiple", "width_multiple"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be a positive number, got {value!r}")

    def build(self, layers: int, d_model: int) -> Transformer:
        """Return the architecture of so many layers of a width.

        Raises:
            ValueError: the width is no multiple of a head, or its heads none of a group.
        """
        head = self.head_dim or (64 if d_model <= 1024 else 128)
        if d_model % head:
            raise ValueError(f"a width of {d_model} is no multiple of a head of {head}")
        heads = d_model // head
        if heads % self.group:
            raise ValueError(f"{heads} heads are no multiple of a group of {self.group}")
        ratio = self.ff_ratio or (8 / 3 if self.gated else 4.0)
        return Transformer(
            layers=layers,
            d_model=d_model,
            heads=heads,
            vocab=_up(self.vocab, self.vocab_multiple),
            kv_heads=heads // self.group,
            head_dim=head,
            d_ff=_up(ratio * d_model, self.ff_multiple),
            gated=self.gated,
            tied=self.tied,
            context=self.context,
            experts=self.experts,
            active_experts=self.active_experts,
            shared_experts=self.shared_experts,
        )

    def widths(self) -> list[int]:
        """Return the widths that there are: heads and groups of them divide each."""
        found, least = [], self.width_multiple or TICKS[0][1]
        for d_model in range(least, WIDEST + 1, least):
            step = self.width_multiple or next(step for top, step in TICKS if d_model <= top)
            if d_model % step:
                continue
            head = self.head_dim or (64 if d_model <= 1024 else 128)
            if d_model % head == 0 and d_model // head % self.group == 0:
                found.append(d_model)
        return found


def nearest(
    N: float, family: Family | None = None, *, counted: str = "total", number: int = 5
) -> tuple[Transformer, ...]:
    """Return the architectures of a family around a size, the best first.

    The distance is that of log N, with a penalty on shapes that nobody builds: 2 % of N count as
    much as a width over depth that is off by 40 %.

    Args:
        N: parameters.
        family: what the architectures have in common; default a dense one, with a gate.
        counted: what N counts: "total", "active", "with_head" or "non_embedding".
        number: how many; fewer where there are no more.

    Raises:
        ValueError: N is not positive, or the family has no architecture within a factor of two.
    """
    if not (N > 0 and math.isfinite(N)):
        raise ValueError(f"N must be a positive number of parameters, got {N!r}")
    family = family or Family()
    aspect = family.aspect or usual_aspect(N)
    found: list[tuple[float, float, Transformer]] = []
    for d_model in family.widths():
        one, two = (family.build(layers, d_model).count(counted) for layers in (1, 2))
        if one > 2 * N:
            break
        layers = 1 + (N - one) / (two - one)
        for whole in {max(1, math.floor(layers)), max(1, math.ceil(layers))}:
            model = family.build(whole, d_model)
            off = abs(math.log(model.count(counted) / N))
            shape = abs(math.log(d_model / whole / aspect))
            found.append((math.hypot(off / SAME, shape / SHAPE), off, model))
    found = [each for each in found if each[1] <= math.log(2)]
    if not found:
        least = (family.widths() or [TICKS[0][1]])[0]
        raise ValueError(
            f"no architecture of this family has about {N:.3g} parameters ({counted}): its "
            f"embedding alone is {_up(family.vocab, family.vocab_multiple) * least:,}; take a "
            "smaller vocabulary or width multiple"
        )
    found.sort(key=lambda each: each[:2])
    return tuple(model for _, _, model in found[:number])


def usual_aspect(N: float) -> float:
    """Return width over depth as people have it at a size."""
    (low, narrow), (high, wide) = ASPECTS
    share = min(max(math.log(N / low) / math.log(high / low), 0.0), 1.0)
    return float(narrow * (wide / narrow) ** share)


def _up(value: float, multiple: int) -> int:
    """Return a value rounded up to a multiple."""
    return math.ceil(value / multiple - 1e-9) * multiple
