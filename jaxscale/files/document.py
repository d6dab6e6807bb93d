"""What every JSON document of ours holds: plain values, and the versions that made it."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from jaxscale._version import __version__


def plain(value: Any) -> Any:
    """Return plain Python values that JSON can hold; what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {
        "jaxscale": __version__,
        "jax": jax.__version__,
        "optax": version("optax"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "backend": jax.default_backend(),
    }
