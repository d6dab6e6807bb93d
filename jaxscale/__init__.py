"""jaxscale fits parametric scaling laws to tables of training runs.

In massive batches, differentiably, with honest uncertainty. It knows runs, laws, objectives,
optimizers, forecasts and decisions; it does not train models or run experiments.
"""

from __future__ import annotations

from jaxscale import datasets, engine, optimizers
from jaxscale._numerics.positive import power
from jaxscale._version import __version__
from jaxscale.comparison.compare import compare
from jaxscale.data.runs import Runs, read_runs
from jaxscale.decisions.allocation import Allocation, allocate
from jaxscale.errors import DataError, FitError, JaxscaleError, LawError
from jaxscale.fitting.certificate import Certificate
from jaxscale.fitting.exponent_grid import ExponentGrid, exponent_grid
from jaxscale.fitting.fit import fit
from jaxscale.fitting.refit import Refits, refit
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.saved import load
from jaxscale.fitting.solver import Solver, solver
from jaxscale.fitting.warmup import Warmup, warmup
from jaxscale.flops import SixND
from jaxscale.forecast.forecaster import Forecaster
from jaxscale.laws import (
    CATALOGUE,
    Chinchilla,
    ChinchillaNDC,
    Henighan,
    Kaplan,
    KaplanC,
    KaplanD,
    KaplanN,
    KaplanSteps,
    Law,
    LogLaw,
    Piecewise,
    PowerLaw,
    PurePowerLaw,
    Scalar,
    Sum,
    Term,
    predict,
)
from jaxscale.laws.parameters import breakpoint_at, coefficient, constant, exponent, offset, scale
from jaxscale.objective.losses import Absolute, Huber, Loss, Square
from jaxscale.objective.objective import Objective
from jaxscale.optimizers import newton
from jaxscale.recipes.speedup import effective_speedup
from jaxscale.sweep.run import SweepResult, run_sweep
from jaxscale.sweep.spec import read_spec
from jaxscale.uncertainty import quantities
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.influence import influence
from jaxscale.uncertainty.profile import profile
from jaxscale.varpro.reduced import Reduced

__all__ = [
    "Absolute",
    "Allocation",
    "CATALOGUE",
    "Certificate",
    "Chinchilla",
    "ChinchillaNDC",
    "DataError",
    "ExponentGrid",
    "FitError",
    "FitResult",
    "Forecaster",
    "Henighan",
    "Huber",
    "JaxscaleError",
    "Kaplan",
    "KaplanC",
    "KaplanD",
    "KaplanN",
    "KaplanSteps",
    "Law",
    "LawError",
    "LogLaw",
    "Loss",
    "Objective",
    "Piecewise",
    "PowerLaw",
    "PurePowerLaw",
    "Reduced",
    "Refits",
    "Runs",
    "Scalar",
    "SixND",
    "Solver",
    "Square",
    "Sum",
    "SweepResult",
    "Term",
    "Warmup",
    "__version__",
    "allocate",
    "bootstrap",
    "breakpoint_at",
    "coefficient",
    "compare",
    "constant",
    "datasets",
    "effective_speedup",
    "engine",
    "exponent",
    "exponent_grid",
    "fit",
    "influence",
    "load",
    "newton",
    "offset",
    "optimizers",
    "power",
    "predict",
    "profile",
    "quantities",
    "read_runs",
    "read_spec",
    "refit",
    "run_sweep",
    "scale",
    "solver",
    "warmup",
]
