"""The catalogue of scaling laws, one module per family of inputs."""

from __future__ import annotations

from jaxscale.laws.chinchilla import Chinchilla, ChinchillaNDC
from jaxscale.laws.closed_form import Sum, Term
from jaxscale.laws.kaplan import (
    Kaplan,
    KaplanC,
    KaplanD,
    KaplanN,
    KaplanSteps,
    critical_batch,
    minimum_steps,
)
from jaxscale.laws.law import Fitted, Law, Preset, Scalar, derived, law_of, predict
from jaxscale.laws.nested import Skaling
from jaxscale.laws.power import Henighan, LogLaw, Piecewise, PowerLaw, PurePowerLaw
from jaxscale.laws.translog import Translog

CATALOGUE: dict[str, type[Law]] = {
    law.__name__: law
    for law in (
        PowerLaw,
        PurePowerLaw,
        LogLaw,
        Piecewise,
        Henighan,
        KaplanN,
        KaplanD,
        KaplanC,
        Kaplan,
        KaplanSteps,
        Chinchilla,
        ChinchillaNDC,
        Skaling,
        Translog,
    )
}
"""Every built-in law by its name."""

__all__ = [
    "CATALOGUE",
    "Chinchilla",
    "ChinchillaNDC",
    "Henighan",
    "Kaplan",
    "KaplanC",
    "KaplanD",
    "KaplanN",
    "KaplanSteps",
    "Fitted",
    "Law",
    "LogLaw",
    "Piecewise",
    "PowerLaw",
    "Preset",
    "PurePowerLaw",
    "Scalar",
    "Skaling",
    "Sum",
    "Term",
    "Translog",
    "critical_batch",
    "derived",
    "law_of",
    "minimum_steps",
    "predict",
]
