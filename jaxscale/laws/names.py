"""Laws by name: the catalogue's, or a class of a user's own file.

Loading a user's file runs it. So only a name that the user wrote is ever looked up here, never
one that came out of a result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import fnmatch
import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from jaxscale.errors import JaxscaleError
from jaxscale.files.reading import read_bytes
from jaxscale.laws import CATALOGUE, Law
from jaxscale.laws.explained import ANY
from jaxscale.laws.law import made
from jaxscale.laws.plain import is_function, law_of
from jaxscale.text import listing, short

Given = Law | type[Law] | str | Callable[..., Any]
"""What is taken for a law: it, its class, its name, or a plain function."""
EVERYTHING = (BaseException,)
"""That, Ctrl-C, and kinds of its own that are no Exception."""
OWN_FILE = "jaxscale_own_file_"
"""Beginning of the module names of users' files: json.py must not take the library's place."""
NAME = re.compile(r"([^:\[]*(?:\[[^\]]*\]?[^:]*)?)(?::(.*))?", re.DOTALL)
"""A law and its column."""
COMMA = re.compile(r",(?![^\[]*\])")
"""What separates laws: a comma that no bracket holds."""
MAX_BYTES = 1 << 22
"""Largest file of laws that is run."""


@contextlib.contextmanager
def running(what: str, file: Path | None = None) -> Iterator[None]:
    """Turn whatever a person's own code raises, or its exit, into one sentence.

    Args:
        what: what was attempted, e.g. "cannot load mylaws.py".
        file: where the code is; its last line that was reached is named.

    Raises:
        ValueError: the code raised; an interrupt passes, and so does what jaxscale says itself
            where there is no file to be named.
    """
    try:
        yield
    except EVERYTHING as error:
        own = isinstance(error, JaxscaleError) and file is None
        if own or isinstance(error, KeyboardInterrupt):
            raise
        raise ValueError(f"{what}: {_said(error, file)}") from error


def _said(error: BaseException, file: Path | None) -> str:
    """Return the line, the kind and the first words of an error."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if file and frame.filename == str(file)]
    if isinstance(error, SyntaxError) and file and error.filename == str(file):
        lines.append(error.lineno)
    try:
        text = " ".join(str(error).split())
    except ANY:  # their text is their code too
        text = "(it cannot say what)"
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:200])
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}" + (f": {shown}" if shown else "")


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
        return self.cls(**settings).replace(**values)


def law_given(law: Given) -> Law:
    """Return a law given as an instance, a class, a plain function or a name, `PowerLaw:C`.

    Raises:
        TypeError: it is none of those.
        ValueError: the catalogue has no such law. A file is never run for its name.
    """
    if isinstance(law, str):
        if law_file(law) is not None:
            raise ValueError(f"{law!r} names a file: import its class, and give that")
        return named_law(law).law()
    if is_function(law):
        law = law_of(law)
    if isinstance(law, type) and issubclass(law, Law) and law is not Law:
        return law()
    if isinstance(law, Law):
        return law
    raise TypeError(
        "law must be a law such as Chinchilla(), its class, a name, 'PowerLaw:C', or a function "
        f"that law_of() takes, got {type(law).__name__}"
    )


def several(laws: Given | Iterable[Given]) -> list[Given]:
    """Return laws as a list, of one law too.

    Raises:
        TypeError: it is no law and no list of some.
    """
    if isinstance(laws, Law | type | str) or is_function(laws):
        return [laws]
    if not isinstance(laws, Iterable):
        raise TypeError(
            "laws must be a list such as ['Chinchilla', 'PowerLaw:C'], before the runs; got "
            f"{type(laws).__name__}"
        )
    return list(laws)


def counts_cost(law: Law) -> bool:
    """Return whether a law can be given what a run costs: whether it has a field `flops`."""
    return "flops" in {field.name for field in dataclasses.fields(law)}  # type: ignore[arg-type]


def named_law(text: str, folder: Path = Path()) -> NamedLaw:
    """Return the law that `LAW`, `LAW:OF`, `FILE.py:CLASS` or `FILE.py:CLASS:OF` stands for.

    Args:
        text: the name; OF is the column that a law of one scale reads.
        folder: where a relative FILE.py is looked for.

    Raises:
        ValueError: there is no such law, or OF is missing or out of place.
    """
    name, of = split_law(text)
    cls = find_law(name, folder)
    path = law_file(text, folder)
    source = "" if path is None else hashlib.sha256(_source(path)).hexdigest()
    check_arguments(cls)
    if one_scale(cls, of) and not of:
        raise ValueError(f"{text} is a law of one scale: say which column, e.g. {text}:C")
    return NamedLaw(text, cls, of or None, source)


def check_arguments(cls: type[Law]) -> None:
    """Raise for a law of arguments that has none."""
    if cls.__call__ is Law.__call__ and (usual := cls.usual()) is not cls:
        raise ValueError(
            f"{cls.__name__} is a law of arguments in brackets: give them, e.g. "
            f"--law '{usual.__name__}'"
        )


def split_law(text: str) -> tuple[str, str]:
    """Return the law and the column of `LAW[:COLUMN]` or `FILE.py:CLASS[:COLUMN]`.

    A law may have arguments in square brackets, which may have colons: `BrokenPower[2]:C`.
    """
    file, mark, rest = text.partition(".py:")
    found = NAME.match(rest if mark else text)
    assert found is not None
    name, column = found.groups()
    return (f"{file}.py:{name}" if mark else name), column or ""


def spelled_out(name: str, columns: list[str]) -> str:
    """Return a law whose argument is a pattern, `MixingLaw[share_*]`, with the columns it means.

    Raises:
        ValueError: no column is called so.
    """
    base, bracket, rest = name.partition("[")
    if not bracket or "*" not in rest:
        return name
    given = rest.removesuffix("]").split(",")
    found = [c for one in given for c in (fnmatch.filter(columns, one) if "*" in one else [one])]
    if not found:
        raise ValueError(f"{name}: no column is called so; there are {listing(columns)}")
    return f"{base}[{','.join(found)}]"


def split_laws(text: str) -> list[str]:
    """Return the laws of `LAW,LAW,...`, whose brackets may hold commas."""
    return [law.strip() for law in COMMA.split(text)]


def one_scale(cls: type[Law], column: str = "") -> bool:
    """Return whether a law reads one scale, which a static field `of` names.

    Raises:
        ValueError: a column is given, and it does not.
    """
    scaled = "of" in {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if column and not scaled:
        inputs = ", ".join(cls().inputs)
        raise ValueError(
            f"{cls.__name__} takes {inputs}; {column!r} after the colon does not apply"
        )
    return scaled


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
    by_name = {known.lower(): known for known in CATALOGUE}
    base, bracket, arguments = name.partition("[")
    if base.lower() not in by_name:
        near = difflib.get_close_matches(base.lower(), by_name, n=1)
        hint = f"did you mean {by_name[near[0]]}? " if near else ""
        raise ValueError(
            f"no law {base!r}; {hint}`jaxscale laws` lists the {len(CATALOGUE)} there are; your "
            "own is FILE.py:CLASS"
        )
    law = CATALOGUE.get(by_name[base.lower()] + bracket + arguments)
    if law is None:
        raise ValueError(f"{name!r} opens a bracket and does not close it; write {base}[...]")
    return law


def module_of(cls: type) -> str:
    """Return the name of a class's module; of one in a user's file, the name of the file."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file).stem if file and cls.__module__.startswith(OWN_FILE) else cls.__module__


def class_in_file(path: Path, name: str, base: type) -> Any:
    """Run a user's file, and return the class of a name in it.

    Args:
        path: the file.
        name: of the class.
        base: what it must subclass, `Law` or `Loss`.

    Raises:
        ValueError: the file cannot be run, or does not define such a class.
    """
    return _class(path, name, base, *_run(path, name))


def _class(path: Path, name: str, base: type, module: ModuleType, found: Any) -> Any:
    own = [key for key, value in vars(module).items() if _is_a(value, base)]
    own = [key for key in own if vars(module)[key].__module__ == module.__name__]
    if not _is_a(found, base):
        there = f"; it has {listing(own)}" if own else ""
        raise ValueError(f"{path} defines no jaxscale.{base.__name__} {short(name)}{there}")
    called = found.__name__
    by_law_of = getattr(found, "origin", None) is not None  # which may stand under any name
    if not by_law_of and called not in [
        key for key, value in vars(module).items() if value is found
    ]:
        raise ValueError(
            f"{path}: the class {name} calls itself {called}, a name under which a saved fit could "
            "not find it again; name both alike"
        )
    cls: type = found
    return cls


def function_in_file(path: Path, name: str) -> Any:
    """Run a user's file, and return the function of a name in it.

    Raises:
        ValueError: the file cannot be run, or has no such function.
    """
    module, found = _run(path, name)
    if not callable(found) or isinstance(found, type):
        own = [
            k for k, f in vars(module).items() if getattr(f, "__module__", "") == module.__name__
        ]
        there = f"; it has {listing(own)}" if own else ""
        raise ValueError(f"{path} defines no function {short(name)}{there}")
    return found


class Unwritten(SourceFileLoader):
    """Leaves no compiled copy in a person's folder."""

    def set_data(self, *unwritten: Any, **how: Any) -> None:
        """Write nothing."""


def _run(path: Path, name: str) -> tuple[ModuleType, Any]:
    """Run a user's file; return its module, and what has a name in it, or None."""
    _source(path)
    # A name of its own: a file called json.py must not take the place of the library's.
    tag = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    file = path.absolute()
    called = f"{OWN_FILE}{tag}"
    loader = Unwritten(called, str(file))
    spec = importlib.util.spec_from_file_location(called, file, loader=loader)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with running(f"cannot load {path}", file):
        spec.loader.exec_module(module)
        return module, getattr(module, name, None)  # a module may have a __getattr__ of its own


def _from_file(path: Path, name: str) -> type[Law]:
    base, bracket, arguments = name.partition("[")
    file = path.absolute()
    module, given = _run(path, base)
    if is_function(given):
        with running(f"{path}: {name}"):
            return law_of(given, name=base)
    found: type[Law] = _class(path, base, Law, module, given)
    if bracket:
        with running(f"{path}: {name}", file):
            found = made(found, tuple(arguments.removesuffix("]").split(",")))
    with running(f"{path}: {name}() fails", file):
        law = found()
        inputs, free = law.inputs, law.free
    if found.__call__ is Law.__call__ or not inputs:
        raise ValueError(f"{path}: {name} has no formula; write __call__(self, N, ...)")
    if not free:
        raise ValueError(f"{path}: {name} has no parameter; declare one, e.g. E = offset('...')")
    return found


def _is_a(value: Any, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base) and value is not base


def _source(path: Path) -> bytes:
    """Return the content of a file of laws, which is then run."""
    try:
        return read_bytes(path, MAX_BYTES, "FILE.py:CLASS")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
