"""What a model costs over its life, as options of `allocate`."""

from __future__ import annotations

import argparse
from typing import Any

from jaxscale.cli.values import number
from jaxscale.decisions.question import Lifetime, price
from jaxscale.flops import UNIT

SERVING = ("output_tokens", "mfu", "serving_mfu", "writing_mfu")
PRICES = ("device_price", "serving_price", "device_flops", "dollars")


def serving_options(sub: argparse.ArgumentParser) -> None:
    """Add the tokens that a model will serve, and what training and serving them cost."""
    one: Any = dict(type=number, metavar="X")
    text = "tokens that the model will read and write in its life: --compute is the budget of "
    text += "training and serving then, and --target-loss is reached where both cost least"
    sub.add_argument("--lifetime-tokens", help=text, **one)
    sub.add_argument("--output-tokens", help="how many of them it writes; default 0", **one)
    text = "share of the hardware's FLOPs that training uses, e.g. .4; default 1"
    sub.add_argument("--mfu", help=text, **one)
    sub.add_argument("--serving-mfu", help="that serving uses; default as training", **one)
    sub.add_argument("--writing-mfu", help="that writing tokens uses; default as serving", **one)
    sub.add_argument("--device-price", help="dollars per hour of a device", **one)
    sub.add_argument("--serving-price", help="of one that serves; default the same", **one)
    sub.add_argument("--device-flops", help="FLOP/s of a device at its peak, e.g. 989e12", **one)
    text = "budgets of training and serving in dollars"
    sub.add_argument("--dollars", type=number, nargs="+", metavar="X", help=text)


def lifetime_given(
    options: argparse.Namespace, given: dict[str, Any]
) -> tuple[dict[str, Any], Lifetime | None, str]:
    """Return the numbers of the question, the lifetime that is asked for, and what its cost is in.

    Args:
        options: the options.
        given: the numbers that other options give, by name.

    Raises:
        ValueError: options do not go together, or a number is out of its range.
    """
    used = [f for f in (*SERVING, *PRICES) if getattr(options, f) is not None]
    priced = options.device_price is not None
    if not priced and (extra := [f for f in used if f in PRICES]):
        raise ValueError(f"{_flag(extra[0])} goes with --device-price, dollars per hour")
    if priced and options.device_flops is None:
        raise ValueError("--device-price goes with --device-flops, the FLOP/s of a device")
    if options.lifetime_tokens is None and not priced:
        if used:
            raise ValueError(f"{_flag(used[0])} goes with --lifetime-tokens or --device-price")
        return given, None, ""
    if options.dollars is not None:
        if given["compute"] is not None or given["target_loss"] is not None:
            raise ValueError("give exactly one of --dollars, --compute and --target-loss")
        given = given | {
            "compute": options.dollars[0] if len(options.dollars) == 1 else options.dollars
        }
    elif priced and given["compute"] is not None:
        raise ValueError("with --device-price a budget is in dollars: --dollars X, not --compute")
    total, output = options.lifetime_tokens or 0.0, options.output_tokens or 0.0
    if not 0 <= output <= total:
        raise ValueError(
            f"--output-tokens {output:g} has to be 0 to the {total:g} of --lifetime-tokens"
        )
    costs = [_cost(options, flag) for flag in SERVING[1:]]
    train = costs[0] or 1.0
    read = costs[1] if costs[1] is not None else _again(options, train)
    lifetime = Lifetime(total - output, output, train, read, costs[2])
    shares = any(getattr(options, flag) is not None for flag in SERVING[1:])
    return given, lifetime, "dollars" if priced else "FLOPs of the hardware" if shares else UNIT


def _again(options: argparse.Namespace, train: float) -> float:
    """Return the cost of a FLOP of serving at the utilization of training."""
    if options.device_price is None or options.serving_price is None:
        return train
    return price(options.serving_price, options.device_flops, options.mfu or 1.0)


def _cost(options: argparse.Namespace, flag: str) -> float | None:
    """Return the cost of a FLOP at the utilization of an option; None where nothing says it."""
    share = getattr(options, flag)
    if share is None and not (flag == "mfu" and options.device_price is not None):
        return None
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"{_flag(flag)} is a share, above 0 and at most 1; got {share:g}")
    dollars = options.device_price
    if dollars is not None and flag != "mfu" and options.serving_price is not None:
        dollars = options.serving_price
    if dollars is None:
        return 1 / (share or 1.0)
    return price(dollars, options.device_flops, share or 1.0)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
