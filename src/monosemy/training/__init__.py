"""Training: members of an ensemble learn from one stream of activations."""

from monosemy.training.dead import DeadLatents
from monosemy.training.ensemble import CurvePoint, Learner, Member, Normalization
from monosemy.training.loop import TrainedMember, train_members
from monosemy.training.schedules import linear_decay, warm_up

__all__ = [
    "CurvePoint",
    "DeadLatents",
    "Learner",
    "Member",
    "Normalization",
    "TrainedMember",
    "linear_decay",
    "train_members",
    "warm_up",
]
