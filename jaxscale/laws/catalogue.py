"""The catalogue: every public law in the files of this folder, found by its name.

A new law is a class in one of these files, and nothing else has to know of it. The names are read
off the files' text; a file is imported when a law of it is first asked for.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxscale.laws.law import Law, made

CLASS = re.compile(r"^class (\w+)\((\w+)\)", re.MULTILINE)
FIRST = ("power", "kaplan", "chinchilla", "nested", "translog")
"""Files whose laws come first in lists, in this order; the others follow by name."""
OTHERS = {"grouped"}
"""Files of what is made of other laws."""


class Catalogue(Mapping[str, type[Law]]):
    """The built-in laws by name, in the order of their files.

    A law with arguments is found under `BrokenPower[2]` too, and listed as `BrokenPower`.
    """

    @functools.cached_property
    def files(self) -> dict[str, str]:
        """The file, without .py, of every law."""
        found: dict[str, str] = {}
        bases = {"Law"}
        texts = {path.stem: path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py")}
        for file in (*FIRST, *sorted(texts.keys() - set(FIRST) - OTHERS)):
            for name, base in CLASS.findall(texts[file]):
                if base in bases:
                    bases.add(name)
                    found |= {} if name.startswith("_") else {name: file}
        return found

    def __getitem__(self, name: str) -> type[Law]:
        base, bracket, rest = name.partition("[")
        law: type[Law] = getattr(importlib.import_module(f"{__package__}.{self.files[base]}"), base)
        if not bracket:
            return law
        if not rest.endswith("]"):
            raise KeyError(name)
        return made(law, tuple(rest[:-1].split(",")))

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def has(self, law: type[Law]) -> bool:
        """Return whether a class is a law of the catalogue, with arguments or without."""
        home = self.files.get(law.__name__.partition("[")[0])
        return home is not None and law.__module__ == f"{__package__}.{home}"


CATALOGUE = Catalogue()
"""Every built-in law by its name."""
