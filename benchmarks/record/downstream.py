"""Published fits from loss to loss, of over-training, and of fine-tuning."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

import jaxscale
from jaxscale import Chinchilla, Huber, Law, Square
from jaxscale.laws.downstream import ErrorFromLoss
from jaxscale.laws.finetuning import RectifiedFineTuning
from jaxscale.laws.overtraining import OverTraining

from .chinchilla import from_values, plain
from .entry import Goal, Published, Row, judged
from .forms import KaplanE
from .refit import Fitter, descended, of_numbers, row, summary
from .rmsd import RMSD

GADRE = dict(source="Gadre et al. 2024, arXiv:2403.08540; github mlfoundations/scaling, "
             "scaling_explorer.ipynb")  # fmt: skip
BRANDFONBRENER = (
    "Brandfonbrener et al. 2024, arXiv:2411.12925; github KempnerInstitute/loss-to-loss-notebooks, "
    "opt_params_data.csv"
)
CORPORA = ("fineweb-100b", "fineweb-edu-100b", "proof-pile-2", "slimpajama-chunk1", "smollm-corpus",
           "starcoder")  # fmt: skip
STARTS = 256
"""Of each of many fits."""
C4_LOSS = "eval/c4_val/CrossEntropyLoss"
Line = Mapping[str, str]


def rows(data: Path) -> Iterator[Row]:
    """Yield the rows of Gadre, Brandfonbrener and Lin."""
    yield from over_training(data)
    yield from loss_to_loss(data)
    yield fine_tuning(data)


def lines(path: Path) -> list[Line]:
    """Return the rows of a CSV file as text."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- over-training ----------------------------------------------------------------------------


def over_training(data: Path) -> Iterator[Row]:
    """Yield the rows of what five small runs of RedPajama predict of 1.4 B and 6.9 B."""
    every = [r for r in lines(data / "gadre_overtraining" / "gadre_models.csv")
             if r["train_dataset"] == "rpj"]  # fmt: skip
    small = ("d=96_l=8_h=4", "d=512_l=8_h=4", "d=576_l=24_h=8", "d=1024_l=24_h=8")
    five = [r for r in every if r["model"] in small and _times(r) == 1]
    five += [r for r in every if r["model"] == small[0] and _times(r) == 16]
    loss = jaxscale.Runs(**_compute(five), loss=_of(five, "loss_c4_val"))
    law = jaxscale.fit(OverTraining(), loss, loss=Square(), residual="absolute").law
    six = five + [r for r in every if r["model"] == "open_lm_1b" and _times(r) == 1]
    error = jaxscale.Runs(L=_of(six, "loss_c4_val"), loss=_of(six, "err_avg_17"))
    link = jaxscale.fit(ErrorFromLoss(), error, loss=Square(), residual="absolute").law
    far = [r for r in every if (r["model"], _times(r)) in (("open_lm_1b", 32), ("open_lm_7b", 1))]
    told = np.asarray(law.loss(*_compute(far).values()))
    names = [f"{r['model'][-2:]}, M = {20 * _times(r):g}" for r in far]
    off = 100 * np.abs(told / _of(far, "loss_c4_val") - 1)
    missed = 100 * np.abs(np.asarray(link.loss(told)) / _of(far, "err_avg_17") - 1)
    by_name = {"1b, M = 640": ("0.7103", "3.6365"), "7b, M = 20": ("0.7320", "0.0464")}
    values = ", ".join(f"{k} {float(v):.6g}" for k, v in law.values.items())
    loss_title, error_title = (
        f"Over-training, errors (%) of predicted {what}" for what in ("losses", "17-task errors")
    )
    note = (
        "Five runs of RedPajama up to 411 M predict 1.4 B at 640 tokens per parameter and 6.9 B at "
        f"20. The law, which is not printed: {values}"
    )
    yield of_numbers(
        dict(key="gadre-loss", title=loss_title, **GADRE),
        {k: v[0] for k, v in by_name.items()}, dict(zip(names, off, strict=True)),
        formula=law.formula(), goal="sum of squares of the loss", runs=len(five),
        rule="128 starts, curve_fit", note=note,
    )  # fmt: skip
    yield of_numbers(
        dict(key="gadre-error", title=error_title, **GADRE),
        {k: v[1] for k, v in by_name.items()}, dict(zip(names, missed, strict=True)),
        formula=link.formula(), goal="sum of squares of the error",
        note="Five runs as above, and 1.4 B at 20 tokens per parameter",
        runs=len(six), rule="one start, curve_fit",
    )  # fmt: skip


def _compute(chosen: Sequence[Line]) -> dict[str, np.ndarray]:
    """Return C and M, tokens per parameter."""
    N, D = _of(chosen, "params"), _of(chosen, "tokens")
    return {"C": 6 * N * D, "M": D / N}


def _times(line: Line) -> float:
    return float(line["chinchilla_multiplier"])


def _of(chosen: Sequence[Line], name: str) -> np.ndarray:
    return np.array([float(line[name]) for line in chosen])


# --- loss to loss -----------------------------------------------------------------------------


def kaplan_from(values: Mapping[str, float]) -> KaplanE:
    """Return the law at their N_c, D_c (called A and B), E, alpha, beta."""
    A, B, alpha, beta = (values[k] for k in ("A", "B", "alpha", "beta"))
    return KaplanE(E=values["E"], A=A**alpha, B=B**beta, alpha=alpha, beta=beta)


def kaplan_values(law: Law) -> dict[str, float]:
    """Return their N_c, D_c, E, alpha, beta."""
    v = law.values
    return {**v, "A": v["A"] ** (1 / v["alpha"]), "B": v["B"] ** (1 / v["beta"])}


def loss_to_loss(data: Path) -> Iterator[Row]:
    """Yield one row per corpus for the loss on C4, and one of all 276 fits."""
    folder = data / "loss_to_loss"
    sweep = lines(folder / "loss_to_loss_sweep.csv")
    published = lines(folder / "loss_to_loss_opt_params_data.csv")
    known = [_fit_of(line, sweep) for line in published]
    for one, line in zip(known, published, strict=True):
        if line["loss_name"] == C4_LOSS and line["kaplan"] == "False":
            yield row(one)
    for kind, name in (("False", "Chinchilla"), ("True", "Kaplan with E")):
        group = [one for one, line in zip(known, published, strict=True) if line["kaplan"] == kind]
        yield _all_of(group, name)


def _fit_of(line: Line, sweep: Sequence[Line]) -> Published:
    name, kaplan = line["loss_name"], line["kaplan"] == "True"
    of = [r for r in sweep if r["data"] == line["data"] and r[name]]
    runs = jaxscale.Runs(N=_of(of, "params"), D=_of(of, "tokens"), loss=_of(of, name))
    goal = Goal(Huber(1e-3), "log", "mean of Huber (δ = 1e-3) of log residuals", 1 / len(of))
    return Published(
        f"loss-to-loss {line['data']}", 
        f"Loss to loss, {name.split('/')[-2 if name == C4_LOSS else -1]} after {line['data']}",
        BRANDFONBRENER, law=KaplanE() if kaplan else Chinchilla(), runs=runs, goal=goal,
        printed={k: line[k] for k in ("A", "B", "E", "alpha", "beta")}, stated=line["loss"],
        make=kaplan_from if kaplan else from_values, read=kaplan_values if kaplan else plain,
        rule="curve_fitting.py, not at hand; what it states agrees to the digits of float32",
    )  # fmt: skip


def _all_of(group: Sequence[Published], name: str) -> Row:
    """Return one row of many fits of one law."""
    tables = {f"{k:03}": one.runs for k, one in enumerate(group)}
    first = group[0]
    options = dict(loss=first.goal.loss, residual=first.goal.residual, starts=STARTS)
    found = jaxscale.fit_many(first.law, tables, **options)
    verdicts, above, trusted = [], [], 0
    for key, one in zip(tables, group, strict=True):
        printed, ours = one.make(one.values), found[key].law
        down = descended(Fitter(one, one.goal), printed)
        values = [one.goal.value(law, one.runs) for law in (printed, ours, down)]
        verdicts.append(judged(values[0], min(values[1:]), values[2], same=False))
        above.append(values[0] / min(values[1:]) - 1)
        trusted += found.certificates[key].trusted
    worst = int(np.argmax(above))
    quarter, half, most = np.quantile(above, (0.25, 0.5, 1.0))
    return summary(
        dict(key=f"loss-to-loss all {name}", source=BRANDFONBRENER,
             title=f"Loss to loss, all {len(group)} fits of {name}: six corpora, 23 losses"),
        verdicts, formula=first.law.formula(), goal=first.goal.words,
        runs=sum(map(len, tables.values())),
        reason=f"published objectives lie {quarter:.1g}, {half:.1g} and {most:.2g} above ours, "
        f"relatively (lower quartile, median, most: {group[worst].title})",
        search=f"{STARTS} starts each, one call of fit_many, {trusted} of {len(group)} certified",
    )  # fmt: skip


# --- fine-tuning ------------------------------------------------------------------------------


def fine_tuning(data: Path) -> Row:
    """Return one row of the rectified law, a fit per model and task."""
    tables: dict[str, list[tuple[float, float]]] = {}
    for line in lines(data / "finetune_rectified" / "finetune_runs.csv"):
        if float(line["examples"]) > 0:
            key = f"{line['task']} {line['model']}"
            tables.setdefault(key, []).append((float(line["examples"]), float(line["loss"])))
    known = {k: np.array(v) for k, v in tables.items() if k in RMSD}
    runs = {k: jaxscale.Runs(D=v[:, 0], loss=v[:, 1]) for k, v in known.items()}
    found = jaxscale.fit_many(RectifiedFineTuning(), runs, loss=Square())
    ours = {k: float(np.sqrt(np.mean((np.log(found[k].prediction / v[:, 1])) ** 2)))
            for k, v in known.items()}  # fmt: skip
    words = [
        judged(RMSD[k], ours[k], ours[k], same=abs(RMSD[k] / ours[k] - 1) < 1e-4) for k in known
    ]
    more = np.array([RMSD[k] / ours[k] - 1 for k in known])
    trusted = sum(each.trusted for each in found.certificates.values())
    return summary(
        dict(key="fine-tuning", title=f"Rectified fine-tuning law, {len(known)} models and tasks",
             source="Lin et al. 2024, arXiv:2402.02314; github linhaowei1/Fine-tuning-Scaling-Law, "
             "results/rmsd.csv"),
        words, formula=RectifiedFineTuning.formula(), runs=sum(map(len, runs.values())),
        goal="root mean square of log residuals",
        rule="one start; a surrogate in 18 unknowns, then A and E alone (fit_law.py)",
        reason=f"their error is {100 * np.median(more):.2g} % above ours in the median, "
        f"{100 * more.max():.2g} % at most: the surrogate is not the error that is reported",
        search=f"{trusted} of {len(known)} certified, one call of fit_many",
    )  # fmt: skip
