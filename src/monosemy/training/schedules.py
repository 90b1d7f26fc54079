"""How a learning rate or a coefficient changes: plain functions from the step to a factor."""

import math


def warm_up(step: int, n_warm_up_steps: int) -> float:
    """Linear from 1 / n at step 0 to 1 at step n - 1, then 1; 1 throughout where n is 0."""
    return min(1.0, (step + 1) / n_warm_up_steps) if n_warm_up_steps > 0 else 1.0


def linear_decay(step: int, n_steps: int, decay_fraction: int | float) -> float:
    """1, and over the last `decay_fraction` of the steps linear towards 0, which step n_steps would have."""
    n_decay_steps = decay_fraction * n_steps
    return min(1.0, (n_steps - step) / n_decay_steps) if n_decay_steps > 0 else 1.0


def cosine_decay(step: int, n_steps: int, decay_fraction: int | float) -> float:
    """(1 - cos(pi linear_decay)) / 2: level at both ends of the decay, half at its middle, 0 at step n_steps."""
    return (1.0 - math.cos(math.pi * linear_decay(step, n_steps, decay_fraction))) / 2.0
