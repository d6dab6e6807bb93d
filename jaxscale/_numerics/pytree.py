"""The one decorator that turns a class into a frozen dataclass and a JAX pytree.

Dynamic fields are leaves (or subtrees); fields made with `static()` go to the treedef and
hash by value, so another static value compiles again and another dynamic value does not.
The module knows nothing of laws or runs.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax

T = TypeVar("T")


def static(**kwargs: Any) -> Any:
    """Declare a dataclass field that belongs to the treedef and must be hashable by value."""
    metadata = dict(kwargs.pop("metadata", {}), static=True)
    return dataclasses.field(metadata=metadata, **kwargs)


@dataclass_transform(frozen_default=True, field_specifiers=(static,))
def pytree(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass that is a JAX pytree.

    A `__post_init__` checks what a person gives. JAX puts other things in the place of leaves
    (gradients, axes, None), so it makes instances of such a class without that check.
    """
    dataclass = dataclasses.dataclass(frozen=True, eq=False)(cls)
    fields = dataclasses.fields(dataclass)  # type: ignore[arg-type]
    meta = [f.name for f in fields if f.metadata.get("static")]
    data = [f.name for f in fields if not f.metadata.get("static")]
    if not hasattr(dataclass, "__post_init__"):
        return jax.tree_util.register_dataclass(dataclass, data_fields=data, meta_fields=meta)

    def unflatten(statics: tuple[Any, ...], leaves: Any) -> T:
        made = object.__new__(dataclass)
        for name, value in zip((*meta, *data), (*statics, *leaves), strict=True):
            object.__setattr__(made, name, value)
        return made

    jax.tree_util.register_pytree_with_keys(
        dataclass,
        lambda one: (
            [(jax.tree_util.GetAttrKey(name), getattr(one, name)) for name in data],
            tuple(getattr(one, name) for name in meta),
        ),
        unflatten,
    )
    return dataclass
