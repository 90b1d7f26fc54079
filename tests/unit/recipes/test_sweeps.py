"""Which dictionaries a recipe makes. Oracles: lists of names written by hand, counts."""

from collections import Counter

import pytest

from monosemy.dictionaries import TiedL1Config, TopKConfig
from monosemy.experiments import trained_stage
from monosemy.recipes import Place, Training, default_sweep, full_sweep
from monosemy.recipes.sweeps import (
    CONTROL_DENSE,
    DENSE,
    FULL_COEFFICIENTS,
    PCA_K,
    Sweep,
    dense_baselines,
    tied_l1,
    top_k_forms,
    topk,
)
from tests.unit.experiments.stores_of_experiments import artifact

D = 10
RESIDUAL = [Place(site=f"resid_post.{layer}", d_site=D) for layer in range(4)]
MLP = [Place(site=f"mlp_out.{layer}", d_site=D) for layer in range(4)]
MIDDLE = RESIDUAL[1]
OTHERS = [place for place in RESIDUAL if place != MIDDLE]

DEFAULT = [
    *(f"topk-k16-r4-resid_post.1-seed{seed}" for seed in range(3)),
    *(f"tied_l1-2-r4-resid_post.1-seed{seed}" for seed in range(3)),
    *(f"tied_l1-{c}-r4-resid_post.1-seed0" for c in ("0.6", "1", "3")),
    *(f"{what}-r2-resid_post.1-seed0" for what in ("topk-k16", "tied_l1-2")),
    *(f"topk-k16-r4-resid_post.{layer}-seed0" for layer in (0, 2, 3)),
    "topk-k16-frozen_decoder-r4-resid_post.1-seed0",
]

FULL = [
    *(f"{w}-r4-resid_post.{n}-seed{s}" for w in ("topk-k16", "tied_l1-2") for n in range(4) for s in range(3)),
    *(f"{what}-r4-mlp_out.{layer}-seed0" for what in ("topk-k16", "tied_l1-2") for layer in range(4)),
    *(f"topk-k{k}-r4-resid_post.1-seed0" for k in (4, 8, 32, 64)),
    *(f"tied_l1-{c}-r4-resid_post.1-seed0" for c in ("0.3", "0.6", "1", "1.5", "3", "4", "8")),
    *(f"{what}-r{r}-resid_post.1-seed0" for what in ("topk-k16", "tied_l1-2") for r in (1, 2, 8)),
    "topk-k16-frozen_decoder-r4-resid_post.1-seed0",
]


def sweeps() -> dict[str, Sweep]:
    training = Training()
    return {
        "default": default_sweep(training, MIDDLE, OTHERS),
        "full": full_sweep(training, MIDDLE, RESIDUAL, MLP),
    }


def test_the_default_sweep() -> None:
    sweep = sweeps()["default"]
    assert [member.name for member in sweep.members] == DEFAULT
    assert [member.name for member in sweep.control] == ["control-topk-k16-r4-resid_post.1-seed0"]


def test_the_full_sweep() -> None:
    sweep = sweeps()["full"]
    assert Counter(member.name for member in sweep.members) == Counter(FULL)
    assert [member.name for member in sweep.control] == [
        f"control-{what}-r4-resid_post.1-seed{seed}" for what in ("topk-k16", "tied_l1-2") for seed in range(3)
    ]
    assert 50 <= len(sweep.members) + len(sweep.control) <= 65


@pytest.mark.parametrize("which", ["default", "full"])
def test_no_two_have_one_name_or_one_key(which: str) -> None:
    sweep = sweeps()[which]
    everyone = [(member, "train") for member in sweep.members] + [(member, "control") for member in sweep.control]
    for found in (
        [member.name for member, _ in everyone],
        [trained_stage(member, 0, artifact(store)).key for member, store in everyone],
    ):
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("which", ["default", "full"])
def test_a_name_says_what_its_member_is(which: str) -> None:
    sweep = sweeps()[which]
    for member, control in [(m, False) for m in sweep.members] + [(m, True) for m in sweep.control]:
        assert member.name.startswith("control-") is control
        what, size, site, seed = member.name.removeprefix("control-").rsplit("-", 3)
        assert (site, int(seed.removeprefix("seed"))) == (member.site, member.seed)
        assert member.n_latents == int(size.removeprefix("r")) * D
        method, _, number = what.partition("-")
        assert method == member.method
        if isinstance(member.architecture, TopKConfig):
            frozen = member.architecture.frozen_decoder
            assert (method, number) == ("topk", f"k{member.architecture.k}" + "-frozen_decoder" * frozen)
            assert member.variant == ("frozen_decoder" if frozen else None)
            assert member.learning_rate == Training().topk_learning_rate
        else:
            assert isinstance(member.architecture, TiedL1Config)
            assert (method, float(number)) == ("tied_l1", member.architecture.coefficient)
            assert member.architecture.reduction == "sum"  # the paper's equation
            assert member.learning_rate == Training().l1_learning_rate


def test_a_key_does_not_depend_on_the_company() -> None:
    """The same dictionary in the default and the full sweep, and among more seeds, is the same stage."""
    default, full = sweeps().values()
    more = default_sweep(Training(n_seeds=5, l1_coefficients=(2.0, 7.0)), MIDDLE, ())
    keys = [
        {member.name: trained_stage(member, 0, artifact("s")).key for member in sweep.members}
        for sweep in (default, full, more)
    ]
    common = keys[0].keys() & keys[1].keys()
    assert len(common) == len(DEFAULT)
    assert all(keys[0][name] == keys[1][name] for name in common)
    both = keys[0].keys() & keys[2].keys()
    assert len(both) == 9
    assert all(keys[0][name] == keys[2][name] for name in both)


def test_options_reach_every_member() -> None:
    training = Training(n_steps=7, batch_size=33, k=5, expansion_factor=3, n_seeds=1, l1_coefficients=(1.0,))
    training = Training(**{**{f: getattr(training, f) for f in training.__slots__}, "l1_headline": 0.25})
    sweep = default_sweep(training, MIDDLE, ())
    assert [member.name for member in sweep.members] == [
        "topk-k5-r3-resid_post.1-seed0",
        "tied_l1-0.25-r3-resid_post.1-seed0",
        "tied_l1-1-r3-resid_post.1-seed0",
        "topk-k5-r2-resid_post.1-seed0",
        "tied_l1-0.25-r2-resid_post.1-seed0",
        "topk-k5-frozen_decoder-r3-resid_post.1-seed0",
    ]
    assert {(m.n_steps, m.batch_size) for m in (*sweep.members, *sweep.control)} == {(7, 33)}


def test_a_member_at_another_point() -> None:
    member = topk(Training(), MIDDLE, k=3, expansion=1.5, seed=4, control=True)
    assert member.name == "control-topk-k3-r1.5-resid_post.1-seed4"
    assert (member.n_latents, member.seed, member.architecture) == (15, 4, TopKConfig(k=3))
    assert tied_l1(Training(), MIDDLE, coefficient=0.0).architecture == TiedL1Config(coefficient=0.0, reduction="sum")


@pytest.mark.parametrize("expansion", [2, 8])
def test_a_point_on_an_axis_is_made_once(expansion: int) -> None:
    training = Training(expansion_factor=expansion)
    names = [member.name for member in full_sweep(training, MIDDLE, RESIDUAL, MLP).members]
    assert len(set(names)) == len(names)


def test_the_default_sweep_at_the_size_of_its_small_ones() -> None:
    names = [member.name for member in default_sweep(Training(expansion_factor=2), MIDDLE, OTHERS).members]
    assert len(set(names)) == len(names)


def test_the_headline_lies_on_its_axis() -> None:
    training = Training()
    assert training.l1_headline in training.l1_coefficients
    assert training.l1_headline in FULL_COEFFICIENTS
    assert list(FULL_COEFFICIENTS) == sorted(FULL_COEFFICIENTS) and len(FULL_COEFFICIENTS) == 8


def test_dense_baselines_and_their_sizes() -> None:
    found = dense_baselines(DENSE, MIDDLE, expansion=4, n_rows=99, seed=3, control=False)
    sizes = {"neurons": 10, "neurons_relu": 10, "random": 40, "random_relu": 40, "pca": 10, "pca_nonneg": 20, "ica": 10}
    assert {config.method: config.n_latents for config in found} == sizes
    assert [config.name for config in found] == [f"{method}-resid_post.1-seed3" for method in sizes]
    assert {(config.site, config.n_rows, config.seed) for config in found} == {("resid_post.1", 99, 3)}
    control = dense_baselines(CONTROL_DENSE, MIDDLE, expansion=4, n_rows=99, seed=0, control=True)
    assert [config.name for config in control] == [
        "control-random-resid_post.1-seed0",
        "control-ica-resid_post.1-seed0",
    ]


def test_top_k_forms() -> None:
    bases = dense_baselines(DENSE, MIDDLE, expansion=4, n_rows=99, seed=0, control=False)
    found = top_k_forms(bases, k=8, pca_k=PCA_K)
    assert [(base, form.name) for base, form in found] == [
        ("neurons-resid_post.1-seed0", "neurons_topk-k8-resid_post.1-seed0"),
        ("random-resid_post.1-seed0", "random_topk-k8-resid_post.1-seed0"),
        ("pca-resid_post.1-seed0", "pca_topk-k8-resid_post.1-seed0"),
        ("pca-resid_post.1-seed0", "pca_topk-k4-resid_post.1-seed0"),
        ("ica-resid_post.1-seed0", "ica_topk-k8-resid_post.1-seed0"),
    ]  # a site of 10 dimensions has no 32 components, and 8 is there already
    assert {(form.method, form.k) for _, form in found} == {
        ("neurons_topk", 8), ("random_topk", 8), ("pca_topk", 8), ("pca_topk", 4), ("ica_topk", 8)
    }  # fmt: skip
    assert {form.n_rows for _, form in found} == {99}
    control = dense_baselines(CONTROL_DENSE, MIDDLE, expansion=4, n_rows=99, seed=0, control=True)
    assert [form.name for _, form in top_k_forms(control, k=16, pca_k=())] == [
        "control-random_topk-k16-resid_post.1-seed0"
    ]  # ICA of 10 dimensions has no 16 sources
