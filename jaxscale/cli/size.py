"""The command `size`: architectures of a size, or the counts of one architecture."""

from __future__ import annotations

import argparse
import dataclasses
import math
from typing import Any

from jaxscale.cli.options import out_option
from jaxscale.cli.outputs import deliver
from jaxscale.cli.values import integer, number
from jaxscale.flops import COUNTS, Family, Transformer, flops_per_token, nearest
from jaxscale.text import columns, count, quantity

EXAMPLES = (
    "jaxscale size 2.36e9 --vocab 50257 --D 58.75e9",
    "jaxscale size --layers 32 --width 4096 --heads 32 --kv-heads 8 --d-ff 14336 --vocab 128256",
)
WHAT = {
    "total": "all",
    "active": "of the experts a token passes, and the rest",
    "with_head": "blocks and head",
    "non_embedding": "blocks alone, Kaplan's N",
}


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `size`."""
    text = "parameters; the architectures nearest to them are listed"
    sub.add_argument("N", nargs="?", type=number, metavar="N", help=text)
    text = (
        "what N counts: total; active, without the experts that a token does not pass; with_head, "
    )
    text += "blocks and head; non_embedding, blocks alone"
    sub.add_argument("--count", choices=COUNTS, default="total", help=text)
    sub.add_argument("--number", type=integer, default=5, metavar="K", help="how many to list")
    sub.add_argument(
        "--vocab", type=integer, default=50257, metavar="V", help="tokens that there are"
    )
    sub.add_argument(
        "--context", type=integer, default=2048, metavar="T", help="tokens of a sequence"
    )
    text = "tokens to train on, for the FLOPs of it"
    sub.add_argument("--D", type=number, metavar="X", help=text)
    sub.add_argument("--tied", action="store_true", help="the head is the embedding")
    sub.add_argument("--plain", action="store_true", help="feed-forward layers have no gate")
    whole = (
        ("--layers", "L", "of one architecture, whose counts are given"),
        ("--width", "d", "its d_model"),
        ("--heads", "H", "its query heads"),
        ("--kv-heads", "H", "its heads of keys and values; default as many"),
        ("--d-ff", "d", "width of its feed-forward layers; default 8/3 of its own, 4 if --plain"),
        ("--head-dim", "d", "width of a head; default 64 up to a width of 1024, 128 above"),
        ("--gqa", "G", "query heads per head of keys and values, of those listed; default 1"),
        ("--multiple", "d", "widths listed are multiples; default 64, 128 or 256, by the width"),
        ("--experts", "E", "routed experts of a layer"),
        ("--active-experts", "E", "those that a token passes"),
        ("--shared-experts", "E", "those that every token passes"),
    )
    for flag, metavar, text in whole:
        sub.add_argument(flag, type=integer, metavar=metavar, help=text)
    text = "width over depth of those listed; default 64 at 1e8 parameters to 128 at 7e9"
    sub.add_argument("--aspect", type=number, metavar="X", help=text)
    text = "width of feed-forward layers over d_model, of those listed"
    sub.add_argument("--ff-ratio", type=number, metavar="X", help=text)
    out_option(sub)


def run(options: argparse.Namespace) -> int:
    """List architectures of a size, or say what one has."""
    shape = {name: getattr(options, name) for name in ("layers", "width", "heads")}
    if (options.N is None) == (options.layers is None):
        raise ValueError("give N, for architectures of that size, or --layers of one architecture")
    if options.D is not None and not (options.D > 0 and math.isfinite(options.D)):
        raise ValueError(f"--D must be positive, got {options.D:g}")
    if options.number < 1:
        raise ValueError(f"--number must be at least 1, got {options.number}")
    if options.N is None:
        missing = [name for name, value in shape.items() if value is None]
        if missing:
            raise ValueError(
                f"one architecture needs --layers, --width and --heads; give --{missing[0]}"
            )
        _refuse(
            options, ("gqa", "multiple", "aspect", "ff_ratio"), "goes with N, not with --layers"
        )
        model = _architecture(options)
        deliver(options, _page(model, options.D), lambda: described(model, options.D))
        return 0
    _refuse(options, ("width", "heads", "kv_heads", "d_ff"), "goes with --layers, not with N")
    found = nearest(options.N, _family(options), counted=options.count, number=options.number)
    deliver(
        options,
        _table(found, options),
        lambda: {"N": options.N, "architectures": [_listed(m, options) for m in found]},
    )
    return 0


def _refuse(options: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} {why}")


def _experts(options: argparse.Namespace) -> dict[str, Any]:
    names = ("experts", "active_experts", "shared_experts")
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _architecture(options: argparse.Namespace) -> Transformer:
    ratio = 4.0 if options.plain else 8 / 3
    return Transformer(
        layers=options.layers,
        d_model=options.width,
        heads=options.heads,
        vocab=options.vocab,
        kv_heads=options.kv_heads,
        head_dim=options.head_dim,
        d_ff=options.d_ff or math.ceil(ratio * options.width / 256 - 1e-9) * 256,
        gated=not options.plain,
        tied=options.tied,
        context=options.context,
        **_experts(options),
    )


def _family(options: argparse.Namespace) -> Family:
    return Family(
        vocab=options.vocab,
        context=options.context,
        head_dim=options.head_dim,
        group=1 if options.gqa is None else options.gqa,
        gated=not options.plain,
        ff_ratio=options.ff_ratio,
        tied=options.tied,
        width_multiple=options.multiple,
        aspect=options.aspect,
        **_experts(options),
    )


def described(model: Transformer, tokens: float | None = None) -> dict[str, Any]:
    """Return an architecture with its counts, for JSON.

    Args:
        model: the architecture.
        tokens: to train on; None for no FLOPs of training.
    """
    each = flops_per_token(model)
    said = {
        "architecture": dataclasses.asdict(model)
        | {"head_dim": model.d_head, "kv_heads": model.kv},
        "parameters": {name: model.count(name) for name in COUNTS},
        "training_flops_per_token": each,
        "of_exact": {name: value / each["exact"] for name, value in each.items()},
        "decode_flops": model.decode_flops(model.context),
        "prefill_flops": model.prefill_flops(model.context),
        "cache_numbers": model.cache_numbers(model.context),
    }
    return said if tokens is None else {**said, "training_flops": model.training_flops(tokens)}


def _listed(model: Transformer, options: argparse.Namespace) -> dict[str, Any]:
    """Return an architecture of a list: how far it is off, and its FLOPs over those of 6 N."""
    number = model.count(options.count)
    multiplied = model.active if options.count == "total" else number
    return {
        **described(model, options.D),
        "off": number / options.N - 1,
        "of_6_N": model.training_flops() / (6 * multiplied),
    }


def _table(found: tuple[Transformer, ...], options: argparse.Namespace) -> str:
    active = options.count == "total" and options.experts
    of = "of 6 N active" if active else "of 6 N"
    head = ["layers", "width", "heads", "kv", "d_ff", "parameters", "off", "FLOPs/token", of]
    head += [] if options.D is None else ["FLOPs"]
    body = []
    for model in found:
        each = _listed(model, options)
        shape = (model.layers, model.d_model, model.heads, model.kv, model.ff)
        row = [*map(str, shape), f"{model.count(options.count):,}", f"{100 * each['off']:+.2f} %"]
        row += [f"{model.training_flops():.4g}", f"{each['of_6_N']:.3f}"]
        row += [] if options.D is None else [f"{each['training_flops']:.4g}"]
        body.append(row)
    return columns([head, *body], ">" * len(head))


def _page(model: Transformer, tokens: float | None) -> str:
    rows = [["parameters", "", ""]]
    for name in COUNTS:
        if name != "active" or model.experts:
            rows.append([f"  {name}", f"{model.count(name):,}", WHAT[name]])
    each = flops_per_token(model)
    rows += [["", "", ""], ["training FLOPs per token", "", "of exact"]]
    for name, value in each.items():
        rows.append([f"  {name}", f"{value:.6g}", f"{value / each['exact']:.3f}"])
    if tokens is not None:
        rows.append(
            [f"training on {count(tokens)} tokens", f"{each['exact'] * tokens:.6g}", "FLOPs"]
        )
    rows += [
        ["", "", ""],
        [
            f"FLOPs of one token at {model.context}",
            quantity(model.decode_flops(model.context), 6),
            "",
        ],
        [f"FLOPs of reading {model.context}", quantity(model.prefill_flops(model.context), 6), ""],
        [
            f"keys and values of {model.context}",
            f"{model.cache_numbers(model.context):,}",
            "numbers",
        ],
    ]
    return columns(rows, "<><")
