"""The 27 nonlinear forms of NIST's Statistical Reference Datasets, declared as laws.

Source: NIST StRD, nonlinear regression (public domain). Each formula stands as NIST has it, with its
names and signs, and values are the certified ones.
"""

import csv
import json
from itertools import permutations
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxscale import Law, Runs, Scalar, coefficient, constant, exponent, offset, scale

RATE = dict(per=dict(x=-1))
ANY = dict(positive=False)
REAL = dict(start=(-5.0, 10.0), bounds=(-50.0, 50.0))


class OfAnyX(Law):
    """A law of an x that may be zero or negative."""

    input_kinds: ClassVar = dict(x="signed")


class Saturating(Law):
    """b1 (1 - exp(-b2 x)): Misra1a, BoxBOD."""

    b1: Scalar = coefficient("height")
    b2: Scalar = scale("rate", **RATE)

    def __call__(self, x):
        return self.b1 * (1 - jnp.exp(-self.b2 * x))


class Misra1b(Saturating):
    """b1 (1 - (1 + b2 x / 2)^-2)."""

    def __call__(self, x):
        return self.b1 * (1 - (1 + self.b2 * x / 2) ** -2)


class Misra1c(Saturating):
    """b1 (1 - (1 + 2 b2 x)^-1/2)."""

    def __call__(self, x):
        return self.b1 * (1 - (1 + 2 * self.b2 * x) ** -0.5)


class Misra1d(Saturating):
    """b1 b2 x (1 + b2 x)^-1."""

    def __call__(self, x):
        return self.b1 * self.b2 * x * (1 + self.b2 * x) ** -1


class Chwirut(Law):
    """exp(-b1 x) / (b2 + b3 x)."""

    b1: Scalar = scale("rate", **RATE)
    b2: Scalar = scale("one over the height", units=-1)
    b3: Scalar = scale("slope below", per=dict(x=-1), units=-1)

    def __call__(self, x):
        return jnp.exp(-self.b1 * x) / (self.b2 + self.b3 * x)


class Lanczos(OfAnyX):
    """b1 exp(-b2 x) + b3 exp(-b4 x) + b5 exp(-b6 x)."""

    b1: Scalar = coefficient("height")
    b2: Scalar = scale("rate", **RATE)
    b3: Scalar = coefficient("height")
    b4: Scalar = scale("rate", **RATE)
    b5: Scalar = coefficient("height")
    b6: Scalar = scale("rate", **RATE)

    def __call__(self, x):
        terms = [(self.b1, self.b2), (self.b3, self.b4), (self.b5, self.b6)]
        return sum(height * jnp.exp(-rate * x) for height, rate in terms)


class Gauss(Law):
    """b1 exp(-b2 x) + b3 exp(-(x - b4)^2 / b5^2) + b6 exp(-(x - b7)^2 / b8^2)."""

    b1: Scalar = coefficient("height")
    b2: Scalar = scale("rate", **RATE)
    b3: Scalar = coefficient("height")
    b4: Scalar = scale("place", per=dict(x=1))
    b5: Scalar = scale("width", per=dict(x=1))
    b6: Scalar = coefficient("height")
    b7: Scalar = scale("place", per=dict(x=1))
    b8: Scalar = scale("width", per=dict(x=1))

    def __call__(self, x):
        left = self.b3 * jnp.exp(-((x - self.b4) ** 2) / self.b5**2)
        right = self.b6 * jnp.exp(-((x - self.b7) ** 2) / self.b8**2)
        return self.b1 * jnp.exp(-self.b2 * x) + left + right


class DanWood(Law):
    """b1 x^b2."""

    b1: Scalar = coefficient("height", per=dict(x="-b2"))
    b2: Scalar = exponent("power", start=(0.0, 5.0), bounds=(-9.0, 9.0))

    def __call__(self, x):
        return self.b1 * x**self.b2


class Kirby2(Law):
    """(b1 + b2 x + b3 x^2) / (1 + b4 x + b5 x^2)."""

    b1: Scalar = coefficient("constant", **ANY)
    b2: Scalar = coefficient("slope", per=dict(x=-1), **ANY)
    b3: Scalar = coefficient("square", per=dict(x=-2), **ANY)
    b4: Scalar = scale("slope below", **RATE, **ANY)
    b5: Scalar = scale("square below", per=dict(x=-2), **ANY)

    def __call__(self, x):
        above = self.b1 + self.b2 * x + self.b3 * x**2
        return above / (1 + self.b4 * x + self.b5 * x**2)


class Hahn1(OfAnyX):
    """(b1 + b2 x + b3 x^2 + b4 x^3) / (1 + b5 x + b6 x^2 + b7 x^3): Hahn1, Thurber."""

    b1: Scalar = coefficient("constant", **ANY)
    b2: Scalar = coefficient("slope", per=dict(x=-1), **ANY)
    b3: Scalar = coefficient("square", per=dict(x=-2), **ANY)
    b4: Scalar = coefficient("cube", per=dict(x=-3), **ANY)
    b5: Scalar = scale("slope below", **RATE, **ANY)
    b6: Scalar = scale("square below", per=dict(x=-2), **ANY)
    b7: Scalar = scale("cube below", per=dict(x=-3), **ANY)

    def __call__(self, x):
        above = self.b1 + self.b2 * x + self.b3 * x**2 + self.b4 * x**3
        return above / (1 + self.b5 * x + self.b6 * x**2 + self.b7 * x**3)


class Nelson(Law):
    """log y = b1 - b2 x1 exp(-b3 x2)."""

    b1: Scalar = offset("log y at the start", **ANY)
    b2: Scalar = coefficient("rate", per=dict(x1=-1))
    b3: Scalar = scale("of temperature", per=dict(x2=-1), **ANY)
    response: ClassVar = "log"

    def __call__(self, x1, x2):
        return self.b1 - self.b2 * x1 * jnp.exp(-self.b3 * x2)


class MGH17(OfAnyX):
    """b1 + b2 exp(-x b4) + b3 exp(-x b5)."""

    b1: Scalar = offset("constant", **ANY)
    b2: Scalar = coefficient("height", **ANY)
    b3: Scalar = coefficient("height", **ANY)
    b4: Scalar = scale("rate", **RATE)
    b5: Scalar = scale("rate", **RATE)

    def __call__(self, x):
        return self.b1 + self.b2 * jnp.exp(-x * self.b4) + self.b3 * jnp.exp(-x * self.b5)


class MGH09(Law):
    """b1 (x^2 + x b2) / (x^2 + x b3 + b4)."""

    b1: Scalar = coefficient("height")
    b2: Scalar = scale("above", per=dict(x=1))
    b3: Scalar = scale("below", per=dict(x=1))
    b4: Scalar = scale("below", per=dict(x=2))

    def __call__(self, x):
        return self.b1 * (x**2 + x * self.b2) / (x**2 + x * self.b3 + self.b4)


class MGH10(Law):
    """b1 exp(b2 / (x + b3))."""

    b1: Scalar = coefficient("height")
    b2: Scalar = scale("numerator", per=dict(x=1))
    b3: Scalar = scale("origin", per=dict(x=1))

    def __call__(self, x):
        return self.b1 * jnp.exp(self.b2 / (x + self.b3))


class Enso(Law):
    """b1 + cycles of 12, b4 and b7 months: a cosine b2, b5, b8 and a sine b3, b6, b9 of each."""

    b1: Scalar = offset("mean", **ANY)
    b2: Scalar = coefficient("cosine", **ANY)
    b3: Scalar = coefficient("sine", **ANY)
    b4: Scalar = scale("period", per=dict(x=1))
    b5: Scalar = coefficient("cosine", **ANY)
    b6: Scalar = coefficient("sine", **ANY)
    b7: Scalar = scale("period", per=dict(x=1))
    b8: Scalar = coefficient("cosine", **ANY)
    b9: Scalar = coefficient("sine", **ANY)
    twelve: Scalar = constant(12.0, per=dict(x=1), doc="months of a year")

    def __call__(self, x):
        waves = [
            (self.twelve, self.b2, self.b3),
            (self.b4, self.b5, self.b6),
            (self.b7, self.b8, self.b9),
        ]
        angle = [2 * jnp.pi * x / period for period, _, _ in waves]
        return self.b1 + sum(
            c * jnp.cos(a) + s * jnp.sin(a) for a, (_, c, s) in zip(angle, waves, strict=True)
        )


class Eckerle4(Law):
    """(b1 / b2) exp(-0.5 ((x - b3) / b2)^2)."""

    b1: Scalar = coefficient("area", per=dict(x=1))
    b2: Scalar = scale("width", per=dict(x=1))
    b3: Scalar = scale("place", per=dict(x=1))

    def __call__(self, x):
        return self.b1 / self.b2 * jnp.exp(-0.5 * ((x - self.b3) / self.b2) ** 2)


class Rat42(Law):
    """b1 / (1 + exp(b2 - b3 x))."""

    b1: Scalar = coefficient("height")
    b2: Scalar = exponent("delay", **REAL)
    b3: Scalar = scale("rate", **RATE)

    def __call__(self, x):
        return self.b1 / (1 + jnp.exp(self.b2 - self.b3 * x))


class Rat43(Law):
    """b1 / (1 + exp(b2 - b3 x))^(1 / b4)."""

    b1: Scalar = coefficient("height")
    b2: Scalar = exponent("delay", **REAL)
    b3: Scalar = scale("rate", **RATE)
    b4: Scalar = exponent("shape", start=(0.3, 3.0), bounds=(0.01, 20.0))

    def __call__(self, x):
        return self.b1 / (1 + jnp.exp(self.b2 - self.b3 * x)) ** (1 / self.b4)


class Bennett5(Law):
    """b1 (b2 + x)^(-1 / b3)."""

    b1: Scalar = coefficient("height", per=dict(x="1/b3"), **ANY)
    b2: Scalar = scale("origin", per=dict(x=1))
    b3: Scalar = exponent("shape", start=(0.3, 3.0), bounds=(0.01, 20.0))

    def __call__(self, x):
        return self.b1 * (self.b2 + x) ** (-1 / self.b3)


class Roszman1(OfAnyX):
    """b1 - b2 x - arctan(b3 / (x - b4)) / pi."""

    b1: Scalar = offset("constant", **ANY)
    b2: Scalar = coefficient("slope", per=dict(x=-1), **ANY)
    b3: Scalar = scale("width", per=dict(x=1))
    b4: Scalar = scale("place", per=dict(x=1), **ANY)
    pi: Scalar = constant(np.pi, units=-1, doc="of an arctangent, as a loss")

    def __call__(self, x):
        return self.b1 - self.b2 * x - jnp.arctan(self.b3 / (x - self.b4)) / self.pi


class Form(NamedTuple):
    """A form at its certified values, and inputs at which it is looked at."""

    name: str
    law: type[Law]
    values: dict[str, float]
    inputs: dict[str, np.ndarray]


def _form(name: str, law: type[Law], values: str, x: Any) -> Form:
    given = dict(zip(law().free, map(float, values.split()), strict=True))
    inputs = x if isinstance(x, dict) else {"x": np.linspace(*x)}
    return Form(name, law, given, inputs)


ALIKE = {
    "Gauss": [(0, 1, 2, 3, 4, 5, 6, 7), (0, 1, 5, 6, 7, 2, 3, 4)],
    "Lanczos": [
        tuple(k for t in order for k in (2 * t, 2 * t + 1)) for order in permutations(range(3))
    ],
    "MGH17": [(0, 1, 2, 3, 4), (0, 2, 1, 4, 3)],
}
"""Orders of the parameters that give the same formula: terms that may be exchanged."""


def digits(found: Any, certified: Any) -> float:
    """Return the decimal digits that the worst of some numbers shares with NIST's, 11 at most."""
    found, certified = np.asarray(found, float), np.asarray(certified, float)
    with np.errstate(divide="ignore"):
        each = -np.log10(np.abs(found / certified - 1))
    return float(np.nan_to_num(np.minimum(each, 11.0), nan=-99.0).min())


def agreement(
    form: "Form", found: Any, errors: Any, certified: dict[str, Any]
) -> tuple[float, float]:
    """Return the digits of the parameters and of their standard deviations, in the best order."""
    found, errors = np.asarray(found, float), np.asarray(errors, float)
    orders = ALIKE.get(form.law.__name__, [tuple(range(len(found)))])
    return max(
        (
            digits(found[list(order)], certified["certified"]),
            digits(errors[list(order)], certified["certified_sd"]),
        )
        for order in orders
    )


def residual_of(form: "Form") -> str:
    """Return the residual that NIST's sum of squares is of."""
    return "log" if form.law.response == "log" else "absolute"


def table_of(folder: Path, name: str) -> tuple[Runs, dict[str, Any]]:
    """Return the runs of a problem, and what NIST certifies."""
    with (folder / f"{name}.csv").open() as file:
        head, *rows = csv.reader(file)
    columns = dict(zip(head, np.array(rows, float).T, strict=True))
    certified = json.loads((folder / "certified.json").read_text())[name]
    return Runs(loss=columns.pop("y"), **columns), certified


def at(form: "Form", values: Any) -> Law:
    """Return the law at `values`, as the one start of a fit."""
    return form.law(**{name: np.array([x]) for name, x in zip(form.values, values, strict=True)})


WEEKS = np.repeat([1.0, 2, 4, 8, 16, 32, 48, 64], 8)
# ruff: noqa: E501
FORMS = [
    _form("Misra1a", Saturating, "238.94212918 5.5015643181e-4", (77.6, 760, 14)),
    _form("Misra1b", Misra1b, "337.99746163 3.9039091287e-4", (77.6, 760, 14)),
    _form("Misra1c", Misra1c, "636.42725809 2.0813627256e-4", (77.6, 760, 14)),
    _form("Misra1d", Misra1d, "437.36970754 3.0227324449e-4", (77.6, 760, 14)),
    _form("BoxBOD", Saturating, "213.80940889 0.54723748542", (1, 10, 8)),
    _form("Chwirut1", Chwirut, "0.19027818370 6.1314004477e-3 1.0530908399e-2", (0.5, 6, 54)),
    _form("Chwirut2", Chwirut, "0.16657666537 5.1653291286e-3 1.2150007096e-2", (0.5, 6, 54)),
    *(
        _form(name, Lanczos, values, (0.0, 1.15, 24))
        for name, values in [
            ("Lanczos1", "0.095100000027 1.0000000001 0.86070000013 3.0000000002 1.5575999998 5.0000000001"),
            ("Lanczos2", "0.096251029939 1.0057332849 0.86424689056 3.0078283915 1.5529016879 5.0028798100"),
            ("Lanczos3", "0.086816414977 0.95498101505 0.84400777463 2.9515951832 1.5825685901 4.9863565084"),
        ]
    ),
    _form("Gauss1", Gauss, "98.778210871 0.010497276517 100.48990633 67.481111276 23.129773360 71.994503004 178.99805021 18.389389025", (1, 250, 250)),
    _form("Gauss2", Gauss, "99.018328406 0.010994945399 101.88022528 107.03095519 23.578584029 72.045589471 153.27010194 19.525972636", (1, 250, 250)),
    _form("Gauss3", Gauss, "98.940368970 0.010945879335 100.69553078 111.63619459 23.300500029 73.705031418 147.76164251 19.668221230", (1, 250, 250)),
    _form("DanWood", DanWood, "0.76886226176 3.8604055871", (1.309, 1.68, 8)),
    _form("Kirby2", Kirby2, "1.6745063063 -0.13927397867 2.5961181191e-3 -1.7241811870e-3 2.1664802578e-5", (10, 400, 80)),
    _form("Hahn1", Hahn1, "1.0776351733 -0.12269296921 4.0863750610e-3 -1.4262645100e-6 -5.7609940901e-3 2.4053735503e-4 -1.2314450199e-7", (14, 850, 90)),
    _form("Thurber", Hahn1, "1288.1396800 1491.0792535 583.23836877 75.416644291 0.96629502864 0.39797285797 0.049727297349", (-3.0, 2.2, 37)),
    _form("Nelson", Nelson, "2.5906836021 5.6177717026e-9 -0.057701013174", {"x1": WEEKS, "x2": np.tile([180.0, 225, 250, 275], 16)}),
    _form("MGH17", MGH17, "0.37541005211 1.9358469127 -1.4646871366 0.012867534640 0.022122699662", (0, 320, 33)),
    _form("MGH09", MGH09, "0.19280693458 0.19128232873 0.12305650693 0.13606233068", (0.0625, 4, 22)),
    _form("MGH10", MGH10, "5.6096364710e-3 6181.3463463 345.22363462", (50, 125, 16)),
    _form("ENSO", Enso, "10.510749193 3.0762128085 0.53280138227 44.311088700 -1.6231428586 0.52554493756 26.887614440 0.21232288488 1.4966870418", (1, 168, 168)),
    _form("Eckerle4", Eckerle4, "1.5543827178 4.0888321754 451.54121844", (400, 500, 35)),
    _form("Rat42", Rat42, "72.462237576 2.6180768402 0.067359200066", (9, 79, 18)),
    _form("Rat43", Rat43, "699.64151270 5.2771253025 0.75962938329 1.2792483859", (1, 15, 15)),
    _form("Bennett5", Bennett5, "-2523.5058043 46.736564644 0.93218483193", (7.45, 15, 154)),
    _form("Roszman1", Roszman1, "0.20196866396 -6.1953516256e-6 1204.4556708 -181.34269537", (-4868, 800, 25)),
]  # fmt: skip
