"""The catalogue of scaling laws, one module per family of inputs.

Every public law in these modules is an attribute here, `jaxscale.laws.Chinchilla`, without being
imported before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxscale.laws.catalogue import CATALOGUE
from jaxscale.laws.closed_form import Sum, Term
from jaxscale.laws.law import RANGES, Example, Law, Preset, Scalar
from jaxscale.laws.plain import law_of
from jaxscale.laws.prediction import Fitted, derived, its_law, predict

if TYPE_CHECKING:
    from jaxscale.laws import listed
    from jaxscale.laws.chinchilla import Chinchilla, ChinchillaNDC
    from jaxscale.laws.kaplan import Kaplan, KaplanC, KaplanD, KaplanN, KaplanSteps
    from jaxscale.laws.listed import *  # noqa: F403 - the others
    from jaxscale.laws.nested import Skaling
    from jaxscale.laws.power import Henighan, LogLaw, Piecewise, PowerLaw, PurePowerLaw
    from jaxscale.laws.translog import Translog
else:  # a checker would take any name at all for a law

    def __getattr__(name: str) -> Any:
        if name in CATALOGUE:
            return CATALOGUE[name]
        raise AttributeError(f"module 'jaxscale.laws' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *CATALOGUE})


__all__ = [
    "CATALOGUE",
    "Chinchilla",
    "ChinchillaNDC",
    "Example",
    "Fitted",
    "Henighan",
    "Kaplan",
    "KaplanC",
    "KaplanD",
    "KaplanN",
    "KaplanSteps",
    "Law",
    "LogLaw",
    "Piecewise",
    "PowerLaw",
    "Preset",
    "PurePowerLaw",
    "RANGES",
    "Scalar",
    "Skaling",
    "Sum",
    "Term",
    "Translog",
    "derived",
    "its_law",
    "law_of",
    "predict",
]
if TYPE_CHECKING:
    __all__ += listed.__all__
