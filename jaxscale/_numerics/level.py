"""Confidence levels."""

from __future__ import annotations


def check_level(level: float) -> None:
    """Raise unless a level lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, e.g. 0.9, got {level!r}")
