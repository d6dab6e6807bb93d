"""Laws by name: the catalogue's, or a class of a user's own file.

Loading a user's file runs it. So only a name that the user wrote is ever looked up here, never
one that came out of a result.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from jaxscale.laws import CATALOGUE, Law


@dataclasses.dataclass(frozen=True)
class NamedLaw:
    """What a text such as `Chinchilla`, `PowerLaw:C` or `mylaws.py:Mine` stands for.

    Attributes:
        text: as the user wrote it.
        cls: the class.
        of: the column of a law of one scale, else None.
        source: SHA-256 of the user's file; empty for a law of the catalogue.
    """

    text: str
    cls: type[Law]
    of: str | None
    source: str

    @property
    def label(self) -> str:
        """The canonical name, e.g. `PowerLaw:C`."""
        return self.cls.__name__ + (f":{self.of}" if self.of else "")

    def law(self, **values: Any) -> Law:
        """Return the law with some parameters fixed."""
        settings = {"of": self.of} if self.of else {}
        return self.cls(**settings).replace(**values)  # type: ignore[arg-type]


def named_law(text: str, folder: Path = Path()) -> NamedLaw:
    """Return the law that `LAW`, `LAW:OF`, `FILE.py:CLASS` or `FILE.py:CLASS:OF` stands for.

    Args:
        text: the name; OF is the column that a law of one scale reads.
        folder: where a relative FILE.py is looked for.

    Raises:
        ValueError: there is no such law, or OF is missing or out of place.
    """
    source = ""
    path = law_file(text, folder)
    if path is not None:
        file, _, rest = text.partition(".py:")
        name, _, of = rest.partition(":")
        cls = find_law(f"{file}.py:{name}", folder)
        source = hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        name, _, of = text.partition(":")
        cls = find_law(name)
    one_scale = "of" in {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if one_scale and not of:
        raise ValueError(f"{text} is a law of one scale: say which column, e.g. {text}:C")
    if of and not one_scale:
        inputs = ", ".join(cls().inputs)
        raise ValueError(f"{cls.__name__} takes {inputs}; {of!r} after the colon does not apply")
    return NamedLaw(text, cls, of or None, source)


def law_file(text: str, folder: Path = Path()) -> Path | None:
    """Return the file of a law written as `FILE.py:CLASS`; None for a law of the catalogue."""
    file, mark, _ = text.partition(".py:")
    return folder / f"{file}.py" if mark else None


def find_law(text: str, folder: Path = Path()) -> type[Law]:
    """Return a law class by its name in the catalogue, or from a user's file as `FILE.py:CLASS`.

    Raises:
        ValueError: there is no such law, or the file does not define it.
    """
    path = law_file(text, folder)
    return _from_catalogue(text) if path is None else _from_file(path, text.partition(".py:")[2])


def _from_catalogue(name: str) -> type[Law]:
    by_name = {known.lower(): law for known, law in CATALOGUE.items()}
    if name.lower() not in by_name:
        near = difflib.get_close_matches(name.lower(), by_name, n=1)
        hint = f"did you mean {by_name[near[0]].__name__}? " if near else ""
        raise ValueError(
            f"no law {name!r}; {hint}there are {', '.join(CATALOGUE)}, or FILE.py:CLASS"
        )
    return by_name[name.lower()]


def _from_file(path: Path, name: str) -> type[Law]:
    if not path.is_file():
        raise ValueError(f"no file {str(path)!r}")
    # A name of its own: a file called json.py must not take the place of the library's.
    tag = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    spec = importlib.util.spec_from_file_location(f"jaxscale_law_file_{tag}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError, AttributeError, TypeError) as error:
        raise ValueError(f"cannot load {path}: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Law)):
        raise ValueError(f"{path} defines no jaxscale.Law {name!r}")
    return found
