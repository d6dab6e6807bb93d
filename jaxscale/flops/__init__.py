"""What runs cost and how models are counted: cost functions, fits of them, transformers.

`models` has the costs C(N, D) that laws and allocations take, `fitted` fits them to measurements,
`transformer` counts the parameters and FLOPs of an architecture exactly, `buildable` finds the
architecture nearest to a number of parameters, `conventions` turns one way of counting parameters
into another.
"""

from jaxscale.flops.buildable import Family, nearest, usual_aspect
from jaxscale.flops.conventions import (
    CHINCHILLA_OMEGA,
    Growth,
    TransformerCost,
    by_convention,
    exponent_without_embeddings,
    growth_table,
    omega_of,
    with_embeddings,
    without_embeddings,
)
from jaxscale.flops.fitted import CostFit, Tried, fit_cost
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
    best_powers,
    check_cost,
    complete,
    parameters_for,
    power_form,
    size_at_ratio,
    stated_cost,
    tokens_for,
    unit_of,
)
from jaxscale.flops.transformer import COUNTS, Transformer, flops_per_token

__all__ = [
    "AffineCost",
    "CHINCHILLA_OMEGA",
    "COUNTS",
    "Cost",
    "CostFit",
    "FORMS",
    "Family",
    "Flops",
    "Growth",
    "LOG_RANGE",
    "PowerCost",
    "SIX_ND",
    "SixND",
    "Transformer",
    "TransformerCost",
    "Tried",
    "UNIT",
    "best_powers",
    "by_convention",
    "check_cost",
    "complete",
    "exponent_without_embeddings",
    "fit_cost",
    "flops_per_token",
    "growth_table",
    "nearest",
    "omega_of",
    "parameters_for",
    "power_form",
    "size_at_ratio",
    "stated_cost",
    "tokens_for",
    "unit_of",
    "usual_aspect",
    "with_embeddings",
    "without_embeddings",
]
