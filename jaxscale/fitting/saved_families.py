"""The law that a file states: how it is asked for, and that over families, made from its labels.

No code of the file runs.
"""

from __future__ import annotations

from typing import Any

from jaxscale._numerics.widemat import LIMIT
from jaxscale.errors import DataError
from jaxscale.files.fields import Field
from jaxscale.laws import CATALOGUE, Law
from jaxscale.laws.grouped import FamilyLaw, Grouped
from jaxscale.laws.names import one_scale
from jaxscale.text import short

FIELDS = ("law", "by", "own", "labels", "pooled")


def stated_families(law: Law) -> dict[str, Any]:
    """Return what the settings of a file say of the families of a law; nothing without any."""
    if not isinstance(law, FamilyLaw):
        return {}
    stated = {
        "law": law.base.__name__,
        "by": law.by,
        "own": list(law.own),
        "labels": list(law.labels),
        "pooled": law.pooled,
    }
    return {"families": stated}


def has_families(document: Field) -> bool:
    """Return whether a document, not looked into yet, states a law over families."""
    settings = document.value.get("settings") if isinstance(document.value, dict) else None
    return isinstance(settings, dict) and settings.get("families") is not None


def law_name(document: Field) -> Any:
    """Return what a document, not looked into yet, calls its law; of families, that of one."""
    if has_families(document):
        families = document.value["settings"]["families"]
        return families.get("law") if isinstance(families, dict) else None
    return document.value.get("law") if isinstance(document.value, dict) else None


def asked_for(name: str, given: type[Law] | None) -> str:
    """Return how to give the law of a name, where the law at hand is none of that name.

    Args:
        name: that the file states.
        given: the law at hand, if there is one.
    """
    another = "" if given is None else f"another one was given, {short(given.__name__)}; "
    if CATALOGUE.get(name) is not None:
        return f"{another}leave law= (--law) out: it is one of the catalogue"
    shown = name if name.isidentifier() else "LAW"
    own = f"load(path, law={shown}) (--law FILE.py:{shown})"
    return f"{another}it is not of the catalogue, so give its class or its function: {own}"


def damaged(law: type[Law] | None) -> str:
    """Return what a file is that does not fit its law: damaged, or that of another formula."""
    if law is None or CATALOGUE.has(law):
        return "a damaged fit result"
    return (
        f"a damaged fit result, or {short(law.__name__)} is no longer the law that was fitted "
        "(its file edited since?)"
    )


def families_class(document: Field, base: type[Law]) -> type[FamilyLaw]:
    """Return the class of the law over families that a document states.

    Args:
        document: of the fit.
        base: the law of one family.

    Raises:
        DataError: the labels or the own parameters are none of such a law.
    """
    field = document["settings"]["families"]
    stated = field.only(FIELDS, all_of_them=True)
    stated["law"].text()
    labels = stated["labels"].texts()
    if len(labels) > LIMIT:
        raise stated["labels"].wrong(f"at most {LIMIT} labels")
    own, by, pooled = stated["own"].texts(), stated["by"].text(), stated["pooled"]
    pool = pooled.flag() if isinstance(pooled.value, bool) else pooled.positive()
    try:
        one = base(**{"of": "S"}) if one_scale(base) else base()
        return type(Grouped(one, by, own, pool).over(labels))
    except ValueError as error:
        raise DataError(f"{field.name}: {error}") from error


def pooled_of(settings: Field, law: Law) -> tuple[tuple[str, float, float], ...]:
    """Return (name, width, strength) of the prior that a file states; empty without one.

    Args:
        settings: of the document.
        law: that it states.
    """
    field = settings.get("pooled")
    if field.value is None:
        return ()
    if not (isinstance(law, FamilyLaw) and law.pooled):
        raise field.wrong("null, since no families are pooled")
    found = []
    for name, both in field.only(law.own, all_of_them=True).items():
        width, strength = both.elements(2)
        found.append((name, width.positive(), strength.positive()))
    return tuple(found)
