"""Compiled programs, counted and timed.

`run` compiles a function ahead of time for the shapes and static arguments of a call, keeps the
executable, and tells how long compiling took. It exists so that a result can say what was
compile time and what was work, so that a search can plan its memory, and so that a test can
count recompilations. It holds the last 64 programs.

No compiler option is set: one that asked for wider vectors (`xla_cpu_prefer_vector_width=512`)
made jaxlib 0.10.2 compile arctan wrongly on AVX-512. `tests/test_known_answers.py` looks at every
elementary and special function.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxscale._precision import scope

_PROGRAMS: OrderedDict[Hashable, Program] = OrderedDict()
_LIMIT = 64
_LOCK = threading.RLock()
compiled = 0
"""How many programs have been compiled in this process."""


def _place(dtype: Any) -> AbstractContextManager[Any]:
    """Send float64 work to the host where the accelerator has no float64."""
    if np.dtype(dtype) == np.float64 and jax.default_backend() == "tpu":
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    return nullcontext()


class Program(NamedTuple):
    """A compiled function.

    Attributes:
        executable: takes the arrays of a call.
        dtype: of its precision scope.
        memory: bytes of intermediates that a call allocates, by the compiler's own figure; 0
            where the backend gives none.
    """

    executable: Any
    dtype: Any
    memory: int


def program(
    function: Callable[..., Any], *args: Any, dtype: Any, **static: Any
) -> tuple[Program, float]:
    """Return `function` compiled, and the seconds that took (0 if it was there already).

    Args:
        function: a pure module-level function.
        *args: pytrees of arrays; new values do not compile anew, new shapes do.
        dtype: float dtype of the arrays.
        **static: hashable settings; new values compile anew.
    """
    global compiled
    leaves, structure = jax.tree.flatten(args)
    shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype.str) for leaf in leaves)
    key = (function, structure, shapes, tuple(sorted(static.items())), np.dtype(dtype).str)
    # One thread compiles, others that need the same program wait for it.
    with _LOCK, scope(dtype), _place(dtype):
        if key in _PROGRAMS:
            _PROGRAMS.move_to_end(key)
            return _PROGRAMS[key], 0.0
        begin = time.perf_counter()
        jitted = jax.jit(lambda *a: function(*a, **static))
        executable = jitted.lower(*args).compile()
        figures = executable.memory_analysis()  # takes milliseconds: once
        memory = int(getattr(figures, "temp_size_in_bytes", 0) or 0)
        seconds = time.perf_counter() - begin
        compiled += 1
        _PROGRAMS[key] = Program(executable, dtype, memory)
        while len(_PROGRAMS) > _LIMIT:
            _PROGRAMS.popitem(last=False)
        return _PROGRAMS[key], seconds


def call(made: Program, *args: Any) -> Any:
    """Call a program; returns a pytree of NumPy arrays."""
    with scope(made.dtype), _place(made.dtype):
        return jax.device_get(made.executable(*args))


def run(function: Callable[..., Any], *args: Any, dtype: Any, **static: Any) -> tuple[Any, float]:
    """Compile and call `function(*args, **static)`, in the precision scope of `dtype`.

    Returns:
        The result as a pytree of NumPy arrays, and the seconds spent compiling (0 if cached).
    """
    made, seconds = program(function, *args, dtype=dtype, **static)
    return call(made, *args), seconds
