"""The named tables: where each lies, how its columns are called, what it must contain.

Nothing of the public tables is here but names, counts and digests. A row has two readings: of a
tidy copy (`file` below JAXSCALE_DATA) and of the source's own CSV. Both give the same numbers in
the same order, which the digest of N, D and loss ensures.
"""

from __future__ import annotations

import dataclasses

from jaxscale.datasets.entry import NDC, NO_LICENCE, Entry, Source


def _chinchilla() -> dict[str, Entry]:
    epoch = Entry(
        about="Chinchilla's runs, digitized from Figure 4; without the 5 highest losses, as in "
        "the paper",
        file="chinchilla_epoch/chinchilla_fig4.csv",
        columns={"N": "params", "C": "flops", "loss": "loss"},
        rows=240,
        digest="e258038100d66f81124486a2f0d6a54095519342b4dd470ee8931478979c30f6",
        source=Source(
            repository="epoch-research/analyzing-chinchilla",
            commit="9225883",
            path="data/svg_extracted_data.csv",
            columns={"N": "Model Size", "C": "Training FLOP", "loss": "loss"},
            ref="92258837425e1b5f2851d624287f0120583a3d0e",
        ),
        licence=NO_LICENCE,
        paper="Besiroglu et al. 2024, arXiv:2404.10102; runs of Hoffmann et al. 2022, "
        "arXiv:2203.15556",
        drop_highest=5,
    )
    whole = dataclasses.replace(
        epoch,
        about="Chinchilla's runs, digitized from Figure 4; every point",
        rows=245,
        digest="1804c4cdbd8f8c63b8b817cd5b7e2108533a9357ea440a90c7c9597ecc9b87ce",
        drop_highest=0,
    )
    kyo = Entry(
        about="part of the same points (C > 1e18, N < D), integers; not independent of "
        "epoch_chinchilla",
        file="chinchilla_kyo/chinchilla_subset_kyo.csv",
        columns=NDC,
        rows=234,
        digest="2f8f920da44c20cc10f3e070f90d9176325fa74927a61b6a873c8725e764af47",
        source=Source(
            repository="kyo-takano/chinchilla",
            commit="75e5858",
            path="examples/llm/df.csv",
            columns={name: name for name in ("N", "D", "C", "loss")},
            ref="6e34bdd639e66ed2a987be7a59fb597087a86c1a",
        ),
        licence="Apache-2.0",
        paper="none; runs of Hoffmann et al. 2022, arXiv:2203.15556",
    )
    return {"epoch_chinchilla": epoch, "epoch_chinchilla_245": whole, "chinchilla_kyo": kyo}


def _llama3() -> Entry:
    return Entry(
        about="isoFLOP points of Llama 3, digitized from Figure 2",
        file="llama3_isoflop/llama3_isoflop_points.csv",
        columns={"D": "tokens", "C": "flops", "loss": "loss"},
        rows=133,
        digest="c09a7b75939b2a8274eb852e6315bfa9952d22906819f80456c5230b5fdd7843",
        source=Source(
            repository="eric-czech/llama3_isoflop_extraction",
            commit="1bc1755",
            path="isoflops_points.csv",
            columns={"D": "training_tokens", "C": "compute_budget", "loss": "validation_loss"},
            ref="7ec1fb7ddfbf5fb6363879eb895ae872a4bb9952",
        ),
        licence=NO_LICENCE,
        paper="Grattafiori et al. 2024, arXiv:2407.21783",
        unit="as printed; the figure states none",
    )


ISOFLOP = {
    "isoflop_epochai": (123, "e36f232c0dcab1666d43423a8295e5f3251cb97728d9e594af4eed0cec0ff0de"),
    "isoflop_epochai_qc": (85, "66ae51a1bda4c6de1e34e00dfe16522a3f6ce9ae44f463dd6a97adb727ba03a4"),
    "isoflop_scalefit": (124, "9a06ec37efa79aa81bdfbaf8e43785af211406243853c599c52e5800c47ea890"),
    "isoflop_scalefit_qc": (89, "65452823797558e47a4c6191ed4aa680d82b5b0e6e03bdf043361b5740f6ac9d"),
    "isoflop_llama3": (133, "2d2dd947f09b1ad9fccb82ba745c89e846159dcb17547638c4eab31d18eda1fe"),
    "isoflop_llama3_qc": (115, "3477f1154f22e2c063f9ab89adda377be919a4918905bbccfdda49e083fca999"),
    "isoflop_llama3_raw": (133, "c09a7b75939b2a8274eb852e6315bfa9952d22906819f80456c5230b5fdd7843"),
    "isoflop_llama3_raw_qc": (
        116,
        "f872dc7e61eabfb83a7ea33e0abb9d058addbb510810b7236fab2511ca14c863",
    ),
    "isoflop_misfitting": (176, "3a086e1180c5f8ad17bb024e042c0427495b258af1efecc158bce73336756b64"),
    "isoflop_misfitting_qc": (
        106,
        "f8954e47852fe7153f7b6fe6e6fb400c540657f43174cd059b2a31379e98244e",
    ),
}
"""Rows and digest of every experiment; `_qc`: of the rows that passed the quality control."""


def _isoflop(name: str, file: str, experiment: str, about: str) -> Entry:
    """Return one experiment of Open-Athena's table.

    The source's flag of quality is the text True or False, the tidy copy's is 0 or 1.
    """
    good, (rows, digest) = name.endswith("_qc"), ISOFLOP[name]
    here = f"experiment == '{experiment}'"
    return Entry(
        about=about + ("; rows that passed the quality control" if good else ""),
        file=f"isoflop_openathena/{file}.csv",
        columns=NDC,
        rows=rows,
        digest=digest,
        source=Source(
            repository="Open-Athena/scaling-law-analysis",
            commit="3e0656e",
            path="data/isoflops/transform/isoflops.csv",
            columns=NDC | {"C": "budget"},
            where=here + (" & outlier == 'False'" if good else ""),
            ref="424cb1281a3589adccd17dc0eba62bc1e7b10375",
        ),
        licence=NO_LICENCE,
        paper="none for the collection",
        where=here + (" & qc_outlier == 0" if good else ""),
        unit="as printed; the figure states none" if "raw_loss" in experiment else "nats/token",
    )


def _isoflops() -> dict[str, Entry]:
    chinchilla, llama = "isoflop_chinchilla_digitised", "isoflop_llama3"
    families = {
        "epochai": (
            chinchilla,
            "epochai_chinchilla__massivetext__chinchilla",
            "Chinchilla's runs of epoch_chinchilla, compute snapped to the budgets",
        ),
        "scalefit": (
            chinchilla,
            "ml_scalefit__massivetext__chinchilla",
            "Chinchilla's runs, digitized by arXiv:2507.09404",
        ),
        "llama3": (llama, "llama_3__exp_loss", "Llama 3, exp of the loss that is printed"),
        "llama3_raw": (llama, "llama_3__raw_loss", "Llama 3, the points of llama3_isoflop"),
        "misfitting": (
            "isoflop_misfitting",
            "misfitting__fineweb_c4__transformer",
            "runs of misfitting, interpolated at budgets",
        ),
    }
    return {name: _isoflop(name, *families[name[8:].removesuffix("_qc")]) for name in ISOFLOP}


def _datablations() -> dict[str, Entry]:
    fitted = Entry(
        about="models trained on repeated data (C4); the runs of the paper's fit",
        file="datablations/datablations_fit182.csv",
        columns=NDC | {"unique_tokens": "unique_tokens", "epochs": "epochs"},
        rows=182,
        digest="e6a8354864d6664ca88d9e09a3037d88c0f852ca62187d627a01009005a35310",
        source=Source("huggingface/datablations", "1370131", "utils/parametric_fit.ipynb"),
        licence="Apache-2.0",
        paper="Muennighoff et al. 2023, arXiv:2305.16264",
    )
    every = dataclasses.replace(
        fitted,
        about="models trained on repeated data (C4); failed runs and further seeds included",
        file="datablations/datablations_all.csv",
        rows=296,
        digest="bfd7b927a63f8996602bc526c6b6211fbfb5e2a0e15fb5e229a4197e43a4fd0c",
    )
    return {"datablations": fitted, "datablations_all": every}


PORIAN = {
    "owt2_base_long_kaplan_kaplan_train": (
        113,
        "d2387f273d0892a7b97a98c47b9f2915564637c3767569b86dcb7cf927277e2a",
    ),
    "owt2_base_long_kaplan_standard_val": (
        132,
        "33915cb204de1e28756cf9883a121bf7ba5b3fb169eadef1e5450371ba6147c6",
    ),
    "owt2_base_short_chinchilla_standard_val": (
        88,
        "355e768b45424a5d27bbb83e5e7b2fc294f260fe21abca9a56c01af78c6710eb",
    ),
    "owt2_base_short_kaplan_standard_val": (
        132,
        "627e65065a820180a0923af8e8299537f97223ee3b30cc8b17692c319f3661d1",
    ),
    "owt2_tuned_short_const_standard_val": (
        116,
        "6a2f0fa6acd7fb340b657a21218cf8cbd94df8b60be45d9aa68baf6af0d8838c",
    ),
    "rw_base_long_kaplan_attention_train": (
        126,
        "932e27810b146fd620f42598f26ef7a44040d42034e22861aabd4df57d3d82c2",
    ),
    "rw_base_long_kaplan_kaplan_train": (
        107,
        "380309359d89178a6724f40ac4e13dd26e21191f0a97ba7312e56f3c8721d269",
    ),
    "rw_base_long_kaplan_standard_val": (
        131,
        "ac77d5a3c2bf7faefb50c4cf1cda59a2bfb2a4566fb9102c8f9a745acf0c1355",
    ),
    "rw_base_short_chinchilla_attention_train": (
        106,
        "09b43833b57a2b59836393ca01e35e32faaccad9076061101437b419f6b43a57",
    ),
    "rw_base_short_chinchilla_standard_val": (
        88,
        "d22154c88ebf8eb6fa7c2704039c1fd1524f91012f01f82533017581959e6390",
    ),
    "rw_base_short_kaplan_attention_train": (
        126,
        "01d53aa24f18df8f93df15725a6f5d36b8f903306a9ff9f28bdb49370614637c",
    ),
    "rw_base_short_kaplan_standard_val": (
        132,
        "a0a2784cd8fda2098b5ef65d01b1dc02acbbfdaf3c33d92bb6b37bf85b971349",
    ),
    "rw_tuned_long_const_kaplan_train": (
        104,
        "b174018c041d314c1927bb0026318c55807b57848b91af0c84beb8b0ef9ee01d",
    ),
    "rw_tuned_short_const_attention_train": (
        123,
        "431806de12a2bcd508df363c75db47c0011a6677c2ce014ee206b19473efabc9",
    ),
    "rw_tuned_short_const_standard_val": (
        121,
        "cbe2fdfc0e22ec0b84532762ccf2601ac4d38505e875446effeaca97280668a8",
    ),
}
"""Rows and digest of every configuration (data, hyperparameters, warmup, decay, N, loss)."""


def _porian() -> dict[str, Entry]:
    whole = Entry(
        about="runs interpolated at isoFLOP budgets, 15 configurations (the groups), which differ "
        "in what N counts",
        file="porian/porian_isoflop.csv",
        columns=NDC | {"group": "config"},
        rows=1745,
        digest="b138ab7c15ee427257670e01f8de79a7c2bfdac8f416ad8e0bdc2f348d57f8f9",
        source=Source(
            "formll/resolving-scaling-law-discrepancies", "0dc60d9", "data/summary_df*.pickle.xz"
        ),
        licence="MIT",
        paper="Porian et al. 2024, arXiv:2406.19146",
    )
    found = {"porian": whole}
    for config, (rows, digest) in PORIAN.items():
        found[f"porian_{config}"] = dataclasses.replace(
            whole,
            about=f"runs interpolated at isoFLOP budgets, configuration {config}",
            rows=rows,
            digest=digest,
            where=f"config == '{config}'",
        )
    return found


def _gadre() -> Entry:
    more = ("token_multiplier", "lr", "params_no_embed")
    return Entry(
        about="over-trained models on three training sets (the groups); C4 validation loss",
        file="gadre_overtraining/gadre_models.csv",
        columns=NDC | {"group": "train_dataset"} | {name: name for name in more},
        rows=104,
        digest="718a92a46f9133fddb7768aa38378dde183e08f47fec625a60172bcfb7fdc2db",
        source=Source("mlfoundations/scaling", "a003c49", "exp_data/{models,evals}/*.json"),
        licence="MIT",
        paper="Gadre et al. 2024, arXiv:2403.08540",
    )


def _misfitting() -> dict[str, Entry]:
    source = Source(
        repository="hadasah/scaling_laws",
        commit="1f3708c",
        path="data/scaling_results_last_ckpt_only.csv",
        columns={"N": "N", "D": "D", "C": "C_6ND", "loss": "loss"}
        | {"params_no_embed": "N_no_emb", "lr": "peak_lr"},
        ref="1f3708c0a12df0effb0ee906b1da5f9f0ff4f4f1",
    )
    final = Entry(
        about="models on FineWeb at several learning rates, C4 loss at the end",
        file="misfitting/misfitting_final.csv",
        columns=NDC | {"params_no_embed": "params_no_embed", "lr": "lr"},
        rows=261,
        digest="0171ef1c3981ef695b2e98a22773e74fabdb0b9b3ae633c1bdcabd91de09315e",
        source=source,
        licence=NO_LICENCE,
        paper="Li et al. 2025, arXiv:2502.18969",
    )
    curves = dataclasses.replace(
        final,
        about="the same models at every checkpoint (tokens so far)",
        file="misfitting/misfitting_curves.csv",
        rows=4852,
        digest="3e07cb5933eb516eb465dc81ad99ad0c051afdde05f0a6177be5733c4c5bb117",
        source=dataclasses.replace(source, path="data/scaling_results.csv"),
    )
    return {"misfitting": final, "misfitting_checkpoints": curves}


def _steplaw() -> Entry:
    return Entry(
        about="dense models in a grid of learning rate and batch (sequences of 2048), smoothed "
        "training loss; N leaves the embedding out",
        file="steplaw/steplaw_dense.csv",
        columns={"N": "params", "D": "tokens", "loss": "loss"}
        | {"lr": "lr", "batch": "batch_size_seqs"},
        rows=1911,
        digest="29121eafc8801a65cdd8e4c658d6b03e77ac1fa4e6cfb11cee8ab27eb932342e",
        source=Source(
            repository="step-law/steplaw",
            commit="32a8f4c",
            path="data/dense_lr_bs_loss.csv",
            columns={"N": "N", "D": "D", "loss": "smooth loss", "lr": "lr", "batch": "bs"},
            ref="main",
        ),
        licence=NO_LICENCE,
        paper="Li et al. 2025, arXiv:2503.04715",
    )


ENTRIES: dict[str, Entry] = {
    "stdlib_ladder": Entry(
        about="a ladder of small byte-level transformers, trained by this project",
        file="stdlib_ladder/runs.csv",
        columns=NDC | {"S": "steps", "group": "part"},
        rows=None,
        digest="",
        source=None,
        licence="Apache-2.0",
        paper="none",
    ),
    **_chinchilla(),
    "llama3_isoflop": _llama3(),
    **_isoflops(),
    **_datablations(),
    **_porian(),
    "gadre_overtraining": _gadre(),
    **_misfitting(),
    "steplaw": _steplaw(),
}
