"""What only a person can say of a fit: the fields of the checklist, and their file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxscale.errors import DataError
from jaxscale.files.reading import read_text
from jaxscale.text import listing, literal, short

MAX_BYTES = 1 << 20
LONGEST = 2000
"""Characters of a field."""
DEEP_KEY = re.compile(r"^\s*\[*(?:[^.=,#\n]*\.){9}", re.MULTILINE)

FIELDS = {
    "authors": "who made it",
    "date": "when",
    "contact": "whom to ask",
    "architecture": "architecture of the models, and what was varied with their size",
    "parameter_count": "how parameters were counted: embeddings, head, experts",
    "flops": "how FLOPs were counted",
    "training_data": "data that the models were trained on, and tokenizer",
    "optimizer": "optimizer of the training",
    "hyperparameters": "learning rate, batch size, and how they were chosen for each size",
    "schedule": "learning-rate schedule, and whether it ended with each run",
    "seeds": "seeds per run",
    "hardware": "hardware and precision of the training",
    "checkpoints": "which checkpoints are runs: final ones, or along the training",
    "evaluation": "evaluation set",
    "metric": "metric, and its unit",
    "validation": "how the fit was validated on runs that it has not seen",
    "code": "where the code of the training is",
    "models": "where the checkpoints are",
    "table": "where the table of runs is",
}
"""Fields that a person states, and what each asks for."""


def read_about(path: str | Path) -> dict[str, str]:
    """Read what a person states from a TOML file of the keys of `FIELDS`.

    Raises:
        DataError: the file cannot be read, is no TOML, or has another key or kind of value.
    """
    path = Path(path)
    text = read_text(path, MAX_BYTES, "a TOML file of lines such as authors = 'A. Person'")
    if DEEP_KEY.search(text):
        raise DataError(f"{path}: a key of more than nine parts")
    try:
        return stated(tomllib.loads(text), str(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"{path}: no TOML: {short(error, 200)[1:-1]}") from error


def stated(given: Mapping[str, Any], where: str = "about") -> dict[str, str]:
    """Return the fields of a mapping as text.

    Args:
        given: field -> text, number, date, or a list of these.
        where: it came from, for messages.

    Raises:
        DataError: there is no such field, or a value is of another kind.
    """
    found = {}
    for key, value in given.items():
        if key not in FIELDS:
            raise DataError(
                f"{where}: no field {short(key)}; there are {listing(list(FIELDS), 30)}"
            )
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, list | dict) for each in values):
            raise DataError(f"{where}: {key} is to be text, a number or a list of them, got "
                            f"{literal(value)}")  # fmt: skip
        text = ", ".join(str(each) for each in values).strip()
        if len(text) > LONGEST:
            raise DataError(f"{where}: {key} has {len(text):,} characters; at most {LONGEST:,}")
        if text:
            found[key] = text
    return found
