"""A law of your own: declare the parameters once, write the formula, fit it like any other.

python examples/own_law.py
jaxscale fit runs.csv --law examples/own_law.py:TiedChinchilla
"""

import jaxscale
from jaxscale import Law, Scalar, coefficient, exponent, offset
from jaxscale.datasets import load


class TiedChinchilla(Law):
    """L(N, D) = E + A N^-alpha + B D^-alpha.

    One exponent for both resources, as in Muennighoff et al. 2023, arXiv:2305.16264.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="alpha"))
    alpha: Scalar = exponent("exponent of both")

    def __call__(self, N, D):
        """Return E + A N^-alpha + B D^-alpha."""
        return self.E + self.A * N**-self.alpha + self.B * D**-self.alpha


def main() -> None:
    runs = load("stdlib_ladder")
    tied = jaxscale.fit(TiedChinchilla(), runs)
    free = jaxscale.fit(jaxscale.Chinchilla(), runs)
    print(tied, end="\n\n")
    print(f"objective with one exponent {tied.value:.6g}, with two {free.value:.6g}")


if __name__ == "__main__":
    main()
