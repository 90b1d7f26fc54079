"""What dictionaries have to beat: the default basis, random directions, principal and independent components."""

from monosemy.baselines.ica import IcaFit, fit_ica
from monosemy.baselines.moments import Batches, SecondMoments, second_moments
from monosemy.baselines.neurons import fit_neurons, fit_neurons_relu
from monosemy.baselines.pca import fit_pca, fit_pca_nonneg, pca_from_moments, pca_nonneg_from_moments
from monosemy.baselines.random import fit_random, fit_random_relu, random_from_moments
from monosemy.baselines.rescaled import rescaled
from monosemy.baselines.top_k_form import top_k_form

__all__ = [
    "Batches",
    "IcaFit",
    "SecondMoments",
    "fit_ica",
    "fit_neurons",
    "fit_neurons_relu",
    "fit_pca",
    "fit_pca_nonneg",
    "fit_random",
    "fit_random_relu",
    "pca_from_moments",
    "pca_nonneg_from_moments",
    "random_from_moments",
    "rescaled",
    "second_moments",
    "top_k_form",
]
