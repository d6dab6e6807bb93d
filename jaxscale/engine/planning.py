"""How many starts a compiled chunk holds, how many lanes are in flight, what memory they may take.

A chunk has one of a few sizes, so that few programs are compiled. On a CPU the lanes in flight are
as many as stay in its caches; on an accelerator a step costs its launches, so that many lanes share
one. `python -m benchmarks gpu` measures what a device likes best: its row goes into `MEASURED`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from jaxscale._numerics.smallmat import MAX_ORDER
from jaxscale.engine.loop import VECTOR


class Plan(NamedTuple):
    """What is compiled for one kind of device.

    Attributes:
        chunks: starts of a chunk on one device, ascending; the last is repeated.
        widths: (runs, lanes): a table of at most so many runs has so many lanes in flight.
        wide: lanes in flight of every longer table.
        memory: bytes that the lanes of one program may take, by the compiler's figure.
        one_by_one: whether the lanes of a wide law go one after the other.
    """

    chunks: tuple[int, ...]
    widths: tuple[tuple[int, int], ...]
    wide: int
    memory: int
    one_by_one: bool = False

    def chunk(self, total: int) -> int:
        """Return the starts of a chunk: the smallest that holds all, or the largest."""
        return next((size for size in self.chunks if total <= size), self.chunks[-1])

    def width(self, rows: int, order: int = 1) -> int:
        """Return the lanes in flight on a table of `rows` runs, padding included.

        Args:
            rows: how many runs.
            order: parameters of the law.
        """
        if self.one_by_one and order > MAX_ORDER:
            return VECTOR  # lanes go one after the other there, idle ones too
        return next((lanes for most, lanes in self.widths if rows <= most), self.wide)


CPU = Plan((16, 64, 272, 528), ((256, 64),), wide=32, memory=1 << 29, one_by_one=True)
ACCELERATOR = Plan(
    (16, 64, 1040, 16384), ((1024, 4096), (1 << 14, 512), (1 << 18, 64)), wide=16, memory=1 << 29
)
"""Of a device that nobody measured: a guess."""
MEASURED: dict[str, Plan] = {
    # benchmarks/results/gpu-nvidia-h200-sums.md: lanes as measured on 240 runs, jax 0.11.2; chunks
    # and longer tables by what a step and a host's copies took there.
    "H200": Plan(
        (16, 64, 1040, 16384, 65536),
        ((1024, 16384), (1 << 14, 1024), (1 << 18, 64)), wide=16, memory=1 << 29,
    ),
}  # fmt: skip
"""Plans by a part of the device's kind, each with the file of results that it follows from."""
SHARE = 4
"""Of the memory that an accelerator says it has, one part in so many is for the lanes."""


def plan_for(platform: str, kind: str, limit: int | None) -> Plan:
    """Return the plan of a device.

    Args:
        platform: "cpu", "gpu" or "tpu".
        kind: the device's own name of its kind.
        limit: bytes that it says it has; None where it does not.
    """
    if platform == "cpu":
        return CPU
    found = next((plan for name, plan in MEASURED.items() if name in kind), ACCELERATOR)
    return found if limit is None else found._replace(memory=limit // SHARE)


def plan() -> Plan:
    """Return the plan of the first device of this process."""
    if jax.default_backend() == "cpu":
        return CPU
    device = jax.local_devices()[0]
    figures: dict[str, Any] = device.memory_stats() or {}
    return plan_for(device.platform, device.device_kind, figures.get("bytes_limit"))
