"""jaxscale fits parametric scaling laws to tables of training runs.

In massive batches, differentiably, with honest uncertainty. It knows runs, laws, objectives,
optimizers and decisions; it does not train models, fetch data, or run experiments.
"""

__version__ = "0.1.0"

from jaxscale import engine, optimizers
from jaxscale._positive import power
from jaxscale.allocation import Allocation, allocate
from jaxscale.certificate import Certificate
from jaxscale.errors import DataError, FitError, JaxscaleError
from jaxscale.exponents import ExponentGrid, exponent_grid
from jaxscale.fit import fit
from jaxscale.flops import SixND
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
    critical_batch,
    minimum_steps,
    predict,
)
from jaxscale.losses import Absolute, Huber, Loss, Square
from jaxscale.objective import Objective, Reduced
from jaxscale.optimizers import newton
from jaxscale.refit import Refits, refit
from jaxscale.result import FitResult, load
from jaxscale.runs import Runs, read_runs
from jaxscale.space import breakpoint_at, coefficient, exponent, offset, scale
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
    "Henighan",
    "Huber",
    "JaxscaleError",
    "Kaplan",
    "KaplanC",
    "KaplanD",
    "KaplanN",
    "KaplanSteps",
    "Law",
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
    "breakpoint_at",
    "coefficient",
    "critical_batch",
    "engine",
    "exponent",
    "exponent_grid",
    "fit",
    "load",
    "minimum_steps",
    "newton",
    "offset",
    "optimizers",
    "power",
    "predict",
    "read_runs",
    "read_spec",
    "refit",
    "run_sweep",
    "scale",
    "warmup",
]
