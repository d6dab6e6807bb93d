"""Reading the fits of many tables back, each as strictly as a fit by itself."""

from __future__ import annotations

from pathlib import Path

from jaxscale.errors import DataError
from jaxscale.fitting.many_result import SCHEMA, ManyFits
from jaxscale.fitting.saved import fit_of, read_document
from jaxscale.flops import Flops
from jaxscale.laws import Law
from jaxscale.objective.losses import Loss
from jaxscale.text import short


def load_many(
    path: str | Path,
    law: type[Law] | None = None,
    flops: Flops | None = None,
    loss: type[Loss] | None = None,
) -> ManyFits:
    """Load what `ManyFits.save` or `jaxscale fit RUNS --by COLUMN --out` wrote.

    Args:
        path: the JSON file.
        law: see `load`.
        flops: see `load`.
        loss: see `load`.

    Returns:
        The fits by the names of their tables, as they were saved.

    Raises:
        DataError: the file is missing, holds no such fits, or is damaged.
        TypeError: `law` is no class of laws, or `loss` none of losses.

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> halves = {"even": runs.select(runs.rows % 2 == 0, "odd row"), "all": runs}
        >>> jaxscale.fit_many("Chinchilla", halves, starts=64).save("many.json")
        >>> list(jaxscale.load_many("many.json"))
        ['even', 'all']
    """
    path = Path(path)
    document = read_document(path)
    if "fits" not in document.value:
        raise DataError(f"{path}: holds one fit; load(path)")
    try:
        if document["schema_version"].whole() != SCHEMA:
            raise document["schema_version"].wrong(f"{SCHEMA}, which this version reads")
        names = document["names"].texts()
        refused = {name: why.text() for name, why in document["refused"].items().items()}
        seconds = {key: each.number(0) for key, each in document["seconds"].items().items()}
        fits = document["fits"].items()
        stated = [*fits, *refused]
        if sorted(names) != sorted(stated):
            raise document["names"].wrong("the names of fits and of refused, each once")
    except DataError as error:
        raise DataError(f"{path}: damaged: {error}") from error
    found = {
        name: fit_of(each, f"{path}, table {short(name)}", law, flops=flops, loss=loss)
        for name, each in fits.items()
    }
    return ManyFits(names, found, refused, seconds)
