"""The precision scope at the boundary between host code and compiled code.

The pure storey (laws, objective, optimizers, engine) follows the dtype of its inputs. The host
storey opens `scope(dtype)` around each compiled call and hands out NumPy arrays, because a
float64 `jax.Array` that leaves the scope is silently cast down by the next operation. Nothing
here touches the global flag: `jax.enable_x64` as a context is local to the thread and the call.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np

from jaxscale.errors import JaxscaleError

PRECISIONS = ("float64", "float32", "mixed")


def scope(dtype: Any) -> AbstractContextManager[Any]:
    """Open the x64 scope that arrays of `dtype` need; leaves every global flag as it was."""
    context: AbstractContextManager[Any] = jax.enable_x64(np.dtype(dtype) == np.float64)
    return context


def cast(tree: Any, dtype: Any, copy: bool = True) -> Any:
    """Return `tree` with every floating leaf as a NumPy array of `dtype`; others unchanged.

    Args:
        tree: a pytree.
        dtype: of the leaves.
        copy: whether leaves that are of it already are copied.
    """

    def one(leaf: Any) -> Any:
        array = np.asarray(leaf)
        return array.astype(dtype, copy=copy) if np.issubdtype(array.dtype, np.floating) else array

    return jax.tree.map(one, tree)


SOLVER = "jaxscale.solver(law, runs), which is pure"
OPTIMUM = "jaxscale.quantities.Best(compute=C)(law), which is pure"
P = ParamSpec("P")
R = TypeVar("R")


def refuse_tracers(tree: Any, verb: str, instead: str = SOLVER) -> None:
    """Raise a `TypeError` that points to the pure storey when a leaf is a JAX tracer.

    Args:
        tree: a pytree.
        verb: what was called.
        instead: what to call.
    """
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree)):
        raise TypeError(
            f"{verb}() works on concrete values and cannot run inside jit, vmap or grad. Inside "
            f"your own transformed function use {instead}; for derivatives of an optimum at hand "
            "jaxscale.implicit"
        )


def fold(error: BaseException) -> None:
    """Mark what an error of ours passed through: a notebook shows the cell and the message.

    IPython folds marked frames, all but the last, and pytest leaves them out; a plain traceback
    and a debugger have them all. An error of another library keeps its frames.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not frames or not _ours(frames[-1]):
        return
    for frame in filter(_ours, frames):
        frame.f_locals["__tracebackhide__"] = True


def _ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("jaxscale.")


def host(instead: str = SOLVER) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return what makes a function a door: errors are short in a notebook, tracers are refused.

    Args:
        instead: what to call there.
    """

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            __tracebackhide__ = True
            refuse_tracers((args, kwargs), function.__name__, instead)
            try:
                return function(*args, **kwargs)
            except (JaxscaleError, ValueError, TypeError) as error:
                fold(error)
                raise

        return checked

    return decorated
