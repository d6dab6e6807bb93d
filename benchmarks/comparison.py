"""Which law extrapolates best, on every public table: `python -m benchmarks.comparison`.

Runs `jaxscale.comparison.compare` on the tables of gold.json and writes results/comparison.json
and results/comparison.md. Tables that show the same training runs twice are in the list, but only
one of each is counted in what was learnt. No row of data is written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale import Chinchilla, Kaplan, Law, PowerLaw, Scalar, power, read_runs
from jaxscale.comparison.compare import compare
from jaxscale.errors import JaxscaleError
from jaxscale.laws.parameters import coefficient, exponent, offset

from .document import environment
from .tables import markdown

RESULTS = Path(__file__).parent / "results"
COUNTED = (
    "chinchilla_epoch_240",
    "isoflop_llama_3__raw_loss_qc",
    "isoflop_misfitting__fineweb_c4__transformer_qc",
    "datablations_all_epochs_le_2p5",
    "gadre_c4_original_c4val",
    "gadre_rpj_c4val",
    "gadre_rw_original_c4val",
    "misfitting_final_best_lr",
    "steplaw_dense_best17",
    "porian_owt2_base_long_kaplan_standard_val",
    "porian_owt2_base_short_kaplan_standard_val",
    "porian_owt2_base_short_chinchilla_standard_val",
    "porian_owt2_tuned_short_const_standard_val",
    "porian_rw_base_long_kaplan_standard_val",
    "porian_rw_base_short_kaplan_standard_val",
    "porian_rw_base_short_chinchilla_standard_val",
    "porian_rw_tuned_long_const_kaplan_train",
    "porian_rw_tuned_short_const_standard_val",
)
"""One table per set of training runs; the others show these again, otherwise cleaned or counted."""
TIED = "Chinchilla alpha=beta"


class EqualExponents(Law):
    """L(N, D) = E + A N^-alpha + B D^-alpha.

    Source: Muennighoff et al. 2023, arXiv:2305.16264.
    """

    E: Scalar = offset("irreducible loss")
    A: Scalar = coefficient("model-size coefficient", per=dict(N="alpha"))
    B: Scalar = coefficient("data-size coefficient", per=dict(D="alpha"))
    alpha: Scalar = exponent("exponent of both")

    def __call__(self, N: Any, D: Any) -> Any:
        """Return E + A N^-alpha + B D^-alpha."""
        return self.E + self.A * power(N, -self.alpha) + self.B * power(D, -self.alpha)


def laws() -> dict[str, Law]:
    """Return the laws that are compared, by label."""
    return {
        "Chinchilla": Chinchilla(),
        TIED: EqualExponents(),
        "Kaplan": Kaplan(),
        "PowerLaw:C": PowerLaw(of="C"),
    }


def measure(folder: Path, key: str, entry: dict[str, Any], draws: int) -> dict[str, Any]:
    """Compare the laws on one table; returns its record."""
    runs = read_runs(folder / entry["file"], map=entry.get("columns"), where=entry["filter"])
    begin = time.perf_counter()
    record: dict[str, Any] = {"table": key, "counted": key in COUNTED, "n": len(runs)}
    try:
        result = compare(laws(), runs, by="C", draws=draws)
    except JaxscaleError as error:
        return {**record, "error": str(error).replace(str(folder), "")}
    document = result.to_dict()
    wanted = ("sentence", "best", "ranked_by", "separated", "rollout", "nested", "warnings")
    own = ("label", "trusted", "reasons", "params", "derived", "error", "behind", "weight")
    return {
        **record,
        **{name: document[name] for name in wanted if name in document},
        "laws": [
            {name: each[name] for name in own}
            | {"information": each["information"], "notes": each["notes"]}
            | {"ranges": (each["sensitivity"] or {}).get("ranges")}
            for each in document["laws"]
        ],
        "seconds": time.perf_counter() - begin,
    }


def _line(record: dict[str, Any]) -> list[str]:
    star = "" if record["counted"] else " *"
    if "error" in record:
        return [record["table"] + star, str(record["n"]), record["error"], *[""] * 8]
    first, second = record["laws"][:2]
    kind = record["ranked_by"]
    by_label = {law["label"]: law for law in record["laws"]}
    span = (by_label["Chinchilla"]["ranges"] or {}).get("a")
    doubted = [law["label"] for law in record["laws"] if not law["trusted"]]
    tests = [t for t in record["nested"] if (t["small"], t["large"]) == (TIED, "Chinchilla")]
    windows = len(record["rollout"]["windows"]) if "rollout" in record else 0
    return [
        record["table"] + star,
        str(record["n"]),
        str(windows),
        first["label"],
        _percent(first["error"][kind]),
        f"{second['label']} {_percent(second['error'][kind])}",
        {True: "yes", False: "no", None: ""}[record["separated"]],
        " / ".join(f"{by_label[label]['weight']:.2f}" for label in laws()),
        criterion_winner(record),
        f"{tests[0]['p']:.3f}" if tests else "",
        f"{span[0]:.3f} to {span[1]:.3f}" if span else "",
        ", ".join(doubted),
    ]


HEAD = ("table", "n", "windows", "best by rollout", "error", "runner-up", "separated",
        "weights", "AICc", "p alpha=beta", "a over deltas", "not certified")  # fmt: skip


def _percent(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:.2f} %"


def criterion_winner(record: dict[str, Any]) -> str:
    """Return the law with the least AICc."""
    fitted = [law for law in record["laws"] if law["information"]]
    finite = [law for law in fitted if law["information"]["aicc"] is not None]
    return min(finite, key=lambda law: law["information"]["aicc"])["label"] if finite else "-"


def learnt(records: list[dict[str, Any]]) -> list[str]:
    """Return sentences that the numbers of the counted tables bear out."""
    rows = [r for r in records if r["counted"] and "error" not in r and r["ranked_by"] == "rollout"]
    n = len(rows)
    if not n:
        return ["No counted table has a rollout."]
    error = [{law["label"]: law["error"]["rollout"] or np.inf for law in r["laws"]} for r in rows]
    best = [r["best"] for r in rows]
    wins = {label: best.count(label) for label in laws()}
    clear = [r for r in rows if r["separated"]]
    same = sum(criterion_winner(r) == r["best"] for r in rows)
    cost = [
        e[criterion_winner(r)] / e[r["best"]] - 1
        for r, e in zip(rows, error, strict=True)
        if criterion_winner(r) != r["best"]
    ]
    tied = [e[TIED] < e["Chinchilla"] for e in error]
    tests = [
        t["p"]
        for r in rows
        for t in r["nested"]
        if (t["small"], t["large"]) == (TIED, "Chinchilla")
    ]
    span = [
        law["ranges"]["a"][1] - law["ranges"]["a"][0]
        for r in rows
        for law in r["laws"]
        if law["label"] == "Chinchilla" and law["ranges"]
    ]
    inner = [
        law["error"]["rollout"] / law["error"]["folds"]
        for r in rows
        for law in r["laws"]
        if law["label"] == r["best"]
    ]
    folds = sum(
        min(r["laws"], key=lambda law: law["error"]["folds"] or np.inf)["label"] == r["best"]
        for r in rows
    )
    mixed = sum(max(law["weight"] for law in r["laws"]) < 0.9 for r in rows)
    late = 0
    for r in rows:
        last = [w for w in r["rollout"]["windows"] if w["shared"]][-1]["error"]
        late += min(last, key=lambda label: last[label] or np.inf) != r["best"]
    doubted = sum(not law["trusted"] for r in rows for law in r["laws"])
    return [
        f"Of {n} counted tables, the smallest rollout error has "
        + ", ".join(f"{label} on {count}" for label, count in wins.items())
        + ".",
        f"The best law is told from the second on {len(clear)} of {n} tables (95 % interval of the "
        "paired bootstrap); on the others the runs do not decide.",
        f"The law with the least AICc also extrapolates best on {same} of {n} tables"
        + (
            f"; where it does not, its rollout error is larger by a median of "
            f"{100 * np.median(cost):.0f} % and at most {100 * max(cost):.0f} %."
            if cost
            else "."
        ),
        f"The law with the least error in ten folds extrapolates best on {folds} of {n} tables.",
        f"The rollout error of the best law is a median of {np.median(inner):.1f} times its error "
        f"in ten folds ({min(inner):.1f} to {max(inner):.1f}).",
        f"One exponent for N and D extrapolates better than two on {sum(tied)} of {n} tables; "
        f"the nested test rejects it at 5 % on {sum(p < 0.05 for p in tests)} of {len(tests)}.",
        f"From delta 1e-4 to 1e-2, Chinchilla's a moves by a median of {np.median(span):.3f} and "
        f"at most {max(span):.3f}.",
        f"In the window with the most runs, another law is best on {late} of {n} tables: the order "
        f"depends on how much is fitted. No law has a stacking weight of .9 or more on {mixed}; "
        f"{doubted} of {4 * n} fits to all runs are not certified.",
    ]


def report(document: dict[str, Any]) -> str:
    """Return the Markdown text."""
    env, records = document["environment"], document["tables"]
    lines = [
        "# Which law extrapolates best",
        "",
        f"`{document['command']}`; CPU, float64, {env['cores']} cores, {env['processor']}; "
        f"jaxscale {env['versions']['jaxscale']}, jax {env['versions']['jax']}; "
        f"{document['seconds']:.0f} s in all, compiling included. " + document.get("note", ""),
        "",
        "Laws: Chinchilla, the same with one exponent for N and D, Kaplan L(N, D), and the "
        "saturating power law of C (weights in this order). Log-Huber loss, delta 1e-3. Fitted "
        "to the runs up to each of several levels of C = 6 N D, at least half of them, tested on "
        "all larger runs. Error: mean |log prediction - log loss|, every held-out run once. "
        "Weights: least squared held-out error. AICc: law with the least, under Huber's least "
        "favorable density. p: bootstrap test of alpha = beta within Chinchilla. a: range of "
        "beta / (alpha + beta) over delta 1e-4, 1e-3, 1e-2. A table with * shows runs of "
        "another table again and is not counted below.",
        "",
        *markdown(HEAD, [_line(record) for record in records]),
        "",
        "## What was learnt",
        "",
        *(f"- {sentence}" for sentence in learnt(records)),
    ]
    return "\n".join(lines) + "\n"


def write(folder: Path, records: list[dict[str, Any]], seconds: float, command: str) -> None:
    """Write both files anew, so that a run that is stopped leaves what it has."""
    document = {
        "command": command,
        "dtype": "float64",
        "environment": environment(),
        "seconds": seconds,
        "learnt": learnt(records),
        "tables": records,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "comparison.json").write_text(json.dumps(document, allow_nan=False) + "\n")
    (folder / "comparison.md").write_text(report(document))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with gold.json; default $JAXSCALE_DATA")
    parser.add_argument("--tables", help="only keys that contain this")
    parser.add_argument("--draws", type=int, default=199, help="simulated tables of nested tests")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args(argv)
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = options.data or Path(os.environ.get("JAXSCALE_DATA") or beside)
    if not (folder / "gold.json").is_file():
        print(f"no gold.json in {folder}: give --data DIR", file=sys.stderr)
        return 2
    gold = json.loads((folder / "gold.json").read_text())["huber_log_chinchilla"]
    keys = sorted(gold, key=lambda key: (key not in COUNTED, key))
    begin, records = time.perf_counter(), []
    for key in keys:
        if options.tables and options.tables not in key:
            continue
        record = measure(folder, key, gold[key], options.draws)
        text = record.get("sentence") or record["error"]
        print(f"{key}: {text} ({record.get('seconds', 0):.1f} s)", file=sys.stderr, flush=True)
        records.append(record)
        chosen = f" --tables {options.tables}" if options.tables else ""
        command = "python -m benchmarks.comparison" + chosen
        write(options.out, records, time.perf_counter() - begin, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
