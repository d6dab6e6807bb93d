"""Peers that get a process of their own: nlsq and simple-scaling-laws.

nlsq sets JAX to float64 for its whole process. Its `CurveFit` keeps its compiled programs between
fits, so one is made per process and warmed with one start. On logarithms without their means and
with tolerances of 1e-12 it reaches the optimum from 33 of 40 classic starts, as it comes from 13,
and no setting that was tried costs clearly less per success. Its log of iterations is off.

simple-scaling-laws has its own objective, least squares of the losses; its answer is held against
`jaxscale.fit(loss=Square(), residual="absolute")`. One fit is an exponent grid of starts, five of
them polished by SciPy, then `draws` warm refits of wild-bootstrap tables with a guard.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .measure import Job, Missing, Options, Record
from .peers import load
from .problems import Problem

NLSQ_STARTS = 4
"""Classic starts of nlsq per round."""


def nlsq_fits(problem: Problem, starts: np.ndarray) -> dict[str, Any]:
    """Fit from every start with one warm `CurveFit`; runs in a process of its own.

    Args:
        problem: the runs.
        starts: theta [K, 5].

    Returns:
        theta [K, 5] as lists, evaluations, CPU and wall seconds without the first, warming fit.
    """
    nlsq = load("nlsq")
    import jax.numpy as jnp

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("nlsq")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    log_N, log_D, log_loss = problem.logs
    means = log_N.mean(), log_D.mean(), log_loss.mean()
    x, y = np.stack([log_N - means[0], log_D - means[1]]), log_loss - means[2]

    def shifted(theta: np.ndarray, sign: float) -> np.ndarray:
        a, b, e, alpha, beta = theta
        a, b = a - sign * (alpha * means[0] + means[2]), b - sign * (beta * means[1] + means[2])
        return np.array([a, b, e - sign * means[2], alpha, beta])

    # One argument per parameter is how the library counts them.
    def model(x: Any, a: Any, b: Any, e: Any, alpha: Any, beta: Any) -> Any:  # noqa: PLR0917
        return jnp.logaddexp(jnp.logaddexp(a - alpha * x[0], b - beta * x[1]), e)

    fitter = nlsq.CurveFit()
    options = {"method": "trf", "loss": "huber", "f_scale": problem.delta,
               "ftol": 1e-12, "xtol": 1e-12, "gtol": 1e-12}  # fmt: skip

    def fit(start: np.ndarray) -> np.ndarray:
        try:
            found = fitter.curve_fit(model, x, y, p0=shifted(start, 1.0), **options)
        except (RuntimeError, ValueError):  # it says that it found no optimum
            return np.full(5, np.nan)
        return shifted(np.asarray(found.popt, float), -1.0)

    with np.errstate(all="ignore"):
        fit(starts[0])
        wall, cpu = time.perf_counter(), time.process_time()
        theta = [fit(start).tolist() for start in starts]
    return {"theta": theta, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


class NlsqJob(Job):
    """nlsq from another slice of the classic starts per round, in a process of its own."""

    def __init__(self, problem: Problem, options: Options) -> None:
        record = Record(
            "epoch", problem.name, len(problem.N), "nlsq", "nlsq",
            "CurveFit, trf with loss='huber', f_scale=delta, logarithms without their means, "
            "tolerances 1e-12", len(problem.starts), 0,
        )  # fmt: skip
        super().__init__(record, lambda turn: None)
        self.problem, self.found = problem, np.zeros((0, 5))
        self.drawn = np.random.default_rng(options.seed).permutation(len(problem.starts))

    def round(self, turn: int) -> None:
        """Fit from a few starts in a child process."""
        if self.record.skipped:
            return
        count = min(NLSQ_STARTS, len(self.problem.starts))
        chosen = np.resize(self.drawn, (turn + 1) * count)[-count:]
        answer = _asked("nlsq", self.problem, self.record, starts=self.problem.starts[chosen])
        if answer is None:
            return
        self.record.run = min(self.record.run + count, self.record.total)
        factor = self.record.total / count
        self.record.wall.append(answer["wall"] * factor)
        self.record.cpu.append(answer["cpu"] * factor)
        self.found = np.concatenate([self.found, np.array(answer["theta"], float)])

    def finish(self) -> None:
        """Grade every start."""
        if len(self.found):
            values = self.problem.value(self.found)
            self.record.values = np.where(np.isfinite(values), values, np.inf)
            self.record.answer = float(self.record.values.min())


def simple_fit(problem: Problem, draws: int) -> dict[str, Any]:
    """Fit with `simple_scaling_laws.fit` and its bootstrap; runs in a process of its own.

    Returns:
        E, A, B, alpha, beta in the units of the runs, CPU and wall seconds of the fit alone.
    """
    package = load("simple_scaling_laws")
    polars = load("polars")
    frame = polars.DataFrame(
        {"training_run_id": [f"r{k}" for k in range(len(problem.N))], "model_size__N": problem.N,
         "dataset_size__D": problem.D, "test_loss__loss": problem.loss}
    )  # fmt: skip
    wall, cpu = time.perf_counter(), time.process_time()
    model = package.fit(frame, law="separable-power", n_draws=draws, seed=0)
    cost = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    found = {name: float(value) for name, value in model.params("test_loss__loss").items()}
    # Its amplitudes are of sizes divided by their geometric mean.
    for name, exponent, column in (("A", "alpha", problem.N), ("B", "beta", problem.D)):
        found[name] *= float(np.exp(found[exponent] * np.log(column).mean()))
    return {"params": found, **cost}


class SimpleJob(Job):
    """simple-scaling-laws with its bootstrap, in a process of its own per round."""

    def __init__(self, problem: Problem, draws: int) -> None:
        record = Record(
            "bootstrap", problem.name, len(problem.N), "simple-scaling-laws",
            "simple-scaling-laws", f"fit and {draws} wild-bootstrap refits, least squares",
            draws, draws,
        )  # fmt: skip
        super().__init__(record, lambda turn: None)
        self.problem, self.draws = problem, draws

    def round(self, turn: int) -> None:
        """Fit once in a child process."""
        if self.record.skipped:
            return
        answer = _asked("simple", self.problem, self.record, draws=self.draws)
        if answer is not None:
            self.record.wall.append(answer["wall"])
            self.record.cpu.append(answer["cpu"])
            self.record.extra["params"] = answer["params"]
            self.record.answer = squares(self.problem, answer["params"])

    def finish(self) -> None:
        """Nothing: its answer is of another objective than that of the other records."""


def squares(problem: Problem, params: dict[str, float]) -> float:
    """Return the sum of squared residuals of the losses."""
    terms = params["A"] * problem.N ** -params["alpha"] + params["B"] * problem.D ** -params["beta"]
    return float(((params["E"] + terms - problem.loss) ** 2).sum())


def least_squares_job(problem: Problem, draws: int) -> Job:
    """Return jaxscale on what `SimpleJob` does: fit, then refits of wild-bootstrap tables."""
    import jaxscale

    from .methods import runs_of

    record = Record(
        "bootstrap", problem.name, len(problem.N), "jaxscale least squares", "jaxscale",
        f"fit and {draws} wild-bootstrap refits by least squares of the losses", draws, draws,
    )  # fmt: skip
    law, runs, rng = jaxscale.Chinchilla(), runs_of(problem), np.random.default_rng(0)
    six = np.sqrt([1.5, 1.0, 0.5])

    def call(_: int = 0) -> Any:
        fitted = jaxscale.fit(law, runs, loss=jaxscale.Square(), residual="absolute", starts=0)
        there = fitted.predict(N=problem.N, D=problem.D)
        signs = rng.choice([*six, *-six], (draws, len(problem.N)))
        jaxscale.refit(fitted, losses=there + signs * (problem.loss - there), guards=1)
        return fitted

    def finish(record: Record, results: list[Any]) -> None:
        record.extra["params"] = {k: float(v) for k, v in results[-1].law.values.items()}
        record.answer = squares(problem, record.extra["params"])

    begin = time.perf_counter()
    call()
    record.first = {"compile_s": None, "cpu_s": None, "wall_s": time.perf_counter() - begin}
    return Job(record, call, finish=finish)


def _asked(task: str, problem: Problem, record: Record, **request: Any) -> dict[str, Any] | None:
    """Return a child's answer, or None and the reason in the record."""
    from .child import ask, pack

    request = {key: np.asarray(value).tolist() for key, value in request.items()}
    answer = ask(task, {"problem": pack(problem), **request})
    if "missing" in answer:
        record.skipped = answer["missing"]
        return None
    return answer


def answered(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a task of a child found, or why it cannot run."""
    try:
        return call()
    except Missing as error:
        return {"missing": str(error)}
