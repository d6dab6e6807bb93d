"""A robust loss of your own: declare its width, write rho, use it like any other.

python examples/own_loss.py
jaxscale fit runs.csv --loss examples/own_loss.py:Cauchy --delta 0.01
"""

import jax.numpy as jnp

import jaxscale
from jaxscale.datasets import load


class Cauchy(jaxscale.Loss):
    """c²/2 log(1 + (r/c)²): the pull of a residual fades beyond c.

    Source: Black and Anandan 1996, Computer Vision and Image Understanding 63(1).
    """

    width = "c"
    c: float = 1e-2

    def rho(self, r):
        """Return the loss of residuals r; weight, curvature and density follow from it."""
        return 0.5 * self.c**2 * jnp.log1p((r / self.c) ** 2)


def main() -> None:
    runs = load("stdlib_ladder")
    fit = jaxscale.fit("Chinchilla", runs, loss=Cauchy(0.01))
    print(fit, end="\n\n")
    print(jaxscale.bootstrap(fit, draws=500).interval("alpha"))


if __name__ == "__main__":
    main()
