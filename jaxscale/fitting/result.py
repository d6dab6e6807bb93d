"""What a fit returns: the law, the certificate that says why to believe it, and its JSON.

Results hold NumPy arrays and plain numbers, never device arrays. The JSON is the one artefact:
everything that plots, predictions and allocations need, in full precision, with the data's hash,
the settings and the versions. `saved.load` reads it back.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.data.runs import Runs
from jaxscale.files.document import plain, versions
from jaxscale.files.durable import write_atomically
from jaxscale.fitting.account import fit_blocks, fit_columns
from jaxscale.fitting.certificate import Certificate
from jaxscale.fitting.constraints import FREE, Constraints
from jaxscale.fitting.nesting import Nesting, nesting
from jaxscale.fitting.preparation import Problem, prepare
from jaxscale.fitting.saved_families import stated_families
from jaxscale.flops import SIX_ND, stated_cost
from jaxscale.laws import ChinchillaNDC, Law, derived, predict
from jaxscale.objective.losses import Loss
from jaxscale.objective.residuals import Residual
from jaxscale.shown.blocks import Block, Shown
from jaxscale.shown.frames import frame

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class FitResult(Shown):
    """A fitted law with everything that led to it.

    Attributes:
        law: the law at the optimum, parameters as floats in the units of the runs.
        value: plain sum of w rho(r) at the optimum, as papers report it.
        loss: the robust loss, as it was given: for absolute loss, that of the search.
        residual: kind of residual.
        fixed: names of the parameters that were fixed.
        constraints: bounds and ties that it was held to.
        certificate: why to believe it.
        errors: standard errors by the sandwich, of the free parameters and of what the law derives
            from them; NaN where there is none to state.
        unstated: why some have none; empty if all do.
        statistics: R² and RMSE of the log loss and of the loss itself.
        runs: the runs it was fitted to.
        prediction: [n] the law at the runs.
        start_values: [S] plain value reached from every start; NaN where it was not finite. Of a
            tall table, what its optimum came to on all runs, or an estimate (`engine.tall.spread`).
        start_status: [S] `engine.Status` of every start.
        intervals: per break, the interval in which the data leave it.
        suspects: indices [k] of runs that a fit to the other runs misses by more than 5 standard
            errors and by more than chance does at this number of runs; reported, not removed.
        warnings: what was noticed about the runs.
        seconds: {"compile", "solve", "total"}.
        settings: optimizer, steps, seed, precision, and the origin of a user's law.
        prepared: the problem that was solved; made again where a result was read from a file.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> fit.certificate.trusted, round(fit.law.alpha, 2), round(fit.errors["alpha"], 2)
        (True, 0.42, 0.02)
        >>> print(str(fit).splitlines()[0])
        Chinchilla: L(N, D) = E + A N^-alpha + B D^-beta
    """

    law: Law
    value: float
    loss: Loss
    residual: Residual
    fixed: tuple[str, ...]
    certificate: Certificate
    errors: Mapping[str, float]
    unstated: str
    statistics: Mapping[str, float]
    runs: Runs
    prediction: np.ndarray
    start_values: np.ndarray
    start_status: np.ndarray
    intervals: Mapping[str, tuple[float, float]]
    suspects: np.ndarray
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    settings: Mapping[str, Any]
    constraints: Constraints = FREE
    prepared: Problem | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that were fitted."""
        bound = {*self.fixed, *dict(self.constraints.tied)}
        return tuple(name for name in self.law.parameters if name not in bound)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why not to trust the fit; empty if nothing speaks against it."""
        return tuple(self.certificate.reasons)

    @property
    def unfitted(self) -> Law:
        """The law as it was before the fit: what was free is None."""
        return self.law.replace(**dict.fromkeys((*self.free, *dict(self.constraints.tied))))

    @property
    def problem(self) -> Problem:
        """The problem that the fit solved: its runs, checked and scaled, and its objective."""
        known = self.prepared
        if known is None or not (
            known.runs is self.runs
            and known.loss is self.loss
            and known.residual == self.residual
            and tuple(known.law.fixed) == self.fixed
            and known.constraints == self.constraints
        ):
            known = prepare(self.unfitted, self.runs, self.loss, self.residual, self.constraints)
            object.__setattr__(self, "prepared", known)  # kept: the one thing worked out later
        return known

    @functools.cached_property
    def nesting(self) -> Nesting | None:
        """An additive law of N and D held against its outer exponent, or the other way round.

        None where the fit is not certified, of other laws, and of losses of a person's own.
        """
        if self.doubts or self.certificate.exact or self.constraints != FREE:
            return None
        runs, loss, residual = self.runs, self.loss, self.residual
        found = (self.law, runs, runs.weights)
        return nesting(*found, loss=loss, residual=residual, free=self.free)

    @property
    def optimum(self) -> np.ndarray:
        """Coordinates [P] of the optimum, in the space of the problem's objective."""
        space = self.problem.objective.space
        with scope(np.float64), np.errstate(divide="ignore"):
            values = {name: float(value) for name, value in self.law.values.items()}
            z = np.array([float(x) for x in space.coordinates(values)])
        clipped: np.ndarray = np.clip(z, *space.bounds())
        return clipped

    def pinned(self, *names: str) -> FitResult:
        """Return the same optimum, with further parameters held where they are.

        Args:
            *names: free parameters to hold.
        """
        values = {name: getattr(self.law, name) for name in names}
        return dataclasses.replace(
            self, fixed=(*self.fixed, *names), prepared=self.problem.pinned(**values)
        )

    def predict(self, **inputs: Any) -> Any:
        """Evaluate the fitted law at named inputs; see `jaxscale.predict`.

        Args:
            **inputs: one array per input of the law, of shapes that broadcast, in raw counts.

        Returns:
            The predicted loss, NumPy float64 of the common shape, in the units of the runs.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
            >>> round(float(fit.predict(N=1e6, D=1e8)), 2)
            1.07
        """
        return predict(self.law, **inputs)

    def extrapolation(self, **inputs: Any) -> dict[str, Any]:
        """Return, per input, how far beyond the runs it lies: a factor, 1 within their range.

        Of a positive input it is the ratio to the nearest run; of a signed or raw one, where ratios
        mean nothing, by what factor the range of the runs would have to be stretched about its
        middle.

        Args:
            **inputs: inputs by name, any shape.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
            >>> beyond = fit.extrapolation(N=1e7, D=1e7)
            >>> f"N {beyond['N']:.1f} times, D {beyond['D']:.1f} times"
            'N 9.9 times, D 1.0 times'
        """
        factors = {}
        for name, x in inputs.items():
            column = self.runs.column(name, self.law.flops)
            x = np.asarray(x, float)
            low, high = column.min(), column.max()
            if self.law.kinds.get(name, "positive") == "positive":
                beyond = [x / high, low / x]
            else:
                away, half = np.abs(x - (low + high) / 2), (high - low) / 2
                beyond = [away / half if half else np.where(away > 0, np.inf, 1.0)]
            factors[name] = np.maximum.reduce([*beyond, np.ones(x.shape)])
        return factors

    def to_dict(self, nested: bool = True) -> dict[str, Any]:
        """Return the JSON document as a dict of plain Python values.

        Args:
            nested: whether `nesting` is worked out and stated; of thousands of fits it takes long.
        """
        certificate = dataclasses.asdict(self.certificate)
        certificate["trusted"] = self.certificate.trusted
        certificate["reasons"] = list(self.certificate.reasons)
        law = type(self.law)
        runs = stored(self.runs, self.law)
        document = {
            "schema_version": SCHEMA,
            "law": law.__name__,
            "formula": law.formula(),
            "params": {name: float(value) for name, value in self.law.values.items()},
            "derived": derived(self.law),
            "errors": dict(self.errors),
            "unstated": self.unstated,
            "intervals": {name: list(pair) for name, pair in self.intervals.items()},
            "objective": {
                "value": self.value,
                **self.loss.document(),
                "residual": self.residual.name,
                "n": len(runs),
            },
            "statistics": dict(self.statistics),
            **({"nesting": self.nesting and self.nesting.document()} if nested else {}),
            "certificate": certificate,
            "data": {
                "n": len(runs),
                "columns": list(self.law.inputs),
                "sha256": runs.digest(),
                "hashed": hashed_names(runs),
                "source": runs.source,
                "response": runs.response.kind,
                "dropped": [[int(row), reason] for row, reason in runs.dropped],
                "suspects": [int(runs.rows[k]) for k in self.suspects],
                "values": {name: column.tolist() for name, column in runs.columns.items()},
                "loss": runs.loss.tolist(),
                "weight": None if runs.weight is None else runs.weight.tolist(),
                "rows": runs.rows.tolist(),
                "group": None if runs.group is None else runs.group.tolist(),
                "names": runs.names,
                "called": {str(row): name for row, name in runs.called.items()},
            },
            "starts": {"values": self.start_values.tolist(), "status": self.start_status.tolist()},
            "warnings": list(self.warnings),
            "seconds": dict(self.seconds),
            "settings": {**_law_settings(self.law), **self.settings, **self._held()},
            "versions": versions(),
        }
        written: dict[str, Any] = plain(document)
        return written

    def _held(self) -> dict[str, Any]:
        bounds, tied, pooled = self.constraints
        found: dict[str, Any] = {"fixed": list(self.fixed)}
        found |= {"pooled": {name: list(both) for name, *both in pooled}} if pooled else {}
        found |= {"tied": dict(tied)} if tied else {}
        return found | ({"bounds": {name: list(x) for name, x in bounds}} if bounds else {})

    def to_json(self) -> str:
        """Return the JSON text; numbers keep all digits, NaN and infinities become null."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file, the old one staying whole until the new one is.

        Args:
            path: the file; its folder must exist.

        Raises:
            OSError: the file could not be written.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
            >>> fit.save("fit.json")
            >>> jaxscale.load("fit.json").law.alpha == fit.law.alpha
            True
        """
        write_atomically(Path(path), self.to_json().encode() + b"\n")

    def table(self, *, kind: str | None = None) -> Any:
        """Return the parameters, and what the law derives from them, as a dataframe.

        Args:
            kind: "pandas", "polars", "pyarrow" or "dict" (of NumPy arrays). Default the kind of
                frame that the runs came from; that of a fit read from a file is not known, so then,
                as for runs of a file or of arrays, the first of these that is installed.

        Returns:
            Columns parameter, estimate, standard_error (NaN where there is none to state), state
            ("fitted", "fixed", "tied to ...", "derived") and meaning. `fit.runs.table()` has the
            runs.

        Raises:
            ImportError: the library asked for is not installed.
            ValueError: there is no such kind.
        """
        return frame(fit_columns(self), kind, self.runs.frame_kind)

    def _blocks(self) -> list[Block]:
        return fit_blocks(self)


def stored(runs: Runs, law: Law) -> Runs:
    """Return what a file keeps of the runs, so that its digest can be worked out from the file.

    That is N, D, C and the law's inputs; a number that is not finite, which JSON cannot hold,
    is NaN.
    """
    kept: dict[str, Any] = {
        name: np.where(np.isfinite(column), column, np.nan)
        for name, column in runs.columns.items()
        if name in ("N", "D", "C", *law.inputs)
    }
    others = {f.name: getattr(runs, f.name) for f in dataclasses.fields(runs)}
    del others["columns"]
    return Runs(**others, **kept)


def hashed_names(runs: Runs) -> list[str]:
    """Return the names of what the digest of the runs covers."""
    return [*sorted(runs.columns), "loss", *([] if runs.weight is None else ["weight"])]


def _law_settings(law: Law) -> dict[str, Any]:
    """Return what a law holds beside its parameters; a FLOPs function cannot be written down."""
    settings: dict[str, Any] = {"of": law.of, **stated_families(law)}
    if law.flops is not SIX_ND or isinstance(law, ChinchillaNDC):
        settings["flops"] = stated_cost(law.flops)
    return settings
