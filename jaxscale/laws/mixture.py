"""Laws of data mixtures: the loss as a function of the shares h of K domains, which add up to one.

The domains are arguments of the law, and the names of the columns with their shares:
`JointMixture["web", "code", "books"]`, on the command line `--law 'JointMixture[web,code,books]'`.
A share may be zero. Parameters carry the domains' names without what all of them begin with: of
`weight_web` and `weight_code` they are `C_web` and `C_code`.
"""

from __future__ import annotations

import inspect
import os
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._numerics.positive import log, power
from jaxscale.laws.law import Example, Law, plain_name
from jaxscale.laws.parameters import coefficient, constant, exponent, offset, scale

STEPS = 8
"""Newton's steps to the multiplier of an implicit mixture, from above."""
MOST = 64
"""Domains of a mixture."""
SIZES = dict(N=(1e8, 3e9), D=(3e9, 3e10))
WEB = ("web", "code", "books")
OF_WEB = dict(
    E=1.1, C_web=1.1, gamma_web=0.7, C_code=0.7, gamma_code=0.5, C_books=0.9, gamma_books=0.6
)
"""What the examples of two laws share."""


def labels(domains: tuple[str, ...]) -> tuple[str, ...]:
    """Return the domains without a beginning, up to an underscore, that all of them share."""
    shared = os.path.commonprefix(domains).rpartition("_")
    cut = len(shared[0] + shared[1])
    short = tuple(domain[cut:] for domain in domains)
    plain = all(name.isidentifier() and name not in ("N", "D") for name in short)
    return short if plain else domains  # gamma_N and gamma_D are of the sizes


def raised(h: Any, p: Any) -> Any:
    """Return h^p of shares h, which may be zero, where the power is 0 whatever p is."""
    own = jnp if isinstance(h, jax.Array) else np
    return power(own.where(h > 0, h, 1.0), p) * own.where(h > 0, 1.0, 0.0)


class _Mixture(Law):
    """L(h) = a function of the shares h of some domains; the base of the laws of this file."""

    sized: ClassVar[tuple[str, ...]] = ()
    """The other inputs, after the shares."""
    codes: ClassVar[tuple[str, ...]] = ()
    """Those of them that are codes."""

    @classmethod
    def variant(cls, *arguments: str) -> dict[str, Any]:
        """Return the fields and the formula of the law of some domains.

        Args:
            *arguments: two domains or more, as columns are called.

        Raises:
            ValueError: there are too few or too many, one is given twice or is no plain name.
        """
        if not 2 <= len(arguments) <= MOST or len(set(arguments)) < len(arguments):
            raise ValueError(
                f"{cls.__name__} takes 2 to {MOST} different domains, e.g. "
                f"{cls.__name__}[web,code,books]; got {len(arguments)}"
            )
        if odd := [name for name in arguments if not plain_name(name)]:
            raise ValueError(
                f"{cls.__name__}: {odd[0][:80]!r} is no plain name of a domain; name its column "
                "anew, --column web='share of web'"
            )
        if clash := {*arguments} & {"S", "C", "N", "D", "loss"}:
            raise ValueError(f"{cls.__name__}: a domain cannot be called {clash.pop()}")
        fields = cls.fields(tuple(zip(arguments, labels(arguments), strict=True)))

        def formula(self: Any, *inputs: Any) -> Any:
            return self.mixed(inputs[: len(arguments)], *inputs[len(arguments) :])

        names = ("self", *arguments, *cls.sized)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        vars(formula)["__signature__"] = inspect.Signature(
            [inspect.Parameter(name, kind) for name in names]
        )
        return {
            "__annotations__": dict.fromkeys(fields, "Scalar"),
            "__call__": formula,
            "shares": arguments,
            "input_kinds": dict.fromkeys((*arguments, *cls.codes), "raw"),
            **fields,
        }

    @classmethod
    def fields(cls, domains: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        """Return the parameters of the law of some domains, given as (column, label) each."""
        raise NotImplementedError

    def mixed(self: Any, h: tuple[Any, ...], *sizes: Any) -> Any:
        """Return the loss at shares h, one array per domain, and the other inputs."""
        raise NotImplementedError

    def of_domains(self: Any, stem: str) -> list[Any]:
        """Return the parameters `stem_LABEL` of all domains."""
        return [getattr(self, f"{stem}_{label}") for label in labels(self.shares)]


class MixingLaw(_Mixture):
    """L(h) = c + product over j of b_j^(h_j).

    The exponential law c + k exp(sum of t_j h_j) of its source: as shares add up to one, k and the
    t_j are known up to a shift, and b_j = k exp(t_j) is what can be known: the reducible loss of a
    model that saw domain j alone. With `c = 0` fixed it is the log-linear law of mixture proposers.

    Units: c and b_j as L. Known degeneracies: c against all b_j where no share is large.
    Source: Ye et al. 2024, arXiv:2403.16952.
    Try on: the runs of Ye et al., 2 to 5 domains of the Pile; RegMix.
    """

    example: ClassVar[Example] = Example(
        dict(c=1.2, b_web=1.9, b_code=2.8, b_books=2.2), arguments=WEB
    )

    @classmethod
    def fields(cls, domains: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        """Return c, and b of every domain."""
        own = {
            f"b_{x}": coefficient(f"reducible loss on {h} alone", linear=False) for h, x in domains
        }
        return {"c": offset("irreducible loss"), **own}

    def mixed(self: Any, h: tuple[Any, ...], *sizes: Any) -> Any:
        """Return c + exp(sum of h log b)."""
        total = sum(x * log(b) for x, b in zip(h, self.of_domains("b"), strict=True))
        return self.c + (jnp if isinstance(total, jax.Array) else np).exp(total)


class AdditiveMixture(_Mixture):
    """L(h, N, D) = E + 1 / sum of C_i h_i^gamma_i + A (N / N0)^-alpha + B (D / D0)^-beta.

    The best shares do not depend on the size. 5 + 2 K parameters. A and B are losses at N0 and D0,
    which are constants.

    Units: E, A and B as L, C as 1 / L. Known degeneracies: E against the term of the mixture;
    C_i of a domain that never has a large share.
    Source: Shukor et al. 2025, arXiv:2507.09404, the additive law.
    Try on: the SlimPajama sweep of Shukor et al., 7 domains and 8 losses.
    """

    sized = ("N", "D")
    example: ClassVar[Example] = Example(
        OF_WEB | dict(A=0.9, B=0.3, alpha=0.16, beta=0.6), inputs=SIZES, arguments=WEB
    )

    @classmethod
    def fields(cls, domains: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        """Return E, C and gamma of every domain, and the parameters of the two sizes."""
        return {
            "E": offset("irreducible loss"),
            **_own(domains),
            "A": coefficient("loss that size costs at N0"),
            "B": coefficient("loss that data cost at D0"),
            **_sizes(),
        }

    def mixed(self: Any, h: tuple[Any, ...], *sizes: Any) -> Any:
        """Return the law at shares h, N and D."""
        return self.E + _own_term(self, h) + _sized_terms(self, self.A, self.B, *sizes)


class JointMixture(_Mixture):
    """L(h, N, D) = E + 1/sum C_i h_i^g_i + (a.h)^g_N (N/N0)^-alpha + (b.h)^g_D (D/D0)^-beta.

    The mixture moves the terms of size and data too: the best shares depend on the size. g stands
    for gamma, a.h for the sum of a_i h_i. 5 + 4 K parameters. N0 and D0 are constants.

    Units: E as L, C as 1 / L, a as L^(1 / gamma_N), b as L^(1 / gamma_D).
    Known degeneracies: those of AdditiveMixture; a and gamma_N where the term of size hardly moves
    with the mixture, so that it fits better and often extrapolates worse.
    Source: Shukor et al. 2025, arXiv:2507.09404, the joint law.
    Try on: the SlimPajama sweep of Shukor et al., 7 domains and 8 losses.
    """

    sized = ("N", "D")
    example: ClassVar[Example] = Example(
        OF_WEB
        | dict(
            a_web=0.9, a_code=1.6, a_books=0.5, gamma_N=0.7,
            b_web=0.3, b_code=0.9, b_books=0.6, gamma_D=0.8,
            alpha=0.16, beta=0.6,
        ),
        inputs=SIZES, arguments=WEB,
    )  # fmt: skip

    @classmethod
    def fields(cls, domains: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        """Return E, C and gamma of every domain, a and b of every domain, and the exponents."""
        either = dict(start=(-1.0, 1.0), bounds=(-5.0, 5.0))
        found = {"E": offset("irreducible loss"), **_own(domains)}
        for stem, size in (("a", "N"), ("b", "D")):
            for h, x in domains:
                found[f"{stem}_{x}"] = coefficient(
                    f"of {h} in the term of {size}", units=f"1/gamma_{size}", linear=False
                )
            found[f"gamma_{size}"] = exponent(f"of the mixture in the term of {size}", **either)
        return {**found, **_sizes()}

    def mixed(self: Any, h: tuple[Any, ...], *sizes: Any) -> Any:
        """Return the law at shares h, N and D."""
        by_N, by_D = (
            power(sum(w * x for w, x in zip(self.of_domains(stem), h, strict=True)), rate)
            for stem, rate in (("a", self.gamma_N), ("b", self.gamma_D))
        )
        return self.E + _own_term(self, h) + _sized_terms(self, by_N, by_D, *sizes)


class ImplicitMixture(_Mixture):
    """L(h, N, D, target) = E_i + c_i x_i^-b_i + A_i (D h_i)^-a_i of domain i = target, 0 to K - 1.

    A model of N parameters shares them out: x minimizes the sum of h_j c_j x_j^-b_j under
    sum of x = N + (K - 1) H and x >= H: x_j = max(H, (h_j b_j c_j / lam)^(1 / (b_j + 1))), with lam
    found from the sum. 5 K + 1 parameters; a table has a row for each target that a run was
    evaluated on, with the domain's number (rounded) in the column `target`. A target that the
    mixture lacks has no loss, and a number of no domain is NaN.

    Units: E as L, c as L times N^b, A as L times D^a, H as N. Known degeneracies: H where no domain
    is pushed to it; c against E over few sizes.
    Source: the implicit law of the repository meiqwq/Explaining-Data-Mixing-Scaling-Laws, fitted to
    the runs of Shukor et al. 2025, arXiv:2507.09404.
    Try on: the SlimPajama sweep of Shukor et al., 7 domains and their losses.
    """

    sized = ("N", "D", "target")
    codes = ("target",)
    example: ClassVar[Example] = Example(
        dict(
            E_web=1.6, c_web=60.0, b_web=0.25, A_web=90.0, a_web=0.25,
            E_code=0.7, c_code=250.0, b_code=0.33, A_code=40.0, a_code=0.22,
            E_books=1.4, c_books=90.0, b_books=0.28, A_books=70.0, a_books=0.24, H=3e7,
        ),
        inputs=SIZES | dict(target=(0.0, 2.0)), arguments=WEB,
    )  # fmt: skip

    @classmethod
    def fields(cls, domains: tuple[tuple[str, str], ...]) -> dict[str, Any]:
        """Return E, c, b, A and a of every domain, and H."""
        found: dict[str, Any] = {}
        for h, x in domains:
            found[f"E_{x}"] = offset(f"irreducible loss of {h}")
            found[f"c_{x}"] = coefficient(f"of size for {h}", per={"N": f"b_{x}"}, linear=False)
            found[f"b_{x}"] = exponent(f"of size for {h}", start=(0.05, 1.0))
            found[f"A_{x}"] = coefficient(f"of data for {h}", per={"D": f"a_{x}"})
            found[f"a_{x}"] = exponent(f"of data for {h}", start=(0.05, 1.0))
        return {**found, "H": scale("least size of a domain", per={"N": 1}, start=(-4.0, -1.0))}

    def mixed(self: Any, h: tuple[Any, ...], *sizes: Any) -> Any:
        """Return the loss of the target at shares h, N and D."""
        N, D, target = sizes
        c, b = self.of_domains("c"), self.of_domains("b")
        pull = [log(c_j * b_j * _held(x)) for c_j, b_j, x in zip(c, b, h, strict=True)]
        whole = jnp.log(N + (len(h) - 1) * self.H)
        one, floor = jnp.ones_like(h[0]), jnp.log(self.H) * jnp.ones_like(h[0])
        least = jnp.where(jnp.stack(jnp.broadcast_arrays(*h)) > 0, 0.0, -jnp.inf)

        def sizes_at(t: Any) -> tuple[list[Any], Any]:  # t = -log lam; logarithms, and d/dt
            logs, slopes = [], []
            for j, p in enumerate(pull):
                own = (p + t) / (b[j] + 1) + least[j]
                above = (own > floor) * one
                logs.append(jnp.maximum(own, floor))
                slopes.append(above / (b[j] + 1))
            return logs, slopes

        def newton(t: Any) -> Any:
            logs, slopes = sizes_at(t)
            parts = [jnp.exp(x - whole) for x in logs]
            slope = sum(x * k for x, k in zip(parts, slopes, strict=True))
            return t - jnp.log(sum(parts)) * sum(parts) / jnp.maximum(slope, 1e-6)

        # The logarithm of the sum is convex and rises: from where one domain alone has all of it,
        # Newton's steps go down to the root and never pass it. The last two carry derivatives.
        starts = [(b[j] + 1) * whole - p - least[j] for j, p in enumerate(pull)]
        t = jax.lax.stop_gradient(jnp.min(jnp.stack(jnp.broadcast_arrays(*starts)), axis=0))
        for _ in range(STEPS):
            t = jax.lax.stop_gradient(newton(t))
        logs, _ = sizes_at(newton(newton(t)))
        E, A, a = self.of_domains("E"), self.of_domains("A"), self.of_domains("a")
        total: Any = jnp.where(
            (jnp.round(target) >= 0) & (jnp.round(target) < len(h)), 0.0, jnp.nan
        )
        for j, x in enumerate(h):
            by_size, by_data = c[j] * jnp.exp(-b[j] * logs[j]), A[j] * power(D * _held(x), -a[j])
            meant = jnp.round(target) == j
            total = total + jnp.where(meant & (x <= 0), jnp.inf, 0.0)
            total = total + jnp.where(meant, 1.0, 0.0) * (E[j] + by_size + by_data)
        return total


def _held(x: Any) -> Any:
    """Return shares with 1 in the place of 0."""
    return jnp.where(x > 0, x, 1.0)


def _own(domains: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for h, x in domains:
        found[f"C_{x}"] = scale(f"how far {h} lowers it", units=-1, start=(-1.0, 3.0))
        found[f"gamma_{x}"] = exponent(f"of the share of {h}", start=(0.3, 1.2))
    return found


def _sizes() -> dict[str, Any]:
    return {
        "alpha": exponent("of N", start=(0.05, 0.8)),
        "beta": exponent("of D", start=(0.05, 0.8)),
        "N0": constant(5e8, per={"N": 1}, doc="N at which the term of N is stated"),
        "D0": constant(1.5e10, per={"D": 1}, doc="D at which the term of D is stated"),
    }


def _own_term(law: Any, h: tuple[Any, ...]) -> Any:
    weights, rates = law.of_domains("C"), law.of_domains("gamma")
    return 1 / sum(C * raised(x, p) for C, x, p in zip(weights, h, rates, strict=True))


def _sized_terms(law: Any, by_N: Any, by_D: Any, N: Any, D: Any) -> Any:
    of_N = by_N * power(law.N0, law.alpha) * power(N, -law.alpha)
    return of_N + by_D * power(law.D0, law.beta) * power(D, -law.beta)
