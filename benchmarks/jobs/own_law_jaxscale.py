"""A law of one's own with error bars, with jaxscale."""

import sys

import jaxscale
from jaxscale import Law, Scalar, coefficient, exponent, offset


class Filtered(Law):
    """E + A N^-alpha + B D^-beta q^-gamma."""

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("size", per=dict(N="alpha"))
    B: Scalar = coefficient("data", per=dict(D="beta", q="gamma"))
    alpha: Scalar = exponent("of size")
    beta: Scalar = exponent("of data")
    gamma: Scalar = exponent("of quality")

    def __call__(self, N, D, q):
        """Return the loss."""
        return self.E + self.A * N**-self.alpha + self.B * D**-self.beta * q**-self.gamma


print(jaxscale.fit(Filtered(), jaxscale.read_runs(sys.argv[1]), loss=jaxscale.Square()))
