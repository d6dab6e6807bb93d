"""The command `mixture`: the best shares of a data mixture, for one target or several."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jaxscale.cli.given import doubt_sentences, pairs
from jaxscale.cli.options import out_option
from jaxscale.cli.outputs import deliver
from jaxscale.cli.values import limits, number, pair
from jaxscale.decisions.mixing import Mixture, best_mixture
from jaxscale.fitting.reach import beyond, beyond_note
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.saved import load
from jaxscale.text import columns, quantity

EXAMPLES = (
    "jaxscale mixture fit.json --N 7e9 --D 1e12",
    "jaxscale mixture web.json code.json --bound web=0:.5 --unique code=2e11 --N 7e9 --D 1e12",
)


def options(sub: argparse.ArgumentParser) -> None:
    """Add the options of `mixture`."""
    text = "results of jaxscale fit --law 'AdditiveMixture[web,code]', one for each target"
    sub.add_argument("fits", nargs="+", metavar="FIT", help=text)
    sub.add_argument("--N", type=number, metavar="X", help="parameters of the run")
    sub.add_argument("--D", type=number, metavar="X", help="tokens of the run")
    several: Any = dict(action="append", default=[])
    text = "what a target counts, by its file's name without .json; default all alike"
    sub.add_argument("--weight", type=pair, metavar="FIT=X", help=text, **several)
    text = "least and most share of a domain"
    sub.add_argument("--bound", type=limits, metavar="NAME=LOW:HIGH", help=text, **several)
    text = "share that --kl draws to; all domains or none; default equal shares"
    sub.add_argument("--prior", type=pair, metavar="DOMAIN=X", help=text, **several)
    text = "loss that one nat of KL(shares | prior) counts"
    sub.add_argument("--kl", type=number, default=0.0, metavar="X", help=text)
    text = "different tokens that a domain has: they are seen --epochs times at most"
    sub.add_argument("--unique", type=pair, metavar="DOMAIN=X", help=text, **several)
    text = "how often a token may be seen"
    sub.add_argument("--epochs", type=number, default=4.0, metavar="X", help=text)
    out_option(sub)


def run(options: argparse.Namespace) -> int:
    """Print the best shares."""
    fits = _loaded(options.fits)
    weights, prior = pairs(options.weight, "--weight"), pairs(options.prior, "--prior")
    found = best_mixture(
        fits,
        N=options.N,
        D=options.D,
        weights={name: weights.get(name, 1.0) for name in fits} | weights,
        bounds=pairs(options.bound, "--bound"),
        prior=prior or None,
        kl=options.kl,
        unique=pairs(options.unique, "--unique"),
        epochs=options.epochs,
    )
    doubted = [
        f"{name}: {sentence}" for name, fit in fits.items() for sentence in doubt_sentences(fit)
    ]
    deliver(
        options,
        _table(found, options.D),
        lambda: {
            "shares": dict(found.shares),
            "loss": found.loss,
            "losses": dict(found.losses),
            "limits": dict(found.limits),
            "gap": found.gap,
            "starts_agreed": found.agreed,
            "trusted": found.trusted and not doubted,
        },
        notes=[*found.notes, *_far(fits, found, options), *doubted],
    )
    return 0 if found.trusted and not doubted else 1


def _far(fits: dict[str, FitResult], found: Mixture, options: argparse.Namespace) -> list[str]:
    """Say where the run is far outside those of the fits, once for what all of them say."""
    notes: dict[str, None] = {}
    for fit in fits.values():
        if {"N", "D"} <= set(fit.law.inputs):
            C = float(fit.law.flops(options.N, options.D))
            place = {**found.shares, "N": options.N, "D": options.D, "C": C}
            notes |= dict.fromkeys(beyond_note(fit, place, beyond(fit, place)))
    return list(notes)


def _loaded(paths: list[str]) -> dict[str, FitResult]:
    """Return the fits by the names of their files."""
    fits: dict[str, FitResult] = {}
    for path in paths:
        name = Path(path).stem
        if name in fits:
            raise ValueError(f"{path}: a second file of the name {name}; rename one")
        fits[name] = load(path)
    return fits


def _table(found: Mixture, D: float | None) -> str:
    """Return the shares, their tokens, and the losses."""
    head = ["domain", "share", *(["tokens"] if D else []), "held by"]
    rows = [
        [
            name,
            f"{share:.4f}",
            *([quantity(share * D)] if D else []),
            {"least": "its least share", "most": "its most"}.get(found.limits.get(name, ""), ""),
        ]
        for name, share in found.shares.items()
    ]
    losses = [[name, quantity(value, 5)] for name, value in found.losses.items()]
    if len(losses) > 1:
        losses.append(["weighted", quantity(found.loss, 5)])
    return columns([head, *rows], "<>><"[: len(head) - 1] + "<") + "\n\n" + columns(losses, "<>")
