"""The devices that a person names, as a mesh over which starts are split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

Devices = Mesh | jax.Device | Sequence[jax.Device] | int
"""What `mesh=` takes: a mesh, a device, several, or how many of `jax.devices()`."""


def mesh_of(given: Any) -> Mesh | None:
    """Return the mesh of devices that a person names.

    Args:
        given: a mesh, a device, a sequence or an array of devices, how many of `jax.devices()`, or
            None for one device.

    Raises:
        TypeError: it is none of these.
        ValueError: there are not so many devices, or one is named twice.
    """
    if given is None or isinstance(given, Mesh):
        return given
    if isinstance(given, bool) or isinstance(given, str | bytes):
        given = [given]  # which holds no device
    if isinstance(given, int | np.integer):
        there = jax.devices()
        if not 1 <= given <= len(there):
            kind = there[0].platform
            raise ValueError(
                f"mesh={given}: there {'is' if len(there) == 1 else 'are'} {len(there)} {kind} "
                f"device{'s' * (len(there) > 1)}; on a CPU, XLA_FLAGS="
                "--xla_force_host_platform_device_count=K before the first use of JAX makes more"
            )
        given = there[:given]
    try:
        devices = [given] if isinstance(given, jax.Device) else list(np.ravel(given))
    except (TypeError, ValueError):
        devices = [given]
    wrong = [one for one in devices if not isinstance(one, jax.Device)]
    if wrong or not devices:
        raise TypeError(
            "mesh takes a jax.sharding.Mesh, devices such as jax.devices(), or how many of them, "
            f"got {type(wrong[0]).__name__ if wrong else 'none'}"
        )
    if len(set(devices)) < len(devices):
        raise ValueError("mesh: a device is named twice")
    return Mesh(np.array(devices), ("lanes",))
