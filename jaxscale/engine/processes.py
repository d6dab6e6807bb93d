"""The chunks of a search, shared out over the processes of `jax.distributed` and put together."""

from __future__ import annotations

import jax
import numpy as np
from jax.sharding import Mesh

from jaxscale._numerics.precision import scope
from jaxscale.engine.loop import Solution


def local_part(mesh: Mesh | None) -> Mesh | None:
    """Return the part of a mesh that this process drives, on one axis."""
    return None if mesh is None else Mesh(np.array(mesh.local_devices), ("lanes",))


def _processes(mesh: Mesh | None) -> list[int]:
    return [] if mesh is None else sorted({d.process_index for d in mesh.devices.flat})


def share(firsts: range, mesh: Mesh | None) -> list[int]:
    """Return the chunks of this process, of those that the mesh spans."""
    processes = _processes(mesh)
    if len(processes) <= 1:
        return list(firsts)
    return list(firsts)[processes.index(jax.process_index()) :: len(processes)]


def merge(parts: dict[int, list[np.ndarray]], none: np.ndarray, mesh: Mesh | None) -> Solution:
    """Return the chunks in order, those of all processes of the mesh included.

    Args:
        parts: leaves of the solutions of this process, by their first start.
        none: z [0, P], for a process without a chunk.
        mesh: the processes.
    """
    empty = [none, none[:, 0], np.zeros(0, np.int32), np.zeros(0, np.int32)]
    leaves = list(zip(empty, *parts.values(), strict=True))
    joined = [np.concatenate(leaf) for leaf in leaves]
    index = np.concatenate(
        [np.zeros(0, int), *(first + np.arange(len(part[1])) for first, part in parts.items())]
    )
    if len(_processes(mesh)) > 1:
        index, *joined = _gather(index, joined)
    order = np.argsort(index)
    return Solution(*(leaf[order] for leaf in joined))


def _gather(index: np.ndarray, leaves: list[np.ndarray]) -> list[np.ndarray]:
    """Return the rows of all processes; each sends equally many, the rest as padding."""
    from jax.experimental.multihost_utils import process_allgather

    with scope(np.float64):  # else float64 would travel as float32
        most = int(np.max(process_allgather(np.asarray(len(index)))))
        spare = most - len(index)

        def everyone(leaf: np.ndarray, fill: int) -> np.ndarray:
            pad = np.full((spare, *leaf.shape[1:]), fill, leaf.dtype)
            gathered = np.asarray(process_allgather(np.concatenate([leaf, pad])))
            return gathered.reshape(-1, *leaf.shape[1:])

        index = everyone(index, -1)
        return [index[index >= 0], *(everyone(leaf, 0)[index >= 0] for leaf in leaves)]
