"""Reading a fit back: everything in the file is checked, and its law is held against its runs.

A file may have been cut, edited or made up. What is read is read as a claim: of the right kind
and size, finite, within bounds, and what follows from the rest is worked out again
(`verification`). A file that fails is refused in one sentence that names the field. Loading runs
no code that the file names.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale._numerics.precision import PRECISIONS
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError, SeveralFitsError
from jaxscale.files.fields import Field
from jaxscale.files.reading import parse_json, read_text
from jaxscale.fitting.constraints import Constraints
from jaxscale.fitting.families import family_of, result_class
from jaxscale.fitting.result import SCHEMA, FitResult
from jaxscale.fitting.saved_certificate import certificate_of
from jaxscale.fitting.saved_families import (
    asked_for,
    damaged,
    families_class,
    has_families,
    law_name,
    pooled_of,
)
from jaxscale.fitting.saved_runs import called_of, dropped_of, group_of, suspects_of
from jaxscale.fitting.verification import SAME, check_document
from jaxscale.flops import FORMS, Cost, Flops, SixND
from jaxscale.laws import CATALOGUE, Law, derived, predict
from jaxscale.laws.names import running
from jaxscale.laws.parameters import Parameter
from jaxscale.laws.plain import is_function, law_of
from jaxscale.objective.losses import NAMES, Loss
from jaxscale.objective.residuals import RESIDUALS, Residual
from jaxscale.text import listing, short

MAX_BYTES = 1 << 28
"""Largest file that is read: some two million runs."""
OWN = ("of", "flops", "fixed", "tied", "bounds", "families", "pooled")
"""Settings that have fields of their own in a result."""


def load(
    path: str | Path,
    law: type[Law] | Callable[..., Any] | None = None,
    flops: Flops | None = None,
    loss: type[Loss] | None = None,
    table: str | None = None,
) -> FitResult:
    """Load a result that `FitResult.save` or `jaxscale fit --out` wrote.

    Args:
        path: the JSON file.
        law: the class of a user's own law, or its plain function; the file alone never makes code
            run.
        flops: the FLOPs function of a `ChinchillaNDC` that was fitted with a user's own.
        loss: the class of a user's own loss.
        table: whose fit, of a file of several (see `load_many`); or which family of a fit over
            families.

    Returns:
        The fit, as it was saved; what it is asked is worked out from its own runs.

    Raises:
        DataError: the file is missing, is no such result, or is damaged: a field is missing or of
            another kind, or the law does not give the objective that the file states for it.
        TypeError: `law` is no class of laws, or `loss` none of losses.
        SeveralFitsError: the file is one of many tables, and `table` names none.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> fit.save("fit.json")
        >>> again = jaxscale.load("fit.json")
        >>> again.law.E == fit.law.E, len(again.runs)
        (True, 68)
    """
    path = Path(path)
    document = read_document(path)
    where = str(path)
    if "fits" in document.value:
        fits = document["fits"].items()
        if table is None:
            raise SeveralFitsError(
                f"{path}: holds the fits of {len(fits)} tables ({listing(list(fits))}); say which: "
                "load(path, table=NAME) (--table NAME), or load_many(path)"
            )
        if table not in fits:
            gone = document.get("refused").value
            refused = gone.get(table) if isinstance(gone, dict) else None
            why = f"was refused: {refused}" if refused else f"is none of {listing(list(fits))}"
            raise DataError(f"{path}: table {short(table)} {why}")
        document, where = fits[table], f"{path}, table {short(table)}"
    elif table is not None and not has_families(document):
        raise DataError(f"{path}: holds one fit, of no table {short(table)}; leave --table out")
    fit = fit_of(document, where, law, flops=flops, loss=loss)
    return fit if table is None or not has_families(document) else family_of(fit, table)


def fit_of(
    document: Field,
    where: str,
    law: type[Law] | Callable[..., Any] | None,
    *,
    flops: Flops | None,
    loss: type[Loss] | None,
) -> FitResult:
    """Return the fit that a document states; errors as `load`.

    Args:
        document: of the fit.
        where: how a message names it.
        law: see `load`.
        flops: see `load`.
        loss: see `load`.
    """
    if is_function(law):  # which of its arguments are inputs, the file knows
        known, name = inspect.signature(law).parameters, law_name(document)
        inputs = [x for x in document["data"]["columns"].texts() if x in known]
        law = law_of(law, inputs=inputs or None, name=name if isinstance(name, str) else None)
    if law is not None and not (isinstance(law, type) and issubclass(law, Law)):
        raise TypeError(f"law must be a class of laws such as Chinchilla, got {short(law)}")
    if loss is not None and not (isinstance(loss, type) and issubclass(loss, Loss)):
        raise TypeError(f"loss must be a class of losses such as Huber, got {short(loss)}")
    name = law_name(document)
    if isinstance(name, str):
        try:
            law = law or CATALOGUE.get(name)
        except ValueError as error:  # arguments that the law does not take
            raise DataError(f"{where}: {error}") from error
        if law is None or law.__name__ != name:
            raise DataError(f"{where}: fitted with the law {short(name)}; {asked_for(name, law)}")
    try:
        cls = families_class(document, law or Law) if has_families(document) else law or Law
        return _result(document, cls, flops, loss)
    except DataError as error:
        raise DataError(f"{where}: {damaged(law)}: {error}") from error
    except ValueError as error:  # a law of the user's own
        raise DataError(f"{where}: {error}") from error


def read_document(path: Path) -> Field:
    """Return the document of a file of one fit or of several, not looked into yet."""
    text = read_text(path, MAX_BYTES, f"a result of jaxscale fit RUNS --out {path / 'fit.json'}")
    try:
        document = parse_json(text, str(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not a fit result (it is no JSON: {error})") from error
    several = isinstance(document, dict) and "fits" in document and "refused" in document
    if not several and not (
        isinstance(document, dict) and "params" in document and "data" in document
    ):
        raise DataError(f"{path}: not a fit result; write one with: jaxscale fit RUNS --out {path}")
    return Field("", document)


def _result(
    document: Field, cls: type[Law], flops: Flops | None, loss: type[Loss] | None
) -> FitResult:
    if document["schema_version"].whole() != SCHEMA:
        expected = f"{SCHEMA}, the one that this version of jaxscale reads"
        raise document["schema_version"].wrong(expected)
    document["law"].text()
    law, fixed, settings = _law(document, cls, flops)
    constraints = _constraints(document["settings"], law, fixed)
    n = document["data"]["loss"].length()
    for name in ("data", "objective"):
        document[name]["n"].same(n, "values in data.loss")
    residual = RESIDUALS[document["objective"]["residual"].text(RESIDUALS)]
    runs = _runs(document["data"], law, residual, n)
    with running(f"{cls.__name__} on the runs of the file"):
        inputs = {name: runs.column(name, law.flops) for name in law.inputs}
        prediction = np.asarray(predict(law, **inputs) * np.ones(n), float)
    if prediction.shape != (n,):
        raise ValueError(f"{cls.__name__} gives an array of shape {prediction.shape} for {n} runs")
    start_values, start_status, certificate = certificate_of(document, law, fixed, n)
    result = result_class(law)(
        law=law,
        value=document["objective"]["value"].number(),
        loss=_loss(document["objective"], loss),
        residual=residual,
        fixed=fixed,
        certificate=certificate,
        errors=_errors(document.get("errors"), law),
        unstated=document["unstated"].text() if "unstated" in document.value else "",
        statistics={k: f.number(null=math.nan) for k, f in document["statistics"].items().items()},
        runs=runs,
        prediction=prediction,
        start_values=start_values,
        start_status=start_status,
        intervals=_intervals(document["intervals"], law, fixed),
        suspects=suspects_of(document["data"], runs),
        warnings=document["warnings"].texts(),
        seconds={key: field.number(0) for key, field in document["seconds"].items().items()},
        settings=settings,
        constraints=constraints,
    )
    for key in ("compile", "solve", "total"):
        document["seconds"].need(key)
    check_document(document, result, inputs)
    return result


def _law(
    document: Field, cls: type[Law], flops: Flops | None
) -> tuple[Law, tuple[str, ...], dict[str, Any]]:
    """Return the law, what was fixed of it, and the settings that are not the law's own."""
    stated, settings = document["settings"], document["settings"].items()
    own = _own_settings(cls, {name: stated.get(name) for name in ("of", "flops")}, flops)
    with running(f"{cls.__name__}()"):
        specs = cls(**own).parameters
    params = document["params"].only(tuple(specs), all_of_them=True)
    values = {name: field.number() for name, field in params.items()}
    fixed = stated["fixed"].texts(tuple(specs))
    if len(set(fixed)) == len(specs):
        raise stated["fixed"].wrong("at least one parameter to be left free")
    for name in specs.keys() - set(fixed):
        _within(params[name], specs[name])
    with running(f"{cls.__name__}({', '.join(specs)})"):
        law = cls(**values, **own)
    columns = document["data"]["columns"]
    if columns.texts() != law.inputs:
        raise columns.wrong(f"the inputs of {cls.__name__}, {', '.join(law.inputs)}")
    return law, tuple(fixed), _settings(stated, settings)


def _own_settings(cls: type[Law], stated: dict[str, Field], flops: Flops | None) -> dict[str, Any]:
    """Return what a law holds beside its parameters."""
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    if "of" in fields:
        found["of"] = stated["of"].text()
    elif stated["of"].value is not None:
        raise stated["of"].wrong(f"null, since {cls.__name__} is no law of one scale")
    if "flops" in fields and stated["flops"].value == "user" and flops is None:
        raise ValueError(
            "fitted with a FLOPs function of the user's own: load(path, flops=FUNCTION), or "
            "--flops FILE.py:FUNCTION"
        )
    if "flops" in fields and stated["flops"].value is not None:
        found["flops"] = flops if stated["flops"].value == "user" else _cost(stated["flops"])
    return found


def _cost(field: Field) -> Cost:
    """Return a cost that a file states: k of k N D, or a form with its coefficients."""
    if not isinstance(field.value, dict):
        return SixND(field.positive())
    cls = FORMS[field["form"].text(FORMS)]
    names = [f.name for f in dataclasses.fields(cls) if f.name != "unit"]  # type: ignore[arg-type]
    stated = field.only(("form", "unit", *names), all_of_them=True)
    values = {name: stated[name].positive() for name in names}
    return cls(**values, unit=stated["unit"].text())  # type: ignore[call-arg]


def _within(field: Field, spec: Parameter) -> None:
    """Check a fitted parameter; those with a unit of the runs are bounded in other coordinates."""
    if spec.positive:
        field.positive()
    elif spec.dimensionless:
        (low, high), value = spec.bounds, field.number()
        slack = SAME * max(1.0, abs(value))  # a search in float32 rounds its bounds
        if not low - slack <= value <= high + slack:
            raise field.wrong(f"a number in its bounds, {low:g} to {high:g}")


def _settings(stated: Field, settings: dict[str, Field]) -> dict[str, Any]:
    if "max_steps" in settings:
        stated["max_steps"].whole(1)
    if "precision" in settings:
        stated["precision"].text(PRECISIONS)
    for name in ("optimizer", "law"):
        if name in settings:
            stated[name].text()
    seed = stated.get("seed")
    if type(seed.value) is not int and seed.value is not None:
        raise seed.wrong("a whole number or null")
    return {name: f.value for name, f in settings.items() if name not in OWN}


def _constraints(settings: Field, law: Law, fixed: Sequence[str]) -> Constraints:
    """Return bounds and ties, which most fits do not have."""
    tied, bounds = settings.get("tied"), settings.get("bounds")
    free = law.replace(**dict.fromkeys(name for name in law.parameters if name not in fixed))
    pairs = {} if tied.value is None else {k: f.text() for k, f in tied.items().items()}
    ranges = {} if bounds.value is None else bounds.items()
    limits = {
        name: (low.number(null=-math.inf), high.number(null=math.inf))
        for name, (low, high) in ((name, pair.elements(2)) for name, pair in ranges.items())
    }
    try:
        found = Constraints.of(free, limits, pairs)._replace(pooled=pooled_of(settings, free))
        found.prior(free, free.free)
    except ValueError as error:
        raise DataError(f"settings: {error}") from error
    for name, other in found.tied:
        if getattr(law, name) != getattr(law, other):
            raise tied.wrong(f"{name} to be {other}, as params have it")
    return found


def _runs(data: Field, law: Law, residual: Residual, n: int) -> Runs:
    columns: dict[str, Any] = {
        name: field.numbers(n, gaps=True)
        for name, field in data["values"].only(("N", "D", "C", *law.inputs)).items()
    }
    weight = data["weight"]
    runs = Runs(
        loss=data["loss"].numbers(n),
        weight=None if weight.value is None else weight.numbers(n),
        rows=data["rows"].wholes(n),
        source=data["source"].text(),
        group=group_of(data["group"], n),
        called=called_of(data.get("called")),
        names={key: field.text() for key, field in data["names"].items().items()},
        dropped=[dropped_of(field) for field in data["dropped"].elements()],
        **columns,
    )
    given = len(columns.keys() & set("NDC"))
    for name in law.inputs:
        if name not in columns and not (name in "NDC" and given == 2):
            raise DataError(f"data.values.{name} is missing")
    read = set(law.inputs) if set(law.inputs) <= set(columns) else {*law.inputs, *columns}
    for name in read & set(columns):
        if law.kinds.get(name, "positive") == "positive":
            _require(data["values"][name], columns[name] > 0, "a positive number")
    allowed = residual.allows(runs.loss)
    _require(data["loss"], allowed, f"{residual.rule} under {residual} residuals")
    _require(weight, runs.weights >= 0, "a weight >= 0")
    if not runs.weights.any():
        raise weight.wrong("a weight above 0")
    return runs


def _require(field: Field, good: np.ndarray, expected: str) -> None:
    for k in np.flatnonzero(~good)[:1]:
        raise Field(f"{field.name}[{k}]", field.value[k]).wrong(expected)


def _loss(objective: Field, own: type[Loss] | None) -> Loss:
    """Return the loss: one of the catalogue, else the class given, whose name must agree."""
    name, delta = objective["loss"].text(), objective["delta"]
    cls = NAMES.get(name)
    if cls is None:
        called = name.rpartition(":")[2]
        if not called.isidentifier():
            raise objective["loss"].wrong("the name of a loss")
        if own is None or own.__name__ != called:
            raise ValueError(
                f"fitted with the loss {short(name)}; give its class: load(path, loss={called}), "
                f"or --loss FILE.py:{called}"
            )
        cls = own
    if cls.width is None and delta.value is not None:
        raise delta.wrong(f"null, since the loss {name} has no width")
    fields = {} if cls.width is None else {cls.width: delta.positive()}
    known = [f.name for f in dataclasses.fields(cls) if f.name != cls.width]  # type: ignore[arg-type]
    stated = objective.get("fields")
    if stated.value is not None:
        fields |= {key: field.positive() for key, field in stated.only(known).items()}
    with running(cls.__name__):
        return cls(**fields)


def _errors(field: Field, law: Law) -> dict[str, float]:
    """Return the standard errors, which older files do not have."""
    if field.value is None:
        return {}
    known = field.only((*law.parameters, *derived(law)))
    return {name: error.number(0, null=math.nan) for name, error in known.items()}


def _intervals(field: Field, law: Law, fixed: Sequence[str]) -> dict[str, tuple[float, float]]:
    specs = law.parameters.items()
    breaks = [name for name, spec in specs if spec.role == "breakpoint" and name not in fixed]
    found = {}
    for name, pair in field.only(breaks, all_of_them=True).items():
        low, high = (end.positive() for end in pair.elements(2))
        if not low <= law.values[name] <= high:
            raise pair.wrong(f"two numbers with {name} = {law.values[name]:g} between them")
        found[name] = (low, high)
    return found
