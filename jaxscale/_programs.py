"""Compiled programs, counted and timed.

`run` compiles a function ahead of time for the shapes and static arguments of a call, keeps the
executable, and tells how long compiling took. It exists so that a result can say what was
compile time and what was work, and so that a test can count recompilations. It holds the last
64 programs.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import numpy as np

from jaxscale._precision import scope

_PROGRAMS: OrderedDict[Hashable, Any] = OrderedDict()
_LIMIT = 64
compiled = 0
"""How many programs have been compiled in this process."""


def _place(dtype: Any) -> AbstractContextManager[Any]:
    """Send float64 work to the host where the accelerator has no float64."""
    if np.dtype(dtype) == np.float64 and jax.default_backend() == "tpu":
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    return nullcontext()


def run(function: Callable[..., Any], *args: Any, dtype: Any, **static: Any) -> tuple[Any, float]:
    """Call `function(*args, **static)` compiled, in the precision scope of `dtype`.

    Args:
        function: a pure module-level function.
        *args: pytrees of arrays; new values do not compile anew, new shapes do.
        dtype: float dtype of the arrays.
        **static: hashable settings; new values compile anew.

    Returns:
        The result as a pytree of NumPy arrays, and the seconds spent compiling (0 if cached).
    """
    global compiled
    leaves, structure = jax.tree.flatten(args)
    shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype.str) for leaf in leaves)
    key = (function, structure, shapes, tuple(sorted(static.items())), np.dtype(dtype).str)
    seconds = 0.0
    with scope(dtype), _place(dtype):
        program = _PROGRAMS.get(key)
        if program is None:
            begin = time.perf_counter()
            jitted = jax.jit(lambda *a: function(*a, **static))
            program = jitted.lower(*args).compile()
            seconds = time.perf_counter() - begin
            compiled += 1
            _PROGRAMS[key] = program
            while len(_PROGRAMS) > _LIMIT:
                _PROGRAMS.popitem(last=False)
        else:
            _PROGRAMS.move_to_end(key)  # type: ignore[arg-type]
        return jax.device_get(program(*args)), seconds
