"""Laws of more than a dozen parameters, as a person would write them."""

import jax.numpy as jnp
import numpy as np

import jaxscale
from jaxscale import Law, power
from jaxscale.laws.parameters import coefficient, exponent, offset


def _grouped(count):
    """A family of `count` groups: each its own E and A, one exponent of N and one of D for all."""
    numbers = range(1, count + 1)
    fields = {f"E{k}": offset(f"irreducible loss of group {k}") for k in numbers}
    fields |= {f"A{k}": coefficient(f"of N in group {k}", per={"N": "alpha"}) for k in numbers}
    fields |= {"B": coefficient("of D", per={"D": "beta"})}
    fields |= {"alpha": exponent("of N"), "beta": exponent("of D")}

    def formula(self, N, D, family):
        E, A = (
            sum(jnp.where(family == k, getattr(self, f"{letter}{k}"), 0.0) for k in numbers)
            for letter in "EA"
        )
        return E + A * power(N, -self.alpha) + self.B * power(D, -self.beta)

    body = {
        "__doc__": "L = E_g + A_g N^-alpha + B D^-beta.",
        "__annotations__": dict.fromkeys(fields, "Scalar"),
        "__call__": formula,
        "__module__": __name__,
        "input_kinds": {"family": "raw"},
        **fields,
    }
    return type(f"Grouped{count}", (Law,), body)


Grouped5 = _grouped(5)  # 13 parameters
Grouped9 = _grouped(9)  # 21 parameters


def grouped_runs(law, *, each=24, noise=0.0, seed=0):
    """Return `each` runs of every group of a law with values."""
    rng = np.random.default_rng(seed)
    groups = (len(law.values) - 3) // 2
    n = groups * each
    runs = {
        "N": 10 ** rng.uniform(7, 10, n),
        "D": 10 ** rng.uniform(9, 12, n),
        "family": np.repeat(np.arange(1.0, groups + 1), each),
    }
    loss = np.asarray(law.loss(*(runs[name] for name in law.inputs)))
    return jaxscale.Runs(**runs, loss=loss * np.exp(noise * rng.standard_normal(n)))


def grouped(count):
    """Return a grouped law with values."""
    law = {5: Grouped5, 9: Grouped9}[count]
    values = {f"E{k}": 1.2 + 0.1 * k for k in range(1, count + 1)}
    values |= {f"A{k}": 200.0 + 40 * k for k in range(1, count + 1)}
    return law(**values, B=900.0, alpha=0.31, beta=0.29)
