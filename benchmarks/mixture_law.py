"""The joint mixture law of Shukor et al. 2025, arXiv:2507.09404, as a person would write it.

L(h, N, D) = E + 1 / sum_i C_i h_i^gamma_i + (sum_i a_i h_i)^gamma_A (N / N0)^-alpha
             + (sum_i b_i h_i)^gamma_B (D / D0)^-beta

with shares h of K domains: 5 + 4 K parameters, 33 for the seven domains of SlimPajama. A law has
one parameter per field, so a class for K domains is made by a function.
"""

from __future__ import annotations

import functools
from typing import Any

from jaxscale import Law, power
from jaxscale.laws.parameters import coefficient, constant, exponent, offset

N0, D0 = 5e8, 1.5e10
"""Sizes at which the sums over domains are stated."""


@functools.cache
def joint_mixture(domains: tuple[str, ...]) -> type[Law]:
    """Return the class of the law for shares of `domains`, which are its first inputs.

    Args:
        domains: names of the K domains, and of the columns with their shares.
    """
    numbers = range(1, len(domains) + 1)
    fields: dict[str, Any] = {"E": offset("irreducible loss")}
    for k, h in zip(numbers, domains, strict=True):
        fields[f"C{k}"] = coefficient(
            f"how far {h} lowers it", units=-1, per={h: f"-gamma{k}"}, linear=False
        )
        fields[f"gamma{k}"] = exponent(f"of the share of {h}")
    for letter, size in (("a", "N"), ("b", "D")):
        for k, h in zip(numbers, domains, strict=True):
            fields[f"{letter}{k}"] = coefficient(
                f"of {h} in the term of {size}",
                units=f"1/gamma_{size}",
                per={h: -1},
                linear=False,
            )
        fields[f"gamma_{size}"] = exponent(
            f"of the mixture in the term of {size}", start=(-1.0, 1.0), bounds=(-5.0, 5.0)
        )
    fields |= {
        "alpha": exponent("of N"),
        "beta": exponent("of D"),
        "size": constant(N0, per={"N": 1}, doc="N at which the term of N is stated"),
        "tokens": constant(D0, per={"D": 1}, doc="D at which the term of D is stated"),
    }
    body = {
        "__doc__": "L(h, N, D) = E + 1/sum C h^gamma + (sum a h)^gamma_N N^-alpha + "
        "(sum b h)^gamma_D D^-beta.",
        "__module__": __name__,
        "__annotations__": dict.fromkeys(fields, "Scalar"),
        "__call__": _formula(domains),
        **fields,
    }
    return type(f"JointMixture{len(domains)}", (Law,), body)


def _formula(domains: tuple[str, ...]) -> Any:
    """Return the formula of the law, with the shares, N and D as its arguments."""
    import inspect

    numbers = range(1, len(domains) + 1)

    def call(self: Any, *inputs: Any) -> Any:
        *h, N, D = inputs
        own = 1 / sum(
            getattr(self, f"C{k}") * x ** getattr(self, f"gamma{k}")
            for k, x in zip(numbers, h, strict=True)
        )
        of_N, of_D = (
            sum(getattr(self, f"{letter}{k}") * x for k, x in zip(numbers, h, strict=True))
            for letter in "ab"
        )
        return (
            self.E
            + own
            + power(of_N, self.gamma_N) * power(self.size, self.alpha) * N**-self.alpha
            + power(of_D, self.gamma_D) * power(self.tokens, self.beta) * D**-self.beta
        )

    names = ("self", *domains, "N", "D")
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    call.__signature__ = inspect.Signature([inspect.Parameter(x, kind) for x in names])
    return call
