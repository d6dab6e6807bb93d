"""The best shares of a mixture, and what laws of mixtures ask of a table."""

import json

import numpy as np
import pytest

import jaxscale
from jaxscale import cli
from jaxscale.decisions.mixing import best_mixture
from jaxscale.laws.mixture import labels

LINEAR = jaxscale.MixingLaw["web", "code"](c=1.0, b_web=1.0, b_code=4.0)
OTHER = jaxscale.MixingLaw["web", "code"](c=1.0, b_web=4.0, b_code=1.0)
SIZES = dict(N=1e9, D=2e10)


def example(name):
    cls = jaxscale.CATALOGUE[name].usual()
    return cls(**cls.example.values)


def test_a_log_linear_law_is_best_at_a_corner_and_within_bounds_at_an_edge():
    assert best_mixture(LINEAR).shares == pytest.approx({"web": 1.0, "code": 0.0})
    found = best_mixture(LINEAR, bounds={"web": (0.0, 0.3)})
    assert (
        found.shares == pytest.approx({"web": 0.3, "code": 0.7}) and found.limits["web"] == "most"
    )
    assert found.loss == pytest.approx(1 + 4**0.7)
    assert found.trusted


def test_two_targets_that_mirror_each_other_are_best_at_equal_shares():
    found = best_mixture({"a": LINEAR, "b": OTHER})
    assert found.shares == pytest.approx({"web": 0.5, "code": 0.5}, abs=1e-6)
    assert found.losses == pytest.approx({"a": 3.0, "b": 3.0})
    tilted = best_mixture({"a": LINEAR, "b": OTHER}, weights={"a": 3.0, "b": 1.0})
    # 3 4^(1-h) = 4^h at h = 1/2 + log 3 / (2 log 4)
    assert tilted.shares["web"] == pytest.approx(0.5 + np.log(3) / (2 * np.log(4)), abs=1e-6)


def test_a_penalty_draws_to_the_prior_and_caps_on_epochs_hold():
    free = best_mixture(LINEAR)
    drawn = best_mixture(LINEAR, prior={"web": 0.2, "code": 0.8}, kl=1e4)
    assert drawn.shares["web"] == pytest.approx(0.2, abs=1e-3)
    assert free.shares["web"] == pytest.approx(1.0)
    capped = best_mixture(LINEAR, D=1e12, unique={"web": 1e11}, epochs=4)
    assert capped.shares["web"] == pytest.approx(0.4) and "4 epochs" in capped.notes[0]


@pytest.mark.parametrize("name", ["AdditiveMixture", "JointMixture"])
def test_no_mixture_of_a_fine_grid_is_better(name):
    law = example(name)
    found = best_mixture(law, **SIZES)
    k = np.arange(101) / 100
    web, code = (x.ravel() for x in np.meshgrid(k, k))
    inside = web + code <= 1
    web, code = web[inside], code[inside]
    grid = jaxscale.predict(law, web=web, code=code, books=np.maximum(1 - web - code, 0), **SIZES)
    assert found.loss <= grid.min() and found.gap <= 1e-6
    best = int(np.argmin(grid))
    assert abs(found.shares["web"] - web[best]) < 0.02


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(laws=jaxscale.Chinchilla.preset("hoffmann_2022")), "no law of a mixture"),
        (dict(laws={"a": LINEAR, "b": example("MixingLaw")}), "same domains"),
        (dict(laws=jaxscale.MixingLaw["web", "code"]()), "is free"),
        (dict(laws={}), "no law is given"),
        (dict(laws=example("ImplicitMixture"), **SIZES), "the laws take target too"),
        (dict(laws=example("JointMixture")), "N is missing"),
        (dict(bounds={"web": (0.0, 0.3), "code": (0.0, 0.3)}), "0.6 at most"),
        (dict(bounds={"web": (0.7, 1.0), "code": (0.7, 1.0)}), "1.4 at least"),
        (dict(bounds={"web": (0.5, 0.1)}), "no range of shares"),
        (dict(bounds={"books": (0.0, 0.1)}), "no domain 'books'"),
        (dict(unique={"web": 1e9}), "give D"),
        (dict(unique={"web": 1e9}, D=1e12, bounds={"web": (0.1, 1.0)}), "its least share is 0.1"),
        (dict(prior={"web": 1.0}), "positive share of each"),
        (dict(kl=-1.0), "kl must be 0 or more"),
        (dict(weights={"other": 1.0}), "weights: no target 'other'"),
        (dict(weights={"loss": 0.0}), "all zero"),
    ],
)
def test_what_has_no_best_mixture_is_refused_in_a_sentence(given, message):
    with pytest.raises(ValueError, match=message):
        best_mixture(given.pop("laws", LINEAR), **given)


@pytest.mark.parametrize(
    "domains, short",
    [
        (("weight_web", "weight_code"), ("web", "code")),
        (("web", "webcode"), ("web", "webcode")),
        (("p_1", "p_2"), ("p_1", "p_2")),
        (("a_b_c", "a_b_d"), ("c", "d")),
    ],
)
def test_parameters_are_called_by_what_tells_domains_apart(domains, short):
    assert labels(domains) == short


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("web",), "2 to 64 different domains"),
        (("web", "web"), "2 to 64 different domains"),
        (tuple(f"d{k}" for k in range(65)), "2 to 64 different domains"),
        (("web", "share of code"), "no plain name"),
        (("web", "N"), "cannot be called N"),
    ],
)
def test_domains_that_no_law_can_have_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        jaxscale.JointMixture[arguments]


@pytest.mark.parametrize(
    "web, code, message",
    [
        ([0.5, 0.2, 0.9], [0.5, 0.8, 0.2], "row 4: the shares 'web', 'code' add up to 1.1"),
        ([50, 20, 90], [50, 80, 10], "column 'web': expected a share, 0 to 1"),
        ([0.5, -0.1, 0.9], [0.5, 1.1, 0.1], "column 'web': expected a share"),
    ],
)
def test_shares_that_are_no_parts_of_one_whole_are_refused(tmp_path, web, code, message):
    rows = [f"{w},{c},{3 + w}" for w, c in zip(web * 3, code * 3, strict=True)]
    (tmp_path / "runs.csv").write_text("\n".join(["web,code,loss", *rows]))
    runs = jaxscale.read_runs(tmp_path / "runs.csv")
    with pytest.raises(jaxscale.DataError, match=message):
        jaxscale.fit(jaxscale.MixingLaw["web", "code"](), runs)


def test_a_fit_of_a_mixture_is_saved_loaded_and_gives_its_best_shares(tmp_path, capsys):
    rng = np.random.default_rng(0)
    h = rng.dirichlet([1.0, 1.0, 1.0], 40)
    h[:4] = [0.0, 0.5, 0.5]
    law = jaxscale.MixingLaw["s_web", "s_code", "s_books"](
        c=1.2, b_web=1.9, b_code=2.8, b_books=2.2
    )
    loss = jaxscale.predict(law, **dict(zip(law.shares, h.T, strict=True)))
    table = np.column_stack([h, loss * np.exp(0.002 * rng.standard_normal(40))])
    head = "s_web,s_code,s_books,loss"
    np.savetxt(tmp_path / "runs.csv", table, delimiter=",", header=head, comments="")
    runs, out = str(tmp_path / "runs.csv"), tmp_path / "fit.json"
    asked = ["--law", "MixingLaw[s_*]", "--starts", "32", "--out", str(out), "--quiet"]
    assert cli.main(["fit", runs, *asked]) in (0, 1)
    fit = jaxscale.load(out)
    assert type(fit.law) is type(law) and fit.law.c + fit.law.b_code == pytest.approx(4, abs=0.05)
    capsys.readouterr()
    assert cli.main(["mixture", str(out), "--bound", "s_web=0:.5", "--json"]) in (0, 1)
    answer = json.loads(capsys.readouterr().out)
    assert answer["shares"]["s_web"] == pytest.approx(0.5)
    damaged = json.loads(out.read_text()) | {"law": "MixingLaw[s_web]"}
    out.write_text(json.dumps(damaged))
    with pytest.raises(jaxscale.DataError, match="2 to 64 different domains"):
        jaxscale.load(out)


@pytest.mark.slow
def test_a_run_far_outside_those_of_the_fit_is_said_on_the_command_line(tmp_path, capsys):
    rng = np.random.default_rng(0)
    h, cls = rng.dirichlet([2.0, 2.0], 60), jaxscale.AdditiveMixture["web", "code"]
    N, D = rng.choice([1e8, 3e8, 1e9], 60), rng.choice([4e9, 1e10, 2e10], 60)
    law = cls(E=1.1, C_web=1.1, gamma_web=0.7, C_code=0.7, gamma_code=0.5,
              A=0.9, B=0.3, alpha=0.16, beta=0.6)  # fmt: skip
    runs = dict(web=h[:, 0], code=h[:, 1], N=N, D=D)
    loss = jaxscale.predict(law, **runs) * np.exp(0.001 * rng.standard_normal(60))
    jaxscale.fit(cls(), dict(runs, loss=loss), starts=64).save(tmp_path / "fit.json")
    for N, far in ((3e8, False), (7e12, True)):
        asked = ["mixture", str(tmp_path / "fit.json"), "--N", str(N), "--D", "1e10"]
        assert cli.main(asked) in (0, 1)
        assert ("outside the range of the runs" in "".join(capsys.readouterr())) == far


def test_an_implicit_mixture_shares_a_model_out_as_no_other_split_does():
    cls = jaxscale.ImplicitMixture["web", "code"]
    values = dict(E_web=1.6, c_web=60.0, b_web=0.25, A_web=90.0, a_web=0.25)
    values |= dict(E_code=0.7, c_code=250.0, b_code=0.33, A_code=40.0, a_code=0.22)
    N, D, h = 1e9, 2e10, (0.7, 0.3)
    for least in (3e7, 8e8):  # free, and one domain at its least size
        law = cls(**values, H=least)
        losses = [
            jaxscale.predict(law, web=h[0], code=h[1], N=N, D=D, target=k) for k in (0.0, 1.0)
        ]
        split = np.linspace(least, N, 200_001)
        tried = [
            E + c * x**-b + A * (D * share) ** -a
            for E, c, b, A, a, x, share in (
                (1.6, 60.0, 0.25, 90.0, 0.25, split, h[0]),
                (0.7, 250.0, 0.33, 40.0, 0.22, N + least - split, h[1]),
            )
        ]
        best = np.argmin(h[0] * tried[0] + h[1] * tried[1])
        np.testing.assert_allclose(losses, [loss[best] for loss in tried], rtol=1e-6)
    assert jaxscale.predict(law, web=1.0, code=0.0, N=N, D=D, target=1.0) == np.inf
    for target in (-1.0, 2.0, 7.0):
        assert np.isnan(jaxscale.predict(law, web=0.5, code=0.5, N=N, D=D, target=target))


def test_no_domain_takes_the_parameter_of_a_size():
    free = jaxscale.JointMixture["w_N", "w_D", "w_web"]().free
    assert {"gamma_N", "gamma_D", "gamma_w_N", "gamma_w_D"} <= set(free)
    assert len(free) == 5 + 4 * 3
