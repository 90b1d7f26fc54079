"""What is measured, wired from the layers below: one file a figure, a table, or a page's worth of them."""

from monosemy.experiments.ground import GroundConfig, TextModelsConfig, measure_language_model, measure_text_models

__all__ = ["GroundConfig", "TextModelsConfig", "measure_language_model", "measure_text_models"]
