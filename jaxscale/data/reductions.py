"""From many rows to one row per run: the last of a log, the best of a sweep, the mean of seeds.

These compose in this order, which is that of `reduced`; each leaves a sentence in the warnings of
the runs that says what was done and how many rows remain. Nothing here loops over rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from jaxscale.data.groups import coded, listed, lowest_rows, numbered
from jaxscale.data.named_columns import LETTERS, TEXT, NamedColumns
from jaxscale.data.optima import optima
from jaxscale.data.responses import response_of
from jaxscale.data.run_ends import LONG, ends, span
from jaxscale.data.seeds import AVERAGED, Means, means, settings
from jaxscale.data.settings import is_error
from jaxscale.data.tuning import Tuning, optimum_as_loss
from jaxscale.errors import DataError
from jaxscale.text import listing, many, quantity, short

PER_DECADE = 40
"""Bins of a decade of compute along an envelope."""
HIGHER_IS_BETTER = ("accuracy", "reward", "score")
"""Responses of which the lowest is the worst."""


class Reductions(NamedColumns):
    """What makes one row per run of `Runs`."""

    def last_of(self, *run: str, end: str = "last") -> Self:
        """Return the last row of every run of a log, in order of its steps, tokens or FLOPs.

        Runs that end at a loss that is not finite are left out, and those that end on a spike,
        far above the median of the losses before, are named in the warnings.

        Args:
            run: columns that tell runs apart.
            end: the loss of the row: "last", "median:5" of the last five, or "ema:0.9", their
                mean with weights that decay so from the last.

        Raises:
            DataError: there is no such column, a cell of it is empty, or no run ends well.
            ValueError: there is no such end.

        Example:
            >>> import jaxscale
            >>> S, width = [10, 20, 10, 20], [8, 8, 16, 16]
            >>> log = jaxscale.Runs(S=S, loss=[3.5, 3.2, 3.3, 2.9], width=width)
            >>> log.last_of("width").loss
            array([3.2, 2.9])
        """
        names = listed(",".join(run))
        option = f"--last-of {','.join(names)}"
        groups = self._groups(names, option)
        along, progress = self._progress(groups)
        found = ends(groups, progress, self.loss, end)
        lost = ~np.isfinite(found.loss)
        if lost.all():
            raise DataError(f"{self.source}: {option}: no run ends at a finite loss")
        loss = self.loss.copy()
        loss[found.last] = found.loss
        smoothed = "" if end == "last" else f", its loss the {end}"
        said = [
            f"last row of each {', '.join(names)} by {along}{smoothed}: "
            f"{many(int((~lost).sum()), 'row')} of {len(self.loss):,} remain"
        ]
        if lost.any():
            said.append(
                f"{many(int(lost.sum()), 'run')} left out that end at a loss which is not finite "
                f"(row {self._shown(found.last[lost])})"
            )
        if (back := span(groups, progress, end)) > LONG:
            said.append(
                f"its {end} looks back over {100 * back:.2g} % of a run, where the loss was higher "
                "if it still fell: smooth fewer rows, or take the last"
            )
        if found.spike.any():
            said.append(
                f"{many(int(found.spike.sum()), 'run')} cut short on a spike, the last loss far "
                f"above those before it (row {self._shown(found.last[found.spike])})"
            )
        kept = self._picked(found.last, f"not the last row of its {', '.join(names)}", loss=loss)
        return kept.select(
            np.isfinite(kept.loss), "its run ends at a loss that is not finite"
        )._say(said)

    def best_of(self, *by: str, over: str | Sequence[str] = (), of: str = "loss") -> Self:
        """Return the best run of every group of a sweep.

        Args:
            by: columns that the runs of a group share, "N", "D".
            over: one or two columns that were tuned, "lr" or "lr,batch": the loss of a group is
                then the minimum of a parabola, or of a quadratic surface, in their logarithms. The
                columns `lr_opt` and `lr_opt_se` say where it is, in the unit of the table, and
                `loss_se` how well it is known. Where there is none inside the sweep the lowest
                point is kept, and named in the warnings. Other columns are those of the lowest run.
            of: "loss", or "lr_opt" for runs whose loss is the optimum, so that a law of learning
                rates can be fitted to them; groups without one are left out.

        Raises:
            DataError: there is no such column, a cell of it is empty or has no logarithm, or the
                response is one of which more is better.

        Example:
            >>> import jaxscale
            >>> N, lr = [1e6, 1e6, 1e7, 1e7], [1e-3, 2e-3, 1e-3, 2e-3]
            >>> runs = jaxscale.Runs(N=N, D=[1e9] * 4, loss=[3.2, 3.1, 2.9, 2.8], lr=lr)
            >>> runs.best_of("N", "D").loss
            array([3.1, 2.8])
        """
        names, tuned = listed(",".join(by)), listed(over)
        if of != "loss" and of not in [f"{name}_opt" for name in tuned]:
            raise DataError(
                f"best_of(of={of!r}): expected 'loss' or what `over` makes, e.g. 'lr_opt'"
            )
        self._refuse_higher(names)
        if tuned:
            return self._optima(self.tuning(*names, over=tuned), of)
        groups = self._groups(names, f"--best-of {','.join(names)}")
        counted = self.weight is None or self.weight > 0
        best = lowest_rows(groups, np.where(counted, self.loss, np.nan))
        alone = best[np.bincount(groups) < 2]
        said = (
            f"best of each {', '.join(names)}: {many(len(best), 'row')} of {len(groups):,} remain"
        )
        if len(alone) and len(alone) < len(groups):
            said += (
                f"; {many(len(alone), 'row')} alone in the group, so nothing was tuned there (row "
                f"{self._shown(alone)})"
            )
        said_too = self._across(groups, names, f"--best-of {','.join(names)}")
        kept = self._picked(best, f"not the lowest loss of its {', '.join(names)}")
        return kept._say([said, *said_too])

    def _across(self, groups: np.ndarray, named: Sequence[str], option: str) -> list[str]:
        """Return what to say where the best is taken over families too, such as corpora."""
        mixed = self._mixed(groups, named)
        if not mixed:
            return []
        return [
            f"{listing(mixed)} {'differs' if len(mixed) == 1 else 'differ'} between rows that are "
            f"compared, and only the best is kept; keep each apart: {option},{','.join(mixed)}, "
            f"--by {mixed[0]} for a fit of each, or --where"
        ]

    def tuning(self, *by: str, over: str | Sequence[str]) -> Tuning:
        """Return the optima of a sweep, to be printed or drawn; see `best_of`.

        Args:
            by: columns that the runs of a group share.
            over: one or two columns that were tuned.

        Raises:
            DataError: as `best_of`.

        Example:
            >>> import jaxscale
            >>> loss, lr = [3.25, 3.1, 3.12, 3.3], [5e-4, 1e-3, 2e-3, 4e-3]
            >>> sweep = jaxscale.Runs(N=[1e6] * 4, D=[1e9] * 4, loss=loss, lr=lr)
            >>> sweep.tuning("N", over="lr").at.round(4)  # [groups, 1], in the unit of lr
            array([[0.0013]])
        """
        names, tuned = listed(",".join(by)), listed(over)
        option = f"--best-of {','.join(names)} --over {','.join(tuned)}"
        if not 1 <= len(tuned) <= 2 or set(names) & set(tuned):
            raise DataError(f"{option}: expected one or two columns, none of which is in --best-of")
        self._refuse_higher(names)
        groups = self._groups(names, option)
        values = np.stack([self._tuned(name, option) for name in tuned], -1)
        losses = self.loss if self.weight is None else np.where(self.weight > 0, self.loss, np.nan)
        found = optima(groups, np.log(values), losses)
        return Tuning(
            by=tuple(names),
            over=tuple(tuned),
            labels={name: self._resolved(name, option)[found.lowest] for name in names},
            called=tuple(self.row(int(k)) for k in found.lowest),
            groups=groups,
            values=values,
            losses=losses,
            optima=found,
        )

    def average(self, over: str | Sequence[str] = "seed", within: str | Sequence[str] = ()) -> Self:
        """Return the mean of runs that differ in their seed only, with its standard error.

        Runs must be alike in N, D, C, S, the group, and in every other column that was set; those
        that were measured are averaged as the loss is. What was set is told by the name of a
        column (lr, batch size), else by its values, which come again under another seed; the
        warnings say which. The error of a mean, column `loss_se`, is the spread of one run, pooled
        over all groups, over the root of how many there are; its weight is how many there are.

        Args:
            over: columns that are not looked at, "seed".
            within: columns that runs must be alike in, "N,D", where it is not to be told.

        Raises:
            DataError: there is no such column, or no two runs differ in it only.

        Example:
            >>> import jaxscale
            >>> N, seed = [1e6, 1e6, 1e7, 1e7], [0, 1, 0, 1]
            >>> runs = jaxscale.Runs(N=N, D=[1e9] * 4, loss=[3.2, 3.1, 2.9, 2.8], seed=seed)
            >>> runs.average("seed").loss.round(2)
            array([3.15, 2.85])
        """
        names, given = listed(over), listed(within)
        option = f"--average-over {','.join(names)}"
        seeds = numbered([self._resolved(name, option) for name in names])
        copies = self._copies()
        if copies.any():
            why = "the same run again, alike in every column"
            said = f"{many(int(copies.sum()), 'row')} left out: {why}"
            return self.select(~copies, why)._say([said]).average(over, within)
        skipped = {self._key(name) for name in names}
        labels = {name: self.names.get(name, name.removeprefix(TEXT)) for name in self.columns}
        others = {n: x for n, x in self.columns.items() if n not in skipped}
        base = [name for name in LETTERS if name in others]
        cells = [others.pop(name) for name in base]
        if self.group is not None and "group" not in skipped:
            cells.append(coded(list(self.group)))
        was_set, measured = settings(cells, others, seeds, labels)
        if given:
            cells, base = [self._resolved(name, option) for name in given], given
            was_set, measured = [], list(others)
        groups = numbered([*cells, *(others[name] for name in was_set), np.zeros(len(seeds))])
        weight = np.ones(len(groups)) if self.weight is None else self.weight
        found = means(groups, self.loss, weight)
        alike = listing([labels.get(name, name) for name in (*base, *was_set)])
        if found.size.max() < 2:
            raise DataError(
                f"{self.source}: {option}: no two rows are alike in {alike} and differ in "
                f"{' and '.join(names)}; leave it out, or name what else differs between repeats: "
                f"--average-over {','.join(names)},COLUMN"
            )
        kept = [n for n in measured if not n.startswith(TEXT) and not is_error(labels.get(n, n))]
        columns = {n: found.of(others[n], weight)[groups] for n in kept if n in others}
        return self._means(found, names, columns)._say(_averaged(found, names, alike, kept))

    def _means(self, found: Means, over: Sequence[str], columns: dict[str, np.ndarray]) -> Self:
        """Return the runs of means, with columns [n] of them; without the seeds."""
        groups = found.groups
        if found.spread > 0:
            columns["loss_se"] = found.error[groups]
        runs = self.replace(
            weight=found.weight[groups],
            names={**dict(zip(columns, columns, strict=True)), **self.names, "weight": AVERAGED},
        )
        runs = runs._picked(
            found.first,
            f"averaged with others that differ in {' and '.join(over)} only",
            loss=found.loss[groups],
            **columns,
        )
        errors = [name for name in runs.columns if is_error(self.names.get(name, name))]
        for name in (*errors, *(str(runs._key(name)) for name in over)):
            if name not in columns:  # an error of one run is none of a mean
                runs.columns.pop(name, None)
        return runs

    def envelope(self, along: str = "C") -> Self:
        """Return the runs, or the points of training curves, that none of no more compute beats.

        Of each of `PER_DECADE` bins of a decade, the lowest. Where there is a group, the points of
        each have their own envelope. (`isoflop` interpolates curves instead, and says whose size
        is lowest where: the sizes along an envelope are biased in a table of few checkpoints.)

        Args:
            along: the column that is spent, "C".

        Raises:
            DataError: there is no such column, or a value of it is not positive.

        Example:
            >>> import jaxscale
            >>> runs = jaxscale.datasets.load("stdlib_ladder")
            >>> len(runs.envelope("C"))
            26
        """
        option = f"--envelope {along}"
        values = self._resolved(along, option)
        self._require_positive(values, along, f"{option}: bins of its logarithm take")
        self._refuse_higher([], option)
        groups = np.zeros(len(values), int)
        if self.group is not None:
            groups = numbered([coded(list(self.group))])
        loss = np.where(np.isfinite(self.loss), self.loss, np.inf)
        order = np.lexsort((loss, values, groups))
        least = _least_so_far(loss[order], groups[order])
        front = order[(loss[order] < least) & np.isfinite(loss[order])]
        bins = numbered([groups[front], np.floor(np.log10(values[front]) * PER_DECADE)])
        best = front[lowest_rows(bins, loss[front])] if len(front) else front
        said = f"envelope along {along}: {many(len(best), 'row')} of {len(groups):,} remain"
        sizes = self.columns.get("N")
        mixed = (
            [] if sizes is None or self.group is not None else self._mixed(numbered([sizes]), [])
        )
        told = [f"{listing(mixed)} differs between runs of one N, and all have one envelope: "
                f"--by {mixed[0]} for one of each, or --where"] if mixed else []  # fmt: skip
        return self._picked(best, f"not on the envelope along {along}")._say([said, *told])

    def _optima(self, found: Tuning, of: str) -> Self:
        """Return the runs of optima; see `best_of`."""
        lowest, option = found.optima.lowest, f"--over {','.join(found.over)}"
        made, good = found.made(), np.ones(len(found), bool)
        if of == "loss":
            made["loss"] = found.optima.loss
        else:
            made, good = optimum_as_loss(found, of)
        for name in made.keys() & self.columns.keys():
            raise DataError(
                f"{self.source}: {option} makes a column {short(name)}, and there is one already"
            )
        changes = {}
        for name, values in made.items():
            changes[name] = np.full(len(self.loss), np.nan)
            changes[name][lowest] = values
        called = {name: name for name in made if name != "loss"}
        named = self.names if of == "loss" else {**self.names, "loss": of}
        runs = self.replace(names={**named, **called})
        runs = runs._picked(lowest, f"not the best of its {', '.join(found.by)}", **changes)
        by = ",".join(found.by)
        mixed = self._across(found.groups, [*found.by, *found.over], f"--best-of {by}")
        if not good.all():
            mask = np.isin(runs.rows, self.rows[lowest[good]])
            if not mask.any():
                raise DataError(
                    f"{self.source}: {option}: no group has an optimum inside its sweep"
                )
            runs = runs.select(mask, f"no optimum over {', '.join(found.over)} inside the sweep")
        return runs._say([*found.notes(of), *mixed])

    def _refuse_higher(self, by: Sequence[str], option: str = "") -> None:
        kind = response_of(self.names.get("loss", "loss")).kind
        if kind in HIGHER_IS_BETTER:
            raise DataError(
                f"{self.source}: {option or '--best-of ' + ','.join(by)} would keep the lowest "
                f"{kind} of each group, which is its worst run; name a loss with --column "
                "loss=COLUMN, or turn it round: --column 'loss=1-COLUMN'"
            )

    def _copies(self) -> np.ndarray:
        """Return which rows [n] are alike in every column with one before."""
        every = [*self.columns.values(), self.loss]
        every += [] if self.group is None else [coded(list(self.group))]
        groups = numbered(every)
        mask = np.ones(len(groups), bool)
        mask[np.unique(groups, return_index=True)[1]] = False
        return mask


def _least_so_far(loss: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the least loss [n] before every row within its group, infinite for the first.

    Args:
        loss: [n].
        groups: [n], sorted.
    """
    rank = np.argsort(np.argsort(loss, kind="stable"), kind="stable")  # so that groups stack up
    stacked = rank - groups * len(loss)
    least = np.minimum.accumulate(stacked)
    first = np.append(True, groups[1:] != groups[:-1])
    before = np.append(0, least[:-1]) + groups * len(loss)
    found = np.sort(loss, kind="stable")[np.where(first, 0, before) % max(len(loss), 1)]
    return np.where(first, np.inf, found)


def _averaged(found: Means, over: Sequence[str], alike: str, measured: Sequence[str]) -> list[str]:
    """Return what to say of means."""
    size = found.size
    most = f"{size.min()} to {size.max()}" if size.min() < size.max() else f"{size.max()}"
    alone = int((size == 1).sum())
    said = (
        f"averaged over {' and '.join(over)}: {many(len(size), 'row')} of {int(size.sum()):,} "
        f"remain, each of {most} alike in {alike}"
    )
    if alone:
        said += f"; {many(alone, 'row')} without a repeat"
    if measured:
        said += f"; measured, and averaged too: {listing(measured, 6)}"
    spread = (
        f"one run strays from the mean of its repeats by {quantity(found.spread, 3)} "
        f"({many(found.freedom, 'degree')} of freedom): column loss_se has the errors of the means"
    )
    if not found.spread > 0:
        spread = "all repeats agree to the last digit, so there is no error of their means"
    return [said, spread]
