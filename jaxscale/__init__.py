"""jaxscale fits parametric scaling laws to tables of training runs.

In massive batches, differentiably, with honest uncertainty. It knows runs, laws, objectives,
optimizers, forecasts and decisions; it does not train models or run experiments.

The nouns, each with one meaning throughout:

    run           one training run: a row of a table, its inputs and its loss; `Runs` is n of them
    input         what a run was given and a law reads: N parameters, D tokens, C FLOPs, others
    unit          of an input or a loss: that of the table, kept in every answer
    loss          the number that a run measured
    Loss          the robust loss rho(r): how far a residual counts
    law           the formula of the loss in the inputs; a class, and its instance with values
    parameter     a number in a law; free where it is None, else fixed
    residual      how a prediction is held against a loss, and the number r that results
    objective     the sum over runs of weight times rho(r), as a function of the coordinates
    coordinates   z [P]: the free parameters without units, positive ones as logarithms
    family        runs of one label, in a fit of a law that shares parameters between labels
    space         how parameters become coordinates and back, and their bounds
    problem       runs, law, Loss and residual as an objective that is ready to be minimized
    start         a point z from which the objective is minimized
    lane          the place in the compiled loop that works on one start at a time
    chunk         the starts of one call of the compiled loop
    solution      what every start led to: coordinates, value, status, steps
    basin         the starts that ended at one value
    optimum       the best solution; solved on in float64 where the precision or the Loss asks
    certificate   why to believe that the optimum is one, or why not
    varpro        variable projection: at given exponents, linear parameters are solved for exactly
    linearized    a fit at its optimum: residuals, their slopes, the curvature, the leverages
    curvature     the second derivatives of the objective at the optimum, exact or smoothed
    sandwich      the covariance that holds where the noise differs from run to run
    refit         the law fitted again from the optimum, to other weights, losses or fixed values
    replicate     one table of many that are refitted: runs drawn again, or losses drawn anew
    draw          the law of one replicate; `Draws` is B of them
    profile       the least objective as a function of one quantity, all else at its best
    influence     what one run does to an answer
    leverage      how much a run pulls its own prediction
    quantity      a number that follows from a law: a parameter, a prediction, the best N
    level         the nominal coverage of an interval; along a size, the runs of equal size
    rollout       laws fitted to the smaller runs and judged on the larger ones
    forecast      the loss at the end of a run, told from its beginning
    cost          of a run, C as a function of N and D: FLOPs, hours or dollars
    allocation    the best N and D for a budget, or the least budget for a loss
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from jaxscale._version import __version__

if TYPE_CHECKING:
    from jaxscale import datasets, engine, optimizers, plot
    from jaxscale import errors as errors
    from jaxscale import flops as flops
    from jaxscale import forecast as forecast
    from jaxscale import laws as laws
    from jaxscale import plotting as plotting
    from jaxscale._numerics.positive import power
    from jaxscale.comparison.compare import compare
    from jaxscale.comparison.held_out import cross_validate, rollout
    from jaxscale.data.runs import Runs, read_runs
    from jaxscale.decisions.allocation import Allocation
    from jaxscale.decisions.mixing import best_mixture
    from jaxscale.decisions.near import near_optimal
    from jaxscale.decisions.question import Lifetime
    from jaxscale.designs.design import design
    from jaxscale.designs.result import Design
    from jaxscale.engine import implicit
    from jaxscale.errors import DataError, FitError, JaxscaleError, LawError
    from jaxscale.fitting.certificate import Certificate
    from jaxscale.fitting.exponent_grid import ExponentGrid, exponent_grid
    from jaxscale.fitting.fit import fit
    from jaxscale.fitting.many import fit_many
    from jaxscale.fitting.many_result import ManyFits
    from jaxscale.fitting.refit import Refits, refit
    from jaxscale.fitting.reproduction import Verified, verify
    from jaxscale.fitting.result import FitResult
    from jaxscale.fitting.saved import load
    from jaxscale.fitting.saved_many import load_many
    from jaxscale.fitting.solver import Solver, solver
    from jaxscale.fitting.warmup import Warmup, warmup
    from jaxscale.flops import AffineCost, PowerCost, SixND, Transformer, fit_cost
    from jaxscale.forecast.forecaster import Forecaster
    from jaxscale.forecast.learning import learn_prior
    from jaxscale.isoflops.approaches import isoflop
    from jaxscale.isoflops.result import IsoFlop
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
        Skaling,
        Sum,
        Term,
        Translog,
        law_of,
        listed,
        predict,
    )
    from jaxscale.laws.grouped import Grouped
    from jaxscale.laws.listed import *  # noqa: F403 - see __all__
    from jaxscale.laws.parameters import (
        breakpoint_at,
        coefficient,
        constant,
        exponent,
        offset,
        scale,
    )
    from jaxscale.objective.losses import (
        Absolute,
        Asymmetric,
        Huber,
        Loss,
        Quantile,
        Square,
        StudentT,
    )
    from jaxscale.objective.objective import Objective
    from jaxscale.objective.residuals import Residual
    from jaxscale.optimizers import newton
    from jaxscale.ranking.rank import rank
    from jaxscale.ranking.result import Ranking
    from jaxscale.recipes.multiplier import compute_multiplier
    from jaxscale.recipes.speedup import effective_speedup
    from jaxscale.reports.page import Report, report
    from jaxscale.specification.result import Specifications
    from jaxscale.specification.specify import specify
    from jaxscale.sweep.result import SweepResult
    from jaxscale.sweep.run import run_sweep
    from jaxscale.sweep.spec import read_spec
    from jaxscale.uncertainty import quantities
    from jaxscale.uncertainty.allocations import allocate
    from jaxscale.uncertainty.asymptote import asymptote_profile
    from jaxscale.uncertainty.bootstrap import bootstrap
    from jaxscale.uncertainty.covariance import covariance
    from jaxscale.uncertainty.influence import influence
    from jaxscale.uncertainty.jackknife import jackknife
    from jaxscale.uncertainty.posterior import posterior
    from jaxscale.uncertainty.profile import profile
    from jaxscale.varpro.reduced import Reduced

_ROOMS = {
    "_numerics.positive": "power",
    "comparison.compare": "compare",
    "comparison.held_out": "cross_validate rollout",
    "data.runs": "Runs read_runs",
    "decisions.allocation": "Allocation",
    "decisions.mixing": "best_mixture",
    "decisions.near": "near_optimal",
    "decisions.question": "Lifetime",
    "designs.design": "design",
    "designs.result": "Design",
    "errors": "DataError FitError JaxscaleError LawError",
    "fitting.certificate": "Certificate",
    "fitting.exponent_grid": "ExponentGrid exponent_grid",
    "fitting.fit": "fit",
    "fitting.many": "fit_many",
    "fitting.many_result": "ManyFits",
    "fitting.refit": "Refits refit",
    "fitting.reproduction": "Verified verify",
    "fitting.result": "FitResult",
    "fitting.saved": "load",
    "fitting.saved_many": "load_many",
    "fitting.solver": "Solver solver",
    "fitting.warmup": "Warmup warmup",
    "flops": "AffineCost PowerCost SixND Transformer fit_cost",
    "forecast.forecaster": "Forecaster",
    "forecast.learning": "learn_prior",
    "isoflops.approaches": "isoflop",
    "isoflops.result": "IsoFlop",
    "laws": (
        "CATALOGUE Chinchilla ChinchillaNDC Henighan Kaplan KaplanC KaplanD KaplanN "
        "KaplanSteps Law LogLaw Piecewise PowerLaw PurePowerLaw Scalar Skaling Sum Term "
        "Translog law_of predict"
    ),
    "laws.grouped": "Grouped",
    "laws.parameters": "breakpoint_at coefficient constant exponent offset scale",
    "objective.losses": "Absolute Asymmetric Huber Loss Quantile Square StudentT",
    "objective.objective": "Objective",
    "objective.residuals": "Residual",
    "optimizers": "newton",
    "ranking.rank": "rank",
    "ranking.result": "Ranking",
    "recipes.multiplier": "compute_multiplier",
    "recipes.speedup": "effective_speedup",
    "specification.result": "Specifications",
    "specification.specify": "specify",
    "reports.page": "Report report",
    "sweep.result": "SweepResult",
    "sweep.run": "run_sweep",
    "sweep.spec": "read_spec",
    "uncertainty.allocations": "allocate",
    "uncertainty.asymptote": "asymptote_profile",
    "uncertainty.bootstrap": "bootstrap",
    "uncertainty.covariance": "covariance",
    "uncertainty.influence": "influence",
    "uncertainty.jackknife": "jackknife",
    "uncertainty.posterior": "posterior",
    "uncertainty.profile": "profile",
    "varpro.reduced": "Reduced",
}
"""Where each public name lies. It is imported when it is first asked for: nobody waits for JAX
who only wants the help of the command line."""
_WHERE = {name: room for room, names in _ROOMS.items() for name in names.split()}
_MODULES = {"implicit": "engine.implicit", "quantities": "uncertainty.quantities"}
"""Modules that are public under a shorter name; every other one is found under its own."""


if not TYPE_CHECKING:  # a checker would take any name at all for something

    def __getattr__(name: str) -> Any:
        if name in _WHERE:
            value = getattr(importlib.import_module(f"jaxscale.{_WHERE[name]}"), name)
        elif not name.startswith("_") and find_spec(f"jaxscale.{_MODULES.get(name, name)}"):
            value = importlib.import_module(f"jaxscale.{_MODULES.get(name, name)}")
        elif name[:1].isupper() and name in importlib.import_module("jaxscale.laws").CATALOGUE:
            value = importlib.import_module("jaxscale.laws").CATALOGUE[name]
        else:
            raise AttributeError(f"module 'jaxscale' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name[:2] == name[-2:] == "__")})


__all__ = [
    "Absolute",
    "AffineCost",
    "Allocation",
    "Asymmetric",
    "CATALOGUE",
    "Certificate",
    "Chinchilla",
    "ChinchillaNDC",
    "DataError",
    "Design",
    "ExponentGrid",
    "FitError",
    "FitResult",
    "Forecaster",
    "Grouped",
    "Henighan",
    "Huber",
    "IsoFlop",
    "JaxscaleError",
    "Kaplan",
    "KaplanC",
    "KaplanD",
    "KaplanN",
    "KaplanSteps",
    "Law",
    "LawError",
    "LogLaw",
    "Lifetime",
    "Loss",
    "ManyFits",
    "Objective",
    "Piecewise",
    "PowerCost",
    "PowerLaw",
    "PurePowerLaw",
    "Quantile",
    "Ranking",
    "Reduced",
    "Refits",
    "Report",
    "Residual",
    "Runs",
    "Scalar",
    "SixND",
    "Skaling",
    "Solver",
    "Specifications",
    "Square",
    "StudentT",
    "Sum",
    "SweepResult",
    "Term",
    "Transformer",
    "Translog",
    "Verified",
    "Warmup",
    "__version__",
    "allocate",
    "asymptote_profile",
    "best_mixture",
    "bootstrap",
    "breakpoint_at",
    "coefficient",
    "compare",
    "compute_multiplier",
    "constant",
    "covariance",
    "cross_validate",
    "datasets",
    "design",
    "effective_speedup",
    "engine",
    "exponent",
    "exponent_grid",
    "fit",
    "fit_cost",
    "fit_many",
    "implicit",
    "influence",
    "isoflop",
    "jackknife",
    "law_of",
    "learn_prior",
    "load",
    "load_many",
    "near_optimal",
    "newton",
    "offset",
    "optimizers",
    "plot",
    "posterior",
    "power",
    "predict",
    "profile",
    "quantities",
    "rank",
    "read_runs",
    "read_spec",
    "refit",
    "report",
    "rollout",
    "run_sweep",
    "scale",
    "solver",
    "specify",
    "verify",
    "warmup",
]
if TYPE_CHECKING:  # found in the catalogue
    __all__ += listed.__all__
