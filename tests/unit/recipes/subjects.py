"""A small subject of a run, for what is computed of sizes alone."""

from monosemy.corpus import StdlibCorpus
from monosemy.lm import ModelSource
from monosemy.recipes import Measuring, Place, Subject, Training, default_sweep

D = 16
_PLACES = tuple(Place(site=f"resid_post.{i}", d_site=D) for i in range(2))
_SWEEP = default_sweep(Training(n_steps=100, batch_size=64, k=4), _PLACES[0], _PLACES[1:])

SUBJECT = Subject(
    source=ModelSource(),
    corpus=StdlibCorpus(),
    context_length=64,
    places=_PLACES,
    middle=_PLACES[0],
    members=_SWEEP.members,
    control=_SWEEP.control,
    training=Training(n_steps=100, batch_size=64, k=4),
    measuring=Measuring(
        max_train_sequences=200, n_control_sequences=100, n_score_sequences=30, max_context_sequences=50
    ),
    seed=0,
)
"""Two sites of width 16, the default sweep with 64 latents and 32."""
