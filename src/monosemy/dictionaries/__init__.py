"""Dictionaries: the inference object, what it is made from, and the architectures that are trained."""

from monosemy.dictionaries.card import DICTIONARY_KIND, DictionaryCard, load_dictionary, read_card, write_card
from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import auxk, l1, mean_squared_error, squared_error, unit_rows
from monosemy.dictionaries.sparse_form import AuxKForm, SparseForm
from monosemy.dictionaries.sparsifiers import AbsTopK, Identity, JumpReLU, ReLU, Sparsifier, TopK, keep, largest
from monosemy.dictionaries.tied_l1 import TiedL1, TiedL1Config, code_coefficient, paper_coefficient
from monosemy.dictionaries.topk import TopKAutoencoder, TopKConfig
from monosemy.dictionaries.trainable import Encoding, LossContext, TrainableDictionary

Architecture = TiedL1Config | TopKConfig
"""The configurations of the architectures that can be trained."""

__all__ = [
    "DICTIONARY_KIND",
    "AbsTopK",
    "Architecture",
    "AuxKForm",
    "Dictionary",
    "DictionaryCard",
    "Encoding",
    "Identity",
    "JumpReLU",
    "LossContext",
    "ReLU",
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
    "keep",
    "l1",
    "largest",
    "load_dictionary",
    "mean_squared_error",
    "paper_coefficient",
    "read_card",
    "squared_error",
    "unit_rows",
    "write_card",
]
