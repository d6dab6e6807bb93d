"""Laws of the shape of a transformer: width, depth, and what its parameters are spent on."""

from __future__ import annotations

from typing import Any

from jaxscale._numerics.positive import log, power
from jaxscale.laws.closed_form import Sum, Term
from jaxscale.laws.law import Example, Law, Scalar
from jaxscale.laws.parameters import coefficient, constant, exponent, offset


class WidthDepth(Law):
    """L(width, depth, D) = E + A width^-alpha + B depth^-beta + G D^-zeta.

    Width and depth each have a term of their own, in the place of one for the parameters.

    Units: E as L, A as L times width^alpha, B as L times depth^beta, G as L times D^zeta; D in
    tokens.

    Known degeneracies: runs of one aspect ratio width / depth confound alpha and beta; E against
    the smallest exponent.

    Source: Gemstones, 2025, arXiv:2502.06857.

    Try on: the runs of Gemstones, mcleish7/gemstone-scaling-laws.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("width coefficient", per=dict(width="alpha"))
    B: Scalar = coefficient("depth coefficient", per=dict(depth="beta"))
    G: Scalar = coefficient("data-size coefficient", per=dict(D="zeta"))
    alpha: Scalar = exponent("width exponent")
    beta: Scalar = exponent("depth exponent")
    zeta: Scalar = exponent("data-size exponent")
    example = Example(
        dict(E=1.7, A=40.0, B=1.2, G=900.0, alpha=0.6, beta=0.5, zeta=0.34),
        inputs=dict(width=(256.0, 4096.0), depth=(3.0, 80.0)),
    )

    def __call__(self, width: Any, depth: Any, D: Any) -> Any:
        """Return E + A width^-alpha + B depth^-beta + G D^-zeta."""
        shape = self.A * power(width, -self.alpha) + self.B * power(depth, -self.beta)
        return self.E + shape + self.G * power(D, -self.zeta)

    def closed_form(self) -> Sum:
        """Return the four terms."""
        shape = Term("width", self.A, self.alpha), Term("depth", self.B, self.beta)
        return Sum(self.E, (*shape, Term("D", self.G, self.zeta)))


class WidthDepthSize(WidthDepth):
    """L(width, depth, N, D) = E + A width^-alpha + B depth^-beta + P N^-gamma + G D^-zeta.

    `WidthDepth` with a term of the parameters beside those of the shape.

    Units: those of `WidthDepth`, P as L times N^gamma; N in parameters.

    Known degeneracies: N is nearly 12 depth width^2, so that P and gamma are told from width and
    depth by the embeddings, or by other shapes of the blocks, alone.

    Source: Gemstones, 2025, arXiv:2502.06857.

    Try on: the runs of Gemstones, mcleish7/gemstone-scaling-laws.
    """

    P: Scalar = coefficient("model-size coefficient", per=dict(N="gamma"))
    gamma: Scalar = exponent("model-size exponent")
    example = Example(
        {**WidthDepth.example.values, "P": 200.0, "gamma": 0.35},
        inputs=WidthDepth.example.inputs,
    )

    def __call__(self, width: Any, depth: Any, N: Any, D: Any) -> Any:  # type: ignore[override]
        """Return the loss of a shape of N parameters after D tokens."""
        shape = self.A * power(width, -self.alpha) + self.B * power(depth, -self.beta)
        size = self.P * power(N, -self.gamma)
        return self.E + shape + size + self.G * power(D, -self.zeta)

    def closed_form(self) -> Sum:
        """Return the five terms."""
        form = WidthDepth.closed_form(self)
        return Sum(self.E, (*form.terms, Term("N", self.P, self.gamma)))


class ArchitectureConditional(Law):
    """L(N, D, width, ratio) = f(x / x0) g(ratio / r0) L1, with x = width / N^(1/2).

    f(u) = 1 + a1 log u + a2 (1/u - 1), g(v) = 1 + b1 log v + b2 (1/v - 1) and Chinchilla's
    L1 = E + A N^-alpha + B D^-beta, the loss of the shape of reference x0, r0. ratio is that of the
    parameters of the MLPs to those of attention. The paper writes a0 + a1 log x + a2 / x and leaves
    the scale of each factor open; here each is 1 at the shape of reference.

    Units: E as L, A as L times N^alpha, B as L times D^beta, x0 as width N^-1/2, r0 as ratio; a1,
    a2, b1, b2 have none.

    Known degeneracies: a1 against a2, and b1 against b2, unless runs lie on both sides of the best
    shape; the paper leaves out runs with a ratio below .5 or above 5.

    Source: Bian et al. 2025, arXiv:2510.18245.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="beta"))
    alpha: Scalar = exponent("model-size exponent")
    beta: Scalar = exponent("data-size exponent")
    a1: Scalar = coefficient("of log width", units=0, positive=False, linear=False)
    a2: Scalar = coefficient("of 1 / width", units=0, positive=False, linear=False)
    b1: Scalar = coefficient("of log ratio", units=0, positive=False, linear=False)
    b2: Scalar = coefficient("of 1 / ratio", units=0, positive=False, linear=False)
    x0: Scalar = constant(0.07, per=dict(width=1, N=-0.5), doc="width / N^(1/2) of reference")
    r0: Scalar = constant(1.0, per=dict(ratio=1), doc="ratio of reference")
    derived_docs = {"x": "best width / N^(1/2)", "ratio": "best ratio"}
    example = Example(
        dict(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.36, a1=0.05, a2=0.04, b1=0.03, b2=0.04),
        inputs=dict(width=(256.0, 8192.0), ratio=(0.5, 5.0)),
    )

    def __call__(self, N: Any, D: Any, width: Any, ratio: Any) -> Any:
        """Return the loss of N parameters of a shape after D tokens."""
        u = width / (self.x0 * power(N, 0.5))
        v = ratio / self.r0
        shape = (1 + self.a1 * log(u) + self.a2 * (1 / u - 1)) * (
            1 + self.b1 * log(v) + self.b2 * (1 / v - 1)
        )
        return shape * (self.E + self.A * power(N, -self.alpha) + self.B * power(D, -self.beta))

    def derived(self) -> dict[str, Any]:
        """Return the best shape: u = a2 / a1, v = b2 / b1, where those are positive."""
        return {"x": self.x0 * self.a2 / self.a1, "ratio": self.r0 * self.b2 / self.b1}
