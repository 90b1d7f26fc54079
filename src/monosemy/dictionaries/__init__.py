"""Dictionaries: the inference object, what it is made from, and the architectures that are trained."""

from monosemy.dictionaries.batch_topk import BatchTopKAutoencoder, BatchTopKConfig
from monosemy.dictionaries.card import DICTIONARY_KIND, DictionaryCard, load_dictionary, read_card, write_card
from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.gated import GatedAutoencoder, GatedConfig
from monosemy.dictionaries.jumprelu import JumpReLUAutoencoder, JumpReLUConfig
from monosemy.dictionaries.losses import (
    auxk,
    l1,
    mean_squared_error,
    off_target,
    saturating,
    squared_error,
    unit_rows,
    variation_of,
    weighted_l1,
)
from monosemy.dictionaries.matryoshka import MatryoshkaAutoencoder, MatryoshkaConfig, nested_reconstructions
from monosemy.dictionaries.norm_weighted_l1 import NormWeightedL1, NormWeightedL1Config
from monosemy.dictionaries.relu_l1 import ReLUL1, ReLUL1Config
from monosemy.dictionaries.sparse_form import AuxKForm, SparseForm
from monosemy.dictionaries.sparsifiers import (
    AbsTopK,
    Identity,
    JumpReLU,
    ReLU,
    Sparsifier,
    TopK,
    keep,
    largest,
    largest_in_batch,
)
from monosemy.dictionaries.straight_through import jump, step
from monosemy.dictionaries.tied_l1 import TiedL1, TiedL1Config, code_coefficient, paper_coefficient, whitening
from monosemy.dictionaries.topk import TopKAutoencoder, TopKConfig
from monosemy.dictionaries.trainable import Encoding, LossContext, TrainableDictionary

Architecture = (
    TiedL1Config
    | ReLUL1Config
    | NormWeightedL1Config
    | TopKConfig
    | BatchTopKConfig
    | MatryoshkaConfig
    | JumpReLUConfig
    | GatedConfig
)
"""The configurations of the architectures that can be trained."""

__all__ = [
    "DICTIONARY_KIND",
    "AbsTopK",
    "Architecture",
    "AuxKForm",
    "BatchTopKAutoencoder",
    "BatchTopKConfig",
    "Dictionary",
    "DictionaryCard",
    "Encoding",
    "GatedAutoencoder",
    "GatedConfig",
    "Identity",
    "JumpReLU",
    "JumpReLUAutoencoder",
    "JumpReLUConfig",
    "LossContext",
    "MatryoshkaAutoencoder",
    "MatryoshkaConfig",
    "NormWeightedL1",
    "NormWeightedL1Config",
    "ReLU",
    "ReLUL1",
    "ReLUL1Config",
    "SparseForm",
    "Sparsifier",
    "TiedL1",
    "TiedL1Config",
    "TopK",
    "TopKAutoencoder",
    "TopKConfig",
    "TrainableDictionary",
    "auxk",
    "code_coefficient",
    "jump",
    "keep",
    "l1",
    "largest",
    "largest_in_batch",
    "load_dictionary",
    "mean_squared_error",
    "nested_reconstructions",
    "off_target",
    "paper_coefficient",
    "read_card",
    "saturating",
    "squared_error",
    "step",
    "unit_rows",
    "variation_of",
    "weighted_l1",
    "whitening",
    "write_card",
]
