"""Monosemy finds the interpretable features inside a language model, measures them and tests them causally."""

__all__ = ["__version__"]

__version__ = "0.1.0"
