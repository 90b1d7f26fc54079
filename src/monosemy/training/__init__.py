"""Training: members of an ensemble learn from one stream of activations."""

from monosemy.training.adam import Adam, OptimizerName
from monosemy.training.calibration import Calibration, calibrate_, calibrate_threshold
from monosemy.training.checkpoint import CURVE_FILE, STEPS_FOLDER, Checkpoints, TrainingState, read_curve
from monosemy.training.dead import DeadLatents, resample_
from monosemy.training.early_stop import EarlyStopping
from monosemy.training.ensemble import Failure, TrainedMember, Trainee
from monosemy.training.learner import Learner, NotFinite
from monosemy.training.loop import train_members
from monosemy.training.member import CurvePoint, EarlyStop, Member, Normalization
from monosemy.training.memory import MemoryNeed, count_parameters, training_bytes
from monosemy.training.schedules import cosine_decay, linear_decay, warm_up
from monosemy.training.stacks import Stacks, plan_stacks
from monosemy.training.stepper import AutogradStepper, Step, Stepper
from monosemy.training.stepper_choice import stepper_for
from monosemy.training.stream import Batch, BatchStream, StreamState

__all__ = [
    "CURVE_FILE",
    "STEPS_FOLDER",
    "Adam",
    "AutogradStepper",
    "Batch",
    "BatchStream",
    "Calibration",
    "Checkpoints",
    "CurvePoint",
    "DeadLatents",
    "EarlyStop",
    "EarlyStopping",
    "Failure",
    "Learner",
    "Member",
    "MemoryNeed",
    "Normalization",
    "NotFinite",
    "OptimizerName",
    "Stacks",
    "Step",
    "Stepper",
    "StreamState",
    "TrainedMember",
    "Trainee",
    "TrainingState",
    "calibrate_",
    "calibrate_threshold",
    "cosine_decay",
    "count_parameters",
    "linear_decay",
    "plan_stacks",
    "read_curve",
    "resample_",
    "stepper_for",
    "train_members",
    "training_bytes",
    "warm_up",
]
