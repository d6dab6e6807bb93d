"""Digits that a fit shares with NIST's certified values, beside SciPy from the same starts.

    python -m benchmarks.nist [NAME ...]

Every problem of the public tables (`$JAXSCALE_DATA` or `../shared/data`), from both starts that
NIST gives and from 1,024 random ones. "par" and "sd" are the decimal digits of the worst parameter
and of the worst standard deviation, 11 at most; where terms of a formula may be exchanged, in their
best order. SciPy: `least_squares` with tolerances of 1e-15, "lm" with differences to first order
and "trf" to second; its standard deviations are those of its last Jacobian.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxscale
from jaxscale._numerics.precision import scope

from .problems import find

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from nist_forms import FORMS, Form, agreement, at, residual_of, table_of

SOLVERS = {"lm": "2-point", "trf": "3-point"}
"""Methods of SciPy, and the differences that they are given."""
STARTS = ("start1", "start2")
Digits = tuple[float, float]


def ours(form: Form, runs: Any, certified: Any, start: Any) -> tuple[Digits, Any]:
    """Return our digits from one start, or from many, and the certificate."""
    found = jaxscale.fit(
        form.law(), runs, loss=jaxscale.Square(), residual=residual_of(form), starts=start
    )
    errors = jaxscale.covariance(found, kind="laplace")
    values = [getattr(found.law, name) for name in form.values]
    each = [errors.error(name) for name in form.values]
    return agreement(form, values, each, certified), found.certificate


def scipys(form: Form, runs: Any, certified: Any, start: Any, method: str) -> Digits:
    """Return the digits of a SciPy method from one start."""
    from scipy.optimize import least_squares

    y = np.log(runs.loss) if residual_of(form) == "log" else runs.loss
    inputs = [runs.column(name) for name in form.law().inputs]

    def formula(p: Any) -> Any:
        return form.law(**dict(zip(form.values, p, strict=True)))(*inputs)

    with scope(np.float64):
        quick = jax.jit(formula)

    def residuals(p: Any) -> Any:
        with scope(np.float64):
            r = np.asarray(quick(p), float) - y
        return np.where(np.isfinite(r), r, 1e100)

    try:
        with np.errstate(all="ignore"):
            found = least_squares(
                residuals, start, method=method, jac=SOLVERS[method],
                ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=20_000,
            )  # fmt: skip
        covariance = np.linalg.pinv(found.jac.T @ found.jac) * 2 * found.cost
        errors = np.sqrt(np.diag(covariance) / (len(y) - len(start)))
    except (ValueError, np.linalg.LinAlgError):
        return -99.0, -99.0
    return agreement(form, found.x, errors, certified)


def main(names: list[str]) -> int:
    """Print one line per problem; of those named, or of all that there are."""
    certificates = find(Path("nist_strd") / "certified.json")
    if certificates is None:
        print("no tables of NIST: set JAXSCALE_DATA", file=sys.stderr)
        return 2
    folder = certificates.parent
    heads = ["par/sd", "start 1", "start 2", "random (share, searches)", *SOLVERS]
    print("{:10}{:24}{:24}{:36}{:24}{}".format(*heads))
    for form in FORMS:
        if not (folder / f"{form.name}.csv").is_file() or (names and form.name not in names):
            continue
        runs, certified = table_of(folder, form.name)
        cells = []
        for start in (*STARTS, ""):
            z = at(form, certified[start]) if start else 1024
            digits, certificate = ours(form, runs, certified, z)
            said = "" if certificate.trusted else " NOT TRUSTED"
            many = f"{100 * certificate.share_at_best:.2g} %, {certificate.searches}"
            more = f"({certificate.median_steps:.0f} steps)" if start else f"({many})"
            cells.append(f"{digits[0]:.1f}/{digits[1]:.1f} {more}{said}")
        for method in SOLVERS:
            each = [scipys(form, runs, certified, certified[s], method) for s in STARTS]
            cells.append(", ".join(f"{par:.1f}/{sd:.1f}" for par, sd in each))
        print("{:10}{:24}{:24}{:36}{:24}{}".format(form.name, *cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
