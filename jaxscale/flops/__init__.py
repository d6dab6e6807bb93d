"""What runs cost and how models are counted: cost functions, fits of them, transformers.

`models` has the costs C(N, D) that laws and allocations take, `fitted` fits them to measurements,
`transformer` counts the parameters and FLOPs of an architecture exactly, `buildable` finds the
architecture nearest to a number of parameters, `conventions` turns one way of counting parameters
into another.
"""

from jaxscale.flops.models import (
    FORMS,
    LOG_RANGE,
    SIX_ND,
    UNIT,
    AffineCost,
    Cost,
    Flops,
    PowerCost,
    SixND,
    check_cost,
    complete,
    parameters_for,
    power_form,
    tokens_for,
    unit_of,
)

__all__ = [
    "FORMS",
    "LOG_RANGE",
    "SIX_ND",
    "UNIT",
    "AffineCost",
    "Cost",
    "Flops",
    "PowerCost",
    "SixND",
    "check_cost",
    "complete",
    "parameters_for",
    "power_form",
    "tokens_for",
    "unit_of",
]
