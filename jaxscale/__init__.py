"""jaxscale fits parametric scaling laws to tables of training runs.

In massive batches, differentiably, with honest uncertainty. It knows runs, laws, objectives,
optimizers, forecasts and decisions; it does not train models or run experiments.
"""

__version__ = "0.1.0"

from jaxscale import datasets, engine, optimizers, quantities
from jaxscale._positive import power
from jaxscale.allocation import Allocation, allocate
from jaxscale.bootstrap import bootstrap
from jaxscale.certificate import Certificate
from jaxscale.comparison import compare
from jaxscale.errors import DataError, FitError, JaxscaleError, LawError
from jaxscale.exponents import ExponentGrid, exponent_grid
from jaxscale.fit import fit
from jaxscale.flops import SixND
from jaxscale.forecast import Forecaster
from jaxscale.influence import influence
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
    predict,
)
from jaxscale.losses import Absolute, Huber, Loss, Square
from jaxscale.objective import Objective, Reduced
from jaxscale.optimizers import newton
from jaxscale.profile import profile
from jaxscale.refit import Refits, refit
from jaxscale.result import FitResult, load
from jaxscale.runs import Runs, read_runs
from jaxscale.space import breakpoint_at, coefficient, exponent, offset, scale
from jaxscale.speedup import effective_speedup
from jaxscale.sweep import SweepResult, run_sweep
from jaxscale.sweep_spec import read_spec
from jaxscale.warmup import Warmup, warmup

__all__ = [
    "CATALOGUE",
    "Absolute",
    "Allocation",
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
    "Square",
    "SweepResult",
    "Warmup",
    "allocate",
    "bootstrap",
    "breakpoint_at",
    "coefficient",
    "compare",
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
    "warmup",
]
