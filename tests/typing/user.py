"""A user's program, for type checkers alone: `.ci/run` checks it against the installed wheel.

Every `assert_type` and every ignored error is a statement that can be false: a checker fails where
a type has become Any, or where a name that is none is let through.
"""

from typing import assert_type

import jaxscale
from jaxscale.laws import BrokenPower

runs = jaxscale.read_runs("runs.csv")
assert_type(runs, jaxscale.Runs)

fit = jaxscale.fit(jaxscale.Chinchilla(E=1.7), runs, starts=64)
assert_type(fit, jaxscale.FitResult)
assert_type(fit.certificate, jaxscale.Certificate)
fit.save("fit.json")
assert_type(jaxscale.load("fit.json"), jaxscale.FitResult)

assert_type(jaxscale.BrokenPower(c0=0.1), BrokenPower)
two: type[jaxscale.Law] = jaxscale.BrokenPower[2]  # type: ignore[misc]  # mypy reads no __class_getitem__
named: type[jaxscale.Law] = jaxscale.CATALOGUE["BrokenPower[2]"]

draws = jaxscale.bootstrap(fit, draws=64)
jaxscale.no_such_name()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
jaxscale.laws.NoSuchLaw()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
jaxscale.fit(jaxscale.Chinchilla(), runs, start=64)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


class Mine(jaxscale.Law):
    """L(N) = E + A N^-alpha."""

    E: jaxscale.Scalar = jaxscale.offset("limit")
    A: jaxscale.Scalar = jaxscale.coefficient("height", per={"N": "alpha"})
    alpha: jaxscale.Scalar = jaxscale.exponent("rate")

    def __call__(self, N: jaxscale.Scalar) -> jaxscale.Scalar:
        """Return the loss."""
        return self.E + self.A * jaxscale.power(N, -self.alpha)


mine = Mine(E=2.0)
