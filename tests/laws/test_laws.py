"""The contract of every law, and what each has of its own."""

import dataclasses
import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import inputs, law_class

import jaxscale
from jaxscale._numerics.precision import scope
from jaxscale.laws import CATALOGUE, derived
from jaxscale.laws.kaplan import critical_batch, minimum_steps
from jaxscale.laws.names import find_law, split_law, split_laws
from jaxscale.objective.space import Space

RNG = np.random.default_rng(0)


TRUTHS = {name: dict(cls.example.values) for name, cls in CATALOGUE.items()}
NAMES = sorted(CATALOGUE)


def truth(name):
    return law_class(name)(**TRUTHS[name])


def test_the_catalogue_has_every_class_of_its_files_and_each_has_an_example():
    assert all(CATALOGUE[name].__name__ == name for name in NAMES)
    assert {"PowerLaw", "Chinchilla", "ChinchillaNDC"} <= set(NAMES)
    for name in NAMES:
        constants = [k for k, p in law_class(name)().parameters.items() if p.role == "constant"]
        assert {*TRUTHS[name], *constants} == set(law_class(name)().parameters)
    assert not {"Law", "Term", "Preset"} & set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_docstring_gives_formula_units_and_source(name):
    doc = inspect.getdoc(CATALOGUE[name])
    first = doc.split("\n")[0]
    assert first.count("=") >= 1 and first.endswith(".")
    assert "Source:" in doc and "Units:" in doc or "Units as" in doc
    assert "arXiv" in doc or "github.com" in doc or "specification" in doc
    for parameter in law_class(name)().parameters.values():
        assert parameter.doc


@pytest.mark.parametrize("name", NAMES)
def test_law_is_a_pytree_that_keeps_free_and_fixed(name):
    law = truth(name)
    leaves, structure = jax.tree.flatten(law)
    assert len(leaves) == len(law.parameters)
    again = jax.tree.unflatten(structure, leaves)
    assert again.values == law.values and again.inputs == law.inputs
    empty = law_class(name)()
    constants = [s for s in law.parameters.values() if s.role == "constant"]
    assert empty.free == tuple(TRUTHS[name]) and len(jax.tree.leaves(empty)) == len(constants)
    first = next(iter(TRUTHS[name]))
    assert empty.replace(**{first: 1.0}).fixed == {**empty.fixed, first: 1.0}
    with pytest.raises(ValueError, match="has no parameter 'nonsense'"):
        empty.replace(nonsense=1.0)


def unit(x, kind):
    """Logarithm of what a fit divides an input by."""
    if kind == "raw":
        return 0.0
    return float(np.log(x).mean() if kind == "positive" else np.log(np.mean(x**2)) / 2)


def space_for(law, xs, loss_scale, fixed=()):
    return Space(
        fixed={k: getattr(law, k) for k in fixed},
        log_scale={k: unit(x, law.kinds[k]) for k, x in xs.items()},
        loss_scale=loss_scale,
        parameters=tuple(law.parameters.items()),
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fixed", [False, True])
def test_declared_dimensions_are_those_of_the_formula(name, fixed):
    """The dimensionless law at normalized inputs is the law itself, whatever is held fixed."""
    law = truth(name)
    xs = inputs(law)
    held = list(TRUTHS[name])[:1] if fixed else []
    with scope(np.float64):
        space = space_for(law, xs, 2.5, [*law_class(name)().fixed, *held])
        z = [jnp.asarray(c, float) for c in space.coordinates(law.values)]
        assert len(z) == len(TRUTHS[name]) - len(held)
        small = law.replace(**space.normalized(z))
        args = [x / math.exp(space.log_scale[k]) for k, x in xs.items()]
        np.testing.assert_allclose(2.5 * small.loss(*args), law.loss(*xs.values()), rtol=1e-10)
        back = space.physical(z)
    for key, value in law.values.items():
        np.testing.assert_allclose(back[key], value, rtol=1e-10, err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_agrees_with_central_differences(name):
    law = truth(name)
    xs = list(inputs(law).values())
    with scope(np.float64):
        wide = law.replace(**{k: np.asarray(v) for k, v in law.values.items()})
        at = jax.jit(lambda one: one(*xs))
        got = jax.jit(jax.jacfwd(at))(wide)
        for key, value in law.values.items():
            if law.parameters[key].role == "breakpoint":
                continue
            h = 1e-6 * (abs(value) or 1.0)
            moved = (wide.replace(**{key: np.asarray(value + s)}) for s in (h, -h))
            up, down = (np.asarray(at(law)) for law in moved)
            want = (up - down) / (2 * h)
            rounding = 4 * np.finfo(float).eps * np.abs(np.asarray(at(wide))).max() / h
            np.testing.assert_allclose(getattr(got, key), want, atol=rounding, rtol=1e-6)


@pytest.mark.parametrize("name, preset", [(n, p) for n in NAMES for p in CATALOGUE[n].presets])
def test_presets_are_complete_and_give_a_sane_loss(name, preset):
    law = CATALOGUE[name].preset(preset)
    assert not law.free
    source = CATALOGUE[name].presets[preset].source
    assert "arXiv" in source or "github.com" in source
    loss, usual = (jaxscale.predict(each, **inputs(law)) for each in (law, truth(name)))
    if np.all((usual > 0.5) & (usual < 12)):
        assert np.all((loss > 0.3) & (loss < 12))  # nats per token, or bits per byte
    else:  # a learning rate, a batch, an accuracy: as large as those of the example
        low, high = np.sort(np.abs(usual))[[0, -1]]
        assert np.all(np.sign(loss) == np.sign(usual))
        assert np.all((np.abs(loss) > low / 30) & (np.abs(loss) < 30 * high))


@pytest.mark.parametrize(
    "law, name, published",
    [
        (jaxscale.KaplanN.preset("kaplan_2020"), "N_c", 8.8e13),
        (jaxscale.KaplanD.preset("kaplan_2020"), "D_c", 5.4e13),
        (jaxscale.KaplanC.preset("kaplan_2020"), "C_c", 3.1e8 * 8.64e19),
        (jaxscale.Kaplan.preset("kaplan_2020"), "N_c", 6.4e13),
        (jaxscale.Kaplan.preset("kaplan_2020"), "D_c", 1.8e13),
        (jaxscale.Chinchilla.preset("hoffmann_2022"), "a", 0.4565),
        (jaxscale.KaplanSteps(A=1.0, K=2.1e3**0.76, alpha_N=0.08, alpha_S=0.76), "S_c", 2.1e3),
        (jaxscale.Henighan(L_inf=1.0, A=1e3**0.2, alpha=0.2), "x0", 1e3),
    ],
)
def test_derived_constants_are_the_papers(law, name, published):
    assert derived(law)[name] == pytest.approx(published, rel=1e-4)


def test_unknown_preset_names_the_known_ones():
    with pytest.raises(ValueError, match="hoffmann_2022"):
        jaxscale.Chinchilla.preset("gpt5")


def test_predict_takes_any_two_of_n_d_c():
    law = jaxscale.ChinchillaNDC.preset("hoffmann_2022")
    want = jaxscale.predict(jaxscale.Chinchilla.preset("hoffmann_2022"), N=7e10, D=1.4e12)
    C = 6 * 7e10 * 1.4e12
    for given in (dict(N=7e10, D=1.4e12), dict(N=7e10, C=C), dict(D=1.4e12, C=C)):
        assert jaxscale.predict(law, **given) == pytest.approx(want, rel=1e-12)
    other = dataclasses.replace(law, flops=lambda N, D: 7.5 * N * D)
    assert jaxscale.predict(other, N=7e10, C=C * 1.25) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(
    "given",
    [
        dict(N=[1e9, 1e10], D=2e10),
        dict(N=(1e9, 1e10), C=[1.2e20, 1.2e21]),
        dict(N=[[1e9], [1e10]], D=[2e10]),
    ],
)
def test_predict_takes_lists_as_it_takes_arrays(given):
    law = jaxscale.Chinchilla.preset("hoffmann_2022")
    as_arrays = {name: np.asarray(x, float) for name, x in given.items()}
    np.testing.assert_array_equal(
        jaxscale.predict(law, **given), jaxscale.predict(law, **as_arrays), strict=True
    )


@pytest.mark.parametrize(
    "law, given, message",
    [
        (jaxscale.Chinchilla(), dict(N=1e9, D=1e9), "is free"),
        (truth("Chinchilla"), dict(N=1e9), "missing D"),
        (truth("Chinchilla"), dict(N=1e9, D=1e9, S=1.0), "unknown S"),
        (truth("PowerLaw"), dict(N=1e9), "missing S"),
    ],
)
def test_predict_refuses_with_a_sentence(law, given, message):
    with pytest.raises(ValueError, match=message):
        jaxscale.predict(law, **given)


def test_a_sample_of_laws_maps_over_its_leading_axis():
    laws = [truth("Chinchilla").replace(E=e) for e in (1.5, 1.6, 1.7)]
    sample = jax.tree.map(lambda *leaves: np.stack(leaves), *laws)
    with scope(np.float64):
        got = jax.vmap(lambda law: jaxscale.predict(law, N=1e9, D=1e10))(sample)
    want = [jaxscale.predict(law, N=1e9, D=1e10) for law in laws]
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_critical_batch_and_minimum_steps_are_kaplans():
    assert float(critical_batch(1.0)) == pytest.approx(2e8)
    assert float(critical_batch(2.0)) == pytest.approx(2e8 * 2 ** (-1 / 0.21), rel=1e-5)
    batch = float(critical_batch(3.0))
    assert float(minimum_steps(1000.0, batch, 3.0)) == pytest.approx(500.0)


def test_one_scale_laws_read_the_column_that_of_names():
    law = jaxscale.PowerLaw(of="C")
    assert law.inputs == ("C",)
    assert dict(law.parameters["a"].per) == {"C": "-b"}


@pytest.mark.parametrize("x", [1e-3, 1.0, 7.0, 1e15])
def test_positive_behaves_as_its_value(x):
    from jaxscale._numerics.positive import Positive, log, power

    with scope(np.float64):
        p = Positive(jnp.asarray(x), jnp.log(x))
        pairs = [
            (p**0.3, x**0.3),
            (p + 2, x + 2),
            (2 + p, 2 + x),
            (p - 2, x - 2),
            (2 - p, 2 - x),
            (p * 3, x * 3),
            (3 / p, 3 / x),
            (p / 3, x / 3),
            (-p, -x),
            (p * p, x * x),
            (jnp.sqrt(p), math.sqrt(x)),
            (jnp.log(p), math.log(x)),
            (log(p), math.log(x)),
            (power(p, -0.2), x**-0.2),
            (power(x, -0.2), x**-0.2),
            (jnp.ones(3) * p, np.ones(3) * x),
        ]
        for got, want in pairs:
            np.testing.assert_allclose(got, want, rtol=1e-14)
        assert bool(p > x / 2) and bool(p <= x) and p.shape == ()


class Bent(jaxscale.Law):
    """y(x) = E + A x^-alpha, A x^-alpha x^-alpha2, ..."""

    E: jaxscale.Scalar = jaxscale.offset("asymptote")
    alpha: jaxscale.Scalar = jaxscale.exponent("rate")

    @classmethod
    def variant(cls, count):
        if count not in ("2", "3"):
            raise ValueError(f"Bent takes 2 or 3, not {count!r}")
        extra = {f"alpha{k}": jaxscale.exponent("rate") for k in range(2, int(count) + 1)}
        return {"__annotations__": dict.fromkeys(extra, "Scalar"), **extra}

    def __call__(self, x):
        rates = [v for k, v in self.values.items() if k.startswith("alpha")]
        return self.E + jaxscale.power(x, -sum(rates))


def test_a_law_with_arguments_is_one_class_for_each():
    assert Bent[2] is Bent["2"] and Bent[2] is not Bent[3]
    assert Bent[2].__name__ == "Bent[2]" and issubclass(Bent[2], Bent)
    assert Bent[3]().free == ("E", "alpha", "alpha2", "alpha3") and Bent[3]().inputs == ("x",)
    law = Bent[2](E=1.0, alpha=0.1, alpha2=0.2)
    assert jaxscale.predict(law, x=100.0) == pytest.approx(1 + 100**-0.3)
    assert jax.tree.map(lambda leaf: 2 * leaf, law).alpha2 == 0.4
    with pytest.raises(ValueError, match="takes 2 or 3, not '4'"):
        Bent[4]
    with pytest.raises(ValueError, match="takes no arguments"):
        jaxscale.Chinchilla["2"]


@pytest.mark.parametrize(
    "text, parts",
    [
        ("Chinchilla", ("Chinchilla", "")),
        ("PowerLaw:C", ("PowerLaw", "C")),
        ("Bent[2]:x", ("Bent[2]", "x")),
        ("Mix[a:b,c]", ("Mix[a:b,c]", "")),
        ("Mix[a:b,c]:d e", ("Mix[a:b,c]", "d e")),
        ("a.py:Bent[2]:x", ("a.py:Bent[2]", "x")),
        ("a.py:Bent", ("a.py:Bent", "")),
        ("Bent[2", ("Bent[2", "")),
        ("", ("", "")),
    ],
)
def test_a_law_is_told_from_its_column(text, parts):
    assert split_law(text) == parts


@pytest.mark.parametrize(
    "text, laws",
    [
        ("A,B:C", ["A", "B:C"]),
        ("A[1,2]:x, B", ["A[1,2]:x", "B"]),
        ("A[1,2],B[3]", ["A[1,2]", "B[3]"]),
        ("A[1,2", ["A[1", "2"]),
    ],
)
def test_laws_are_parted_at_commas_outside_of_brackets(text, laws):
    assert split_laws(text) == laws


@pytest.mark.parametrize(
    "text, message",
    [
        ("Chinchilla[2]", "takes no arguments in brackets"),
        ("chinchilla[", "does not close it"),
        ("Chinchila[2]", "did you mean Chinchilla"),
    ],
)
def test_a_bracket_in_vain_is_a_sentence(text, message):
    with pytest.raises(ValueError, match=message):
        find_law(text)
