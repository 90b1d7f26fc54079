"""Where a language model comes from, in a form that can be handed to another process."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from monosemy.lm.embedded import load_embedded
from monosemy.lm.loading import load
from monosemy.lm.model import LanguageModel
from monosemy.lm.random_control import random_control

EMBEDDED_LM = "embedded"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSource:
    """The embedded model, a folder or a hub id; with `random_seed`, its control with random weights of that seed."""

    name: str = EMBEDDED_LM
    device: Literal["auto", "cpu", "cuda"] = "auto"
    random_seed: int | None = None

    def load(self) -> LanguageModel:
        """The model, loaded once a process. Raises UserError as `load` does."""
        return _loaded(self)


@cache
def _loaded(source: ModelSource) -> LanguageModel:
    if source.random_seed is not None:
        trained = ModelSource(name=source.name, device=source.device)
        return random_control(trained.load(), source.random_seed)
    embedded = source.name == EMBEDDED_LM
    return load_embedded(device=source.device) if embedded else load(source.name, device=source.device)
