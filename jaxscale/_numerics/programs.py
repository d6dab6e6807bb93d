"""Compiled programs, counted and timed.

`run` compiles a function ahead of time for the shapes and static arguments of a call, keeps the
executable, and tells how long compiling took. It exists so that a result can say what was
compile time and what was work, so that a search can plan its memory, and so that a test can
count recompilations.

It keeps the programs that were used last, up to `LIMIT` bytes; the others are compiled again when
they are needed. What is given up is free for the next program (the allocator may not give it back
to the system at once), so a process that fits ever new shapes stops growing.

On a CPU a person waits for the compiler longer than for the work. So fusions are compiled by
XLA's plain emitter where the version still has it, which makes its loops in less time. And a
program that runs over little, without a loop, is not optimized: that would take longer than it
saves. What both come to: `python -m benchmarks cold`.

On a CPU a program is compiled for the widest vectors (`benchmarks.step`) if it consists of what
`ARITHMETIC` and `MOVES` list and of nothing else: jaxlib 0.10.2 compiles arctan wrongly for them,
by 1.5. `tests/test_known_answers.py` holds every entry of `ARITHMETIC` against NumPy, and every
elementary and special function as the compiler makes it otherwise; and a fit is held against its
law, which is not compiled (`lawcheck`).
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.errors import JaxscaleError

_PROGRAMS: OrderedDict[Hashable, Program] = OrderedDict()
LIMIT = 384 << 20
"""Bytes of programs that are kept: about 85, or 17 shapes of one law with all that a fit runs."""
OWN, PER_LETTER = 1 << 19, 32
"""Bytes of a program: so many, and so many per letter of its text. XLA has no figure on a CPU; the
memory that was freed by dropping 40 programs of five kinds was .5 to 12 MB each, 25 to 32 bytes a
letter."""
_LOCK = threading.Lock()
_UNDER_WAY: dict[Hashable, threading.Lock] = {}
"""Per program that is being compiled, the lock that others who need it wait for."""
PLAIN, LEVEL = "xla_cpu_use_fusion_emitters", "xla_backend_optimization_level"
"""Options of XLA: how fusions are compiled, and how far LLVM optimizes them."""
LITTLE = 1 << 20
"""Numbers worked out by a program up to which it is not worth optimizing."""
_unknown: set[str] = set()
"""Options that this version of XLA has no longer."""
ARITHMETIC = frozenset(
    "abs add add_any argmax argmin clamp cumsum div dot_general eq exp ge gt integer_pow "
    "is_finite le log lt max min mul ne neg reduce_max reduce_min reduce_sum select_n sign sort "
    "sqrt square sub".split()
)
"""Primitives whose values were compared with NumPy's at the widest vectors."""
MOVES = frozenset(
    "and bitcast_convert_type broadcast_in_dim closed_call concatenate cond convert_element_type "
    "copy custom_jvp_call custom_jvp_call_jaxpr dynamic_slice dynamic_update_slice gather iota jit "
    "not optimization_barrier or pad pjit platform_index reduce_and reduce_or reshape rev scan "
    "scatter shift_left shift_right_arithmetic shift_right_logical slice split squeeze stack "
    "stop_gradient transpose unstack while xor".split()
)
"""Primitives that move and choose numbers, or hold other programs."""
compiled = 0
"""How many programs have been compiled in this process."""
_forked = False
"""Whether this process is the copy of one that had compiled: XLA's threads were not copied."""


def _note_fork() -> None:
    global _forked
    _forked = _forked or compiled > 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def _refuse_copies() -> None:
    """Raise in a process where a program would wait for ever.

    Raises:
        JaxscaleError: the process was forked from one that had compiled programs.
    """
    if _forked:
        raise JaxscaleError(
            "this process was forked from one that had fitted already, and XLA does not work in "
            'such a copy; start processes with multiprocessing.get_context("spawn"), or '
            "fork before the first fit"
        )


def _place(dtype: Any) -> AbstractContextManager[Any]:
    """Send float64 work to the host where the accelerator has no float64."""
    if np.dtype(dtype) == np.float64 and jax.default_backend() == "tpu":
        context: AbstractContextManager[Any] = jax.default_device(
            jax.local_devices(backend="cpu")[0]
        )
        return context
    return nullcontext()


def compiler_options(jaxpr: Any) -> dict[str, Any]:
    """Return the options that a program is compiled with."""
    if jax.default_backend() != "cpu":
        return {}
    found = _primitives(jaxpr)
    options: dict[str, Any] = {PLAIN: False}
    if set(found) <= ARITHMETIC | MOVES:
        options["xla_cpu_prefer_vector_width"] = 512
    if sum(found.values()) < LITTLE and not {"while", "scan"} & set(found):
        options[LEVEL] = 0
    return {name: value for name, value in options.items() if name not in _unknown}


def _primitives(jaxpr: Any) -> Counter[str]:
    """Return how many numbers each primitive works out in a program and in all that it holds."""
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    found: Counter[str] = Counter()
    for equation in getattr(jaxpr, "eqns", ()):
        found[equation.primitive.name] += sum(
            math.prod(getattr(var.aval, "shape", ())) for var in equation.outvars
        )
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                found += _primitives(inner)
    return found


def _compiled(traced: Any) -> Any:
    """Return a traced function compiled; options that this version does not know are left out."""
    lowered = traced.lower()
    while True:
        options = compiler_options(traced.jaxpr)
        try:
            return lowered.compile(compiler_options=options or None)
        except jax.errors.JaxRuntimeError as error:
            gone = [name for name in options if f"No such compile option: '{name}'" in str(error)]
            if not gone:
                raise
            _unknown.update(gone)


class Program(NamedTuple):
    """A compiled function.

    Attributes:
        executable: takes the arrays of a call.
        dtype: of its precision scope.
        memory: bytes of intermediates that a call allocates, by the compiler's own figure; 0
            where the backend gives none.
        size: bytes that the program itself takes, about.
    """

    executable: Any
    dtype: Any
    memory: int
    size: int


def kept() -> int:
    """Return the bytes that the programs kept in this process take, about."""
    return sum(each.size for each in list(_PROGRAMS.values()))


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
    _refuse_copies()
    leaves, structure = jax.tree.flatten(args)
    shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype.str) for leaf in leaves)
    key = (function, structure, shapes, tuple(sorted(static.items())), np.dtype(dtype).str)
    with _LOCK:
        lock = _UNDER_WAY.setdefault(key, threading.Lock())
    # One thread compiles a program, others that need the same one wait for it.
    with lock, scope(dtype), _place(dtype):
        with _LOCK:
            if key in _PROGRAMS:
                _PROGRAMS.move_to_end(key)
                return _PROGRAMS[key], 0.0
        begin = time.perf_counter()
        executable = _compiled(jax.jit(lambda *a: function(*a, **static)).trace(*args))
        figures = executable.memory_analysis()  # takes milliseconds: once
        memory = int(getattr(figures, "temp_size_in_bytes", 0) or 0)
        size = OWN + PER_LETTER * len(executable.as_text() or "")
        seconds = time.perf_counter() - begin
        made = Program(executable, dtype, memory, size)
        with _LOCK:
            compiled += 1
            _PROGRAMS[key] = made
            _UNDER_WAY.pop(key, None)
            while kept() > LIMIT and len(_PROGRAMS) > 1:
                _PROGRAMS.popitem(last=False)
        return made, seconds


def call(made: Program, *args: Any) -> Any:
    """Call a program; returns a pytree of NumPy arrays."""
    with scope(made.dtype), _place(made.dtype):
        return jax.device_get(made.executable(*args))


def run(function: Callable[..., Any], *args: Any, dtype: Any, **static: Any) -> tuple[Any, float]:
    """Compile and call `function(*args, **static)`, in the precision scope of `dtype`.

    Args:
        function: pure and of module level, so that the program is found again.
        args: its arguments, pytrees of arrays; equal shapes share one program.
        dtype: float64 or float32, the precision that it runs in.
        static: its keyword arguments, hashable; other values are another program.

    Returns:
        The result as a pytree of NumPy arrays, and the seconds spent compiling (0 if cached).
    """
    made, seconds = program(function, *args, dtype=dtype, **static)
    return call(made, *args), seconds


def require_backend() -> None:
    """Check that JAX has the platform that the environment asks for.

    Raises:
        ValueError: it has not.
    """
    platforms = os.environ.get("JAX_PLATFORMS")
    if platforms:
        try:
            jax.default_backend()
        except (AssertionError, RuntimeError) as error:  # JAX has a sentence for some of them only
            said = str(error).split(":")[0][:80] or "it does not say why"
            raise ValueError(
                f"JAX_PLATFORMS={platforms}: JAX finds no such device ({said}); unset the "
                "variable, or set it to cpu"
            ) from error
