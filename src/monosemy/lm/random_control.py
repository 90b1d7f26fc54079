"""The random-weights control: the same architecture and tokenizer, weights from a seed."""

import copy

from monosemy.lm.initialization import initialize_
from monosemy.lm.model import LanguageModel


def random_control(lm: LanguageModel, seed: int) -> LanguageModel:
    """A copy of `lm` whose every parameter is drawn anew by `initialize_`; `lm` and the global RNG are left alone.

    matrices and embeddings ~ N(0, std^2), std = the configuration's initializer_range; projections into the residual
    stream divided by sqrt(2 n_layers); norm weights 1, biases 0. The draws are made in float32 on the CPU, so the same
    seed gives the same values on every device.
    """
    # Copied rather than built from its configuration: building would run transformers' initializers, which draw from
    # the global RNG, and would lose how the model was loaded (attention kernel, rotary tables).
    model = copy.deepcopy(lm.model)
    initialize_(model, seed, n_layers=lm.n_layers, std=model.config.initializer_range)
    return LanguageModel(model, lm.tokenizer, f"{lm.name}-random-seed{seed}")
