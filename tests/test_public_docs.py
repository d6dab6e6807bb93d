"""The public names are explained to their end: what goes in, comes out, is raised, and an example.

Public are the names of `jaxscale.__all__`, those of its public modules, and the classes of what
the public functions return. Their methods explain their parameters too; a method needs an example
where it is a door of its own (DOORS). Examples run as tests in one process and share a table, a
law and a number of starts, so that they compile few programs; those of SLOW compile their own.
"""

import ast
import doctest
import functools
import importlib
import inspect
import re
import textwrap
from typing import Any

import pytest

import jaxscale

MODULES = {
    "datasets": None,
    "engine": None,
    "implicit": "with_values argmin argmin_law condition",
    "optimizers": None,
    "quantities": None,
}
"""Public modules and their doors; None: all names that they define or list."""
RETURNED = """
comparison.held_out:HeldOut comparison.result:Comparison decisions.mixing:Mixture
decisions.near:Near fitting.result:FitResult flops.fitted:CostFit
forecast.forecaster:Forecast forecast.local_level:Prior recipes.multiplier:Multiplier
recipes.speedup:Speedup sweep.spec:Spec uncertainty.allocations:Allocation
uncertainty.asymptote:AsymptoteProfile uncertainty.covariance:Covariance
uncertainty.draws:Draws uncertainty.influence:Influence uncertainty.jackknife:Jackknife
uncertainty.profile:Profiles
""".split()
"""Classes that public functions return and that have no public name: their methods are public."""
DOORS = """
Draws.interval Draws.intervals Draws.predict FitResult.extrapolation FitResult.predict
FitResult.save Forecaster.update Forecaster.predict Influence.largest Law.preset Law.replace
Profiles.intervals Runs.average Runs.best_of Runs.by_group Runs.column Runs.envelope
Runs.from_dataframe Runs.last_of Runs.of Runs.replace Runs.select Runs.tuning
Grouped.over Transformer.count Transformer.training_flops Transformer.inference_flops
""".split()
"""Methods that a person calls for their own sake: each has an example."""
LAWS = ("Law", "Chinchilla", "Kaplan", "PowerLaw")
"""Laws with an example; how to use any other is the same, and the catalogue draws and states it."""
SLOW = """
Forecaster Grouped Influence.largest Profiles.intervals Reduced Refits asymptote_profile compare
cross_validate engine.Solution engine.classify engine.solve fit_many implicit.argmin
implicit.argmin_law implicit.condition influence isoflop load_many newton profile rank report
rollout solver
""".split()
"""Examples that compile programs of their own, a second of CPU and more; all others share some."""
NIGHTLY = """
Forecaster.predict IsoFlop ManyFits Ranking Report Solver learn_prior posterior
""".split()
"""Those that take longest, or whose calls stand in an example of SLOW too."""
PARTS = ("Args", "Returns", "Raises", "Attributes", "Example", "Examples", "Yields", "Note")
OWN = {"self", "cls"}
FLAGS = doctest.NORMALIZE_WHITESPACE


def unwrapped(found):
    """The function under a classmethod, property or cache."""
    found = unbound(found)
    if isinstance(found, property):
        found = found.fget
    return inspect.unwrap(getattr(found, "func", found))


@functools.cache
def sections(doc):
    """Sections of a docstring in Google's style by name; "" is what stands before the first."""
    parts, at = {"": ""}, ""
    for line in doc.splitlines():
        heading = re.fullmatch(rf"({'|'.join(PARTS)}):", line)
        # A section ends where prose without indentation begins.
        at = heading[1] if heading else ("" if line[:1].strip() else at)
        parts[at] = parts.get(at, "") + ("" if heading else line + "\n")
    return parts


def entries(text):
    """What a section explains: text by name."""
    found = {}
    for names, said in re.findall(r"^ {4}([\w*][\w*, .]*):((?:.|\n(?! {4}[\w*]))*)", text, re.M):
        found |= {name.strip(" *"): said for name in names.split(",")}
    return found


def raised(function):
    """Names of the exceptions that a function's own body raises."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    names = [call.func if isinstance(call, ast.Call) else call for call in calls if call]
    found = {name.id for name in names if isinstance(name, ast.Name)}
    return {name for name in found if name[0].isupper()} - {"NotImplementedError"}


def without_summary(doc):
    first = doc.split("\n\n")[0]
    return [] if doc and "\n" not in first and first[-1:] in ".:?" else ["a summary of one line"]


ARRAYS = re.compile(r"\bArray\b|ndarray")
SHAPE = re.compile(r"\[[^\]]*\]|shape|scalar|broadcast|number")


def lacking(function, doc, section):
    """What the docstring of a function does not say."""
    parts, signature = sections(doc), inspect.signature(function)
    said = entries(parts.get("Args", ""))
    missing = without_summary(doc)
    for name, given in signature.parameters.items():
        if name in OWN:
            continue
        if name not in said:
            missing.append(f"Args: {name}")
        elif ARRAYS.search(str(given.annotation)) and not SHAPE.search(said[name]):
            missing.append(f"Args: shape of {name}")
    result = str(signature.return_annotation)
    begun = re.match(r"(Return|Yield|Write|Whether)", doc) and not section
    if ":" in parts.get("Returns", "").strip().partition("\n")[0]:
        missing.append("Returns without a colon, before which Sphinx takes words for a type")
    if result != "None" and "Returns" not in parts and "Yields" not in parts and not begun:
        missing.append("Returns")
    if ARRAYS.search(result) and not SHAPE.search(parts.get("Returns", "") + parts[""]):
        missing.append("shape of what it returns")
    named = parts.get("Raises", "")
    missing += [f"Raises: {name}" for name in sorted(raised(function)) if name not in named]
    return missing


def has_example(doc):
    return ">>> " in sections(doc).get("Example", "")


def unbound(found):
    """The function under a classmethod; a property stays one."""
    return getattr(found, "__func__", found)


def members(cls, among):
    """What a class defines, and what it has of bases that are not public themselves."""
    found = {}
    for base in reversed(cls.__mro__):
        if base is cls or (base not in among and base.__module__.startswith("jaxscale")):
            found |= vars(base)
    return found


def explained_by_a_base(cls, method):
    """Whether a base explains the method's parameters, which then mean the same here."""
    bases = [vars(base)[method] for base in cls.__mro__[1:] if method in vars(base)]
    functions = [found for found in map(unbound, bases) if inspect.isfunction(found)]
    return any(not lacking(f, inspect.getdoc(f) or "", section=False) for f in functions)


def public_class(name, cls, among, law=False):
    """Yield (name, what is missing) of a class and of its public methods and properties."""
    doc = inspect.getdoc(cls) or ""
    missing = without_summary(doc)
    if not law:
        fields = {f.name for f in getattr(cls, "__dataclass_fields__", {}).values()}
        explained: dict[str, str] = {}
        for base in cls.__mro__[:-1]:
            parts = sections(inspect.getdoc(base) or "")
            explained |= entries(parts.get("Attributes", "") + parts.get("Args", ""))
        missing += [
            f"Attributes: {f}" for f in sorted(fields) if f not in explained and f[0] != "_"
        ]
    yield name, cls, missing
    for method, found in members(cls, among).items():
        function = unwrapped(found)
        own = inspect.isfunction(function) and function.__module__.startswith("jaxscale")
        if not own or (method[0] == "_" and method != "__call__"):
            continue
        doc = inspect.getdoc(function) or ""
        plain = isinstance(found, property | functools.cached_property)
        if plain or explained_by_a_base(cls, method):
            yield f"{name}.{method}", function, without_summary(doc)
        else:
            yield f"{name}.{method}", function, lacking(function, doc, section=False)


def public():
    """Yield (name, object, what its docstring lacks) of everything public."""
    named = {name: getattr(jaxscale, name) for name in jaxscale.__all__}
    for module, doors in MODULES.items():
        inside = importlib.import_module(getattr(jaxscale, module).__name__)
        listed = doors.split() if doors else getattr(inside, "__all__", None)
        own = [
            k for k, v in vars(inside).items() if getattr(v, "__module__", "") == inside.__name__
        ]
        names = listed or [name for name in own if name[0] != "_"]
        named |= {f"{module}.{name}": getattr(inside, name) for name in names}
        yield module, inside, without_summary(inspect.getdoc(inside) or "")
    bare = set()
    for entry in RETURNED:
        room, name = entry.split(":")
        found = getattr(importlib.import_module(f"jaxscale.{room}"), name)
        bare |= set() if name in named else {name}
        named.setdefault(name, found)
    among = [found for found in named.values() if inspect.isclass(found)]
    for name, found in named.items():
        if inspect.isclass(found) and found is not Any:
            law = issubclass(found, jaxscale.Law)
            rows = list(public_class(name, found, among, law))
            alike = law and name not in LAWS  # of laws, the catalogue's page says the rest
            if not (alike or name in bare or has_example(inspect.getdoc(found) or "")):
                rows[0][2].append("Example")
            for row in rows[: 1 if alike else None]:
                if row[0] in DOORS and not has_example(inspect.getdoc(row[1]) or ""):
                    row[2].append("Example")
                yield row
        elif inspect.isroutine(inspect.unwrap(found)) and callable(found):
            function, doc = inspect.unwrap(found), inspect.getdoc(found) or ""
            missing = lacking(function, doc, section=True)
            yield name, function, missing + ([] if has_example(doc) else ["Example"])


PUBLIC = {name: (found, missing) for name, found, missing in public()}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_explained_to_its_end(name):
    missing = PUBLIC[name][1]
    assert not missing, f"the docstring of {name} lacks: {'; '.join(missing)}"


def test_every_door_exists():
    assert not [name for name in (*DOORS, *SLOW, *NIGHTLY) if name not in PUBLIC]


def test_what_public_functions_return_is_explained_too():
    functions = [found for name, (found, _) in PUBLIC.items() if name in jaxscale.__all__]
    said = {inspect.signature(f).return_annotation for f in functions if inspect.isfunction(f)}
    classes = {name for name in said if isinstance(name, str) and name.isidentifier()}
    assert classes - {"Any"} <= set(PUBLIC)


def examples():
    """One case per docstring of a public name with doctest lines."""
    seen = {}
    for name, (found, _) in PUBLIC.items():
        function = inspect.unwrap(found)
        if has_example(inspect.getdoc(function) or "") and function not in seen:
            seen[function] = name
            slow = [pytest.mark.slow] if name in (*SLOW, *NIGHTLY) else []
            nightly = [pytest.mark.nightly] if name in NIGHTLY else []
            yield pytest.param(function, id=name, marks=slow + nightly)


@pytest.mark.parametrize("found", list(examples()))
def test_an_example_prints_what_its_docstring_shows(found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write a file
    text = "\n".join(inspect.getdoc(found).splitlines())
    case = doctest.DocTestParser().get_doctest(text, {}, found.__qualname__, found.__module__, 0)
    said = []
    doctest.DocTestRunner(optionflags=FLAGS).run(case, out=said.append)
    assert not said, "".join(said)
