"""What a person asks for, in the words of the field: "N* at 1e25", "loss at 1e24", "alpha"."""

from __future__ import annotations

import re

from jaxscale.data.cells import written
from jaxscale.laws import Law
from jaxscale.uncertainty.quantities import (
    Asked,
    Best,
    ComputeFor,
    Prediction,
    Quantity,
    quantity,
)

WORDS = {
    "n*": "N",
    "n": "N",
    "d*": "D",
    "d": "D",
    "l*": "loss",
    "l": "loss",
    "loss": "loss",
    "d/n": "tokens_per_parameter",
    "d*/n*": "tokens_per_parameter",
    "tokens per parameter": "tokens_per_parameter",
}
"""What is asked of the best run of a budget."""
EXAMPLES = '"N* at 1e25", "loss at 1e24", "loss at N=7e9 D=1e12", "compute for 2.0", "alpha"'
_NUMBER = r"[+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?(?:\s?[kmbgt]\b)?"
_AT = re.compile(rf"(.+?)\s+at\s+(?:c\s*=\s*)?({_NUMBER})\s*(?:flops)?", re.I)
_PLACE = re.compile(r"(?:l|loss)\s+at\s+(.+=.+)", re.I)
_FOR = re.compile(
    rf"(?:compute|c|flops)\s+(?:for\s+(?:(?:a\s+)?loss\s+(?:of\s+)?)?|at\s+l\s*=\s*)({_NUMBER})",
    re.I,
)


def asked_for(what: Asked, law: Law) -> Quantity:
    """Return the quantity that words stand for.

    Args:
        what: words such as "N* at 1e25"; or what `quantities.quantity` takes.
        law: the law that is asked.

    Raises:
        ValueError: it is none; the message has examples.
    """
    if not isinstance(what, str):
        return quantity(what, law)
    text = re.sub(r"^([^()]+)\((.+)\)$", r"\1 at \2", " ".join(what.split()))  # as answers print it
    if text in law.parameters or text in type(law).derived_docs:
        return quantity(text, law)
    if found := _FOR.fullmatch(text):
        return quantity(ComputeFor(written(found[1])), law)
    if (found := _AT.fullmatch(text)) and found[1].lower() in WORDS:
        compute = written(found[2])
        if not 0 < compute < 1e60:
            raise ValueError(f"{text!r}: a budget is a positive number of FLOPs")
        return quantity(Best(compute, WORDS[found[1].lower()]), law)
    if found := _PLACE.fullmatch(text):
        return quantity(Prediction(_place(found[1], text)), law)
    names = ", ".join([*law.parameters, *type(law).derived_docs])
    raise ValueError(
        f"{what!r} is nothing that {type(law).__name__} can be asked for; ask for "
        + (f"{EXAMPLES}, or " if {"N", "D"} <= set(law.inputs) else "")
        + f"one of {names}"
    )


def _place(given: str, text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in re.split(r"[,\s]+(?=\w+\s*=)", given):
        name, _, number = each.partition("=")
        try:
            found[name.strip()] = written(number)
        except ValueError:
            raise ValueError(f"{text!r}: {number!r} is no number; e.g. loss at N=7e9 D=1e12") from (
                None
            )
    return found
