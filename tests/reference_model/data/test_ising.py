"""The label sampler against what is known of CelebA's labels."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from reference_model.data.ising import IsingModel, load_ising, redraw_labels, sample_labels

# Shares of positives among CelebA's 202,599 pictures.
RATES = {
    "5_o_Clock_Shadow": 0.1111,
    "Attractive": 0.5125,
    "Bald": 0.0224,
    "Eyeglasses": 0.0651,
    "Male": 0.4168,
    "Young": 0.7736,
}
# Correlations over CelebA's first 20,000 pictures.
PHI = {
    ("Heavy_Makeup", "Wearing_Lipstick"): 0.805,
    ("Male", "Wearing_Lipstick"): -0.795,
    ("Heavy_Makeup", "Male"): -0.670,
    ("Goatee", "No_Beard"): -0.564,
    ("Black_Hair", "Brown_Hair"): -0.250,
    ("Bald", "Double_Chin"): 0.203,
}
# Largest errors measured for this model: 0.013 for rates, 0.047 for correlations.
RATE_ERROR, PHI_ERROR = 0.015, 0.05


@pytest.fixture(scope="module")
def model() -> IsingModel:
    return load_ising()


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return sample_labels(40_000, seed=0, sweeps=20)


def test_the_model_has_820_numbers(model: IsingModel) -> None:
    assert len(model.names) == 40
    assert np.count_nonzero(np.triu(model.coupling, 1)) == 780
    assert np.isfinite(model.bias).all()
    for name, rate in RATES.items():
        assert round(model.rates[model.names.index(name)], 4) == rate


def test_samples_have_celebas_rates(model: IsingModel, labels: np.ndarray) -> None:
    assert labels.shape == (40_000, 40)
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) == {0, 1}
    assert np.abs(labels.mean(axis=0) - model.rates).max() < RATE_ERROR


def test_samples_have_celebas_correlations(model: IsingModel, labels: np.ndarray) -> None:
    phi = np.corrcoef(labels.T)
    for (first, second), expected in PHI.items():
        assert abs(phi[model.names.index(first), model.names.index(second)] - expected) < PHI_ERROR


def test_samples_keep_exclusions(model: IsingModel, labels: np.ndarray) -> None:
    columns = {name: labels[:, model.names.index(name)].astype(bool) for name in model.names}
    colours = sum(columns[name].astype(int) for name in ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"))
    assert (colours >= 2).mean() < 0.03  # 1.5 % in CelebA, 7.3 % under a Gaussian copula
    assert (columns["No_Beard"] & columns["Goatee"]).mean() < 0.003
    assert (columns["Straight_Hair"] & columns["Wavy_Hair"]).mean() < 0.01


def test_sampling_a_small_model_gives_its_exact_distribution() -> None:
    coupling = np.array([[0, 1.5, -1.0], [1.5, 0, 0.5], [-1.0, 0.5, 0]])
    small = IsingModel(("a", "b", "c"), np.array([-0.5, -1.0, 0.3]), coupling, np.array([0.5, 0.5, 0.5]))
    states = np.array(list(itertools.product((0, 1), repeat=3)), dtype=float)
    weights = np.exp(states @ small.bias + 0.5 * np.einsum("si,ij,sj->s", states, coupling, states))
    exact = weights / weights.sum()
    drawn = sample_labels(200_000, seed=0, sweeps=30, model=small)
    counts = np.bincount(drawn @ np.array([4, 2, 1]), minlength=8)
    deviation = np.abs(counts / 200_000 - exact) / np.sqrt(exact * (1 - exact) / 200_000)
    assert deviation.max() < 4.5  # standard errors


def test_no_sweep_gives_independent_labels_and_one_label_its_bias() -> None:
    alone = IsingModel(("a",), np.array([0.7]), np.zeros((1, 1)), np.array([0.1]))
    assert abs(sample_labels(50_000, seed=1, sweeps=0, model=alone).mean() - 0.1) < 0.01
    assert abs(sample_labels(50_000, seed=1, sweeps=1, model=alone).mean() - expit(0.7)) < 0.01


def test_bad_arguments() -> None:
    assert sample_labels(0, seed=0, sweeps=1).shape == (0, 40)
    with pytest.raises(ValueError, match="n and sweeps must be 0 or more, got -1 and 30"):
        sample_labels(-1, seed=0)
    with pytest.raises(ValueError, match="coupling must be symmetric with a zero diagonal"):
        IsingModel(("a",), np.zeros(1), np.ones((1, 1)), np.ones(1))
    with pytest.raises(ValueError, match=r"for 2 names bias and rates must be \(2,\)"):
        IsingModel(("a", "b"), np.zeros(1), np.zeros((2, 2)), np.ones(2))


class TestRedrawing:
    def test_labels_change_as_often_as_asked(self, model: IsingModel, labels: np.ndarray) -> None:
        shares = np.zeros(40)
        smiling, young = model.names.index("Smiling"), model.names.index("Young")
        shares[smiling], shares[young] = 1.0, 0.1
        redrawn = redraw_labels(labels, shares, 1, model=model)
        changed = (redrawn != labels).mean(axis=0)
        assert not np.delete(changed, [smiling, young]).any()
        assert 0.01 < changed[young] < 0.1 / 2
        assert 0.15 < changed[smiling] < 0.5

    def test_rows_still_follow_the_model(self, model: IsingModel, labels: np.ndarray) -> None:
        redrawn = redraw_labels(labels, np.linspace(0, 1, 40), 1, model=model)
        assert (redrawn != labels).mean() > 0.05
        assert np.abs(redrawn.mean(axis=0) - model.rates).max() < RATE_ERROR
        phi = np.corrcoef(redrawn.T)
        for (first, second), expected in PHI.items():
            assert abs(phi[model.names.index(first), model.names.index(second)] - expected) < PHI_ERROR

    def test_the_seed_decides(self, model: IsingModel, labels: np.ndarray) -> None:
        first, again, other = (redraw_labels(labels[:50], np.ones(40), seed, model=model) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
