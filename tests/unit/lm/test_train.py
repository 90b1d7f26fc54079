"""The trainer: resumption to the bit, the schedule's closed form, AdamW written out in float64, entropy as a bound."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from monosemy.core import UserError, torch_generator
from monosemy.lm import Architecture, LMTraining, TrainedLM, build, train
from monosemy.lm.train import learning_rate_factor, make_optimizer, token_loss

V, CONTEXT = 11, 12
ARCHITECTURE = Architecture(n_layers=2, d_model=32, n_heads=2, context_length=CONTEXT, vocabulary_size=V)
TRAINING = LMTraining(
    architecture=ARCHITECTURE, n_steps=12, warmup_steps=3, learning_rate=1e-2, evaluate_every_steps=4, seed=3
)


@dataclass(frozen=True)
class Rows:
    """Inputs and targets of a batch."""

    tokens: Tensor
    targets: Tensor


def counting(step: int) -> Rows:
    """Rows that count up modulo V from a random start: the next token follows from the present one."""
    starts = torch.randint(V, (8, 1), generator=torch_generator(step, "test-rows"))
    rows = (starts + torch.arange(CONTEXT + 1)) % V
    return Rows(rows[:, :-1], rows[:, 1:])


VALIDATION = [counting(1000), counting(1001)]


def run(
    training: LMTraining, folder: Path, batches: Callable[[int], Rows] = counting, validation: list[Rows] = VALIDATION
) -> TrainedLM:
    return train(training, batches, validation, checkpoint=folder / "checkpoint.pt", data="counting")


def weights(trained: TrainedLM) -> dict[str, Tensor]:
    return trained.model.state_dict()


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def losses(trained: TrainedLM) -> list[tuple[int, float, float]]:
    return [(point.step, point.train_loss, point.validation_loss) for point in trained.curve]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainedLM:
    """The uninterrupted training."""
    return run(TRAINING, tmp_path_factory.mktemp("whole"))


def test_the_loss_falls_below_the_unigram_entropy(tmp_path: Path) -> None:
    """Unigrams of the rows are uniform, ln V nats; what follows is a function of the token before, so 0 is in reach."""
    trained = run(replace(TRAINING, n_steps=60, evaluate_every_steps=20), tmp_path)
    assert [point.step for point in trained.curve] == [20, 40, 60]
    assert trained.curve[0].train_loss > trained.curve[-1].train_loss
    assert trained.curve[-1].validation_loss < 0.2 * math.log(V)


@pytest.mark.parametrize("killed_at", [0, 3, 4, 9, 11])
def test_a_killed_training_goes_on_to_the_same_bits(whole: TrainedLM, tmp_path: Path, killed_at: int) -> None:
    def dying(step: int) -> Rows:
        if step == killed_at:
            raise KeyboardInterrupt
        return counting(step)

    with pytest.raises(KeyboardInterrupt):
        run(TRAINING, tmp_path, dying)
    asked: list[int] = []

    def recording(step: int) -> Rows:
        asked.append(step)
        return counting(step)

    resumed = run(TRAINING, tmp_path, recording)
    assert asked == list(range(killed_at // 4 * 4, 12))
    assert same(weights(resumed), weights(whole))
    assert losses(resumed) == losses(whole)
    assert resumed.best_step == whole.best_step


def test_a_finished_training_is_read_from_its_checkpoint(whole: TrainedLM, tmp_path: Path) -> None:
    first = run(TRAINING, tmp_path)

    def never(step: int) -> Rows:
        raise AssertionError(step)

    again = run(TRAINING, tmp_path, never)
    assert same(weights(again), weights(whole))
    assert again.curve == first.curve
    assert not again.model.training


@pytest.mark.parametrize("changed", ["settings", "data"])
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, changed: str) -> None:
    run(TRAINING, tmp_path)
    checkpoint = tmp_path / "checkpoint.pt"
    before = checkpoint.read_bytes()
    training = replace(TRAINING, learning_rate=2e-2) if changed == "settings" else TRAINING
    data = "counting" if changed == "settings" else "other rows"
    with pytest.raises(UserError, match=r"checkpoint\.pt was left by a training with other settings or data"):
        train(training, counting, VALIDATION, checkpoint=checkpoint, data=data)
    assert checkpoint.read_bytes() == before


def test_the_best_weights_are_those_of_the_lowest_validation_loss(tmp_path: Path) -> None:
    """Trained on rows that count down: what was learned of counting up is lost again."""

    def up_then_down(step: int) -> Rows:
        rows = counting(step)
        return rows if step < 12 else Rows(rows.tokens.flip(1), rows.tokens.roll(1, dims=1).flip(1))

    trained = run(replace(TRAINING, n_steps=24, warmup_steps=1, decay_fraction=1.0), tmp_path, up_then_down)
    validation = [point.validation_loss for point in trained.curve]
    best = int(np.argmin(validation))
    assert 0 < best < len(validation) - 1
    assert trained.best_step == trained.curve[best].step
    with torch.no_grad():
        measured = sum(token_loss(trained.model, batch).item() for batch in VALIDATION) / len(VALIDATION)
    assert measured == pytest.approx(validation[best], rel=1e-6)


def test_the_learning_rate() -> None:
    """Warm-up over 4 steps, constant to the half, then linear to zero at step 20."""
    training = replace(TRAINING, n_steps=20, warmup_steps=4, decay_fraction=0.5)
    expected = [0.25, 0.5, 0.75, *[1.0] * 8, *(i / 10 for i in range(9, 0, -1))]
    assert [learning_rate_factor(step, training) for step in range(20)] == pytest.approx(expected)


def test_warm_up_and_decay_multiply_where_they_meet() -> None:
    training = replace(TRAINING, n_steps=4, warmup_steps=4, decay_fraction=1.0)
    factors = [learning_rate_factor(step, training) for step in range(4)]
    assert factors == pytest.approx([1 / 4 * 1, 2 / 4 * 3 / 4, 3 / 4 * 2 / 4, 1 * 1 / 4])


def as_float64(parameters: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: value.detach().double().numpy().copy() for name, value in parameters.items()}


def test_steps_are_adamw_with_clipped_gradients(tmp_path: Path) -> None:
    """AdamW in float64 with the model's own gradients: the trainer's weights after each of three steps.

    w <- (1 - lr decay) w - lr m^ / (sqrt(v^) + 1e-8), gradients scaled to a norm of at most `clip_norm`,
    decay on matrices only. The reference's weights are given back to the model, so errors do not add up unseen.
    """
    training = replace(
        TRAINING, n_steps=3, warmup_steps=2, evaluate_every_steps=1, clip_norm=0.3, weight_decay=0.5, decay_fraction=1.0
    )
    model = build(ARCHITECTURE, training.seed)
    parameters = dict(model.named_parameters())
    w = as_float64(parameters)
    m, v = ({name: np.zeros_like(value) for name, value in w.items()} for _ in range(2))
    clipped = []
    for step in range(3):
        model.zero_grad()
        token_loss(model, counting(step)).backward()
        g = {name: p.grad.double().numpy() for name, p in parameters.items() if p.grad is not None}
        assert g.keys() == w.keys()
        norm = math.sqrt(sum(float((each**2).sum()) for each in g.values()))
        clipped.append(norm > training.clip_norm)
        rate = training.learning_rate * min(1, (step + 1) / 2) * min(1, (3 - step) / 3)
        for name in w:
            gradient = g[name] * min(1.0, training.clip_norm / norm)
            m[name] = 0.9 * m[name] + 0.1 * gradient
            v[name] = 0.95 * v[name] + 0.05 * gradient**2
            m_hat, v_hat = m[name] / (1 - 0.9 ** (step + 1)), v[name] / (1 - 0.95 ** (step + 1))
            decay = training.weight_decay if w[name].ndim > 1 else 0.0
            w[name] = (1 - rate * decay) * w[name] - rate * m_hat / (np.sqrt(v_hat) + 1e-8)
            parameters[name].data.copy_(torch.from_numpy(w[name]))
        _stop_after(training, step + 1, tmp_path)
        saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
        for name, value in w.items():
            # Where a gradient is of the size of Adam's epsilon, float32 decides its sign; no such entry is large.
            np.testing.assert_allclose(saved[name].double().numpy(), value, rtol=1e-4, atol=2e-5, err_msg=name)
    assert all(clipped)


def _stop_after(training: LMTraining, n_steps: int, folder: Path) -> None:
    """Run until `n_steps` steps are done and saved."""

    def stopping(step: int) -> Rows:
        if step == n_steps:
            raise KeyboardInterrupt
        return counting(step)

    try:
        run(training, folder, stopping)
    except KeyboardInterrupt:
        assert n_steps < training.n_steps


def test_weight_decay_is_on_matrices_only() -> None:
    """With gradients of zero only the decay moves a parameter, by the factor 1 - lr * decay."""
    model = build(ARCHITECTURE, 0)
    for parameter in model.parameters():
        parameter.data.add_(1.0)
        parameter.grad = torch.zeros_like(parameter)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    make_optimizer(model, replace(TRAINING, learning_rate=0.1, weight_decay=0.5)).step()
    n_matrices = 0
    for name, parameter in model.named_parameters():
        factor = 0.95 if parameter.ndim == 2 else 1.0
        n_matrices += parameter.ndim == 2
        torch.testing.assert_close(parameter.data, factor * before[name], msg=name)
    assert n_matrices == 2 + 4 * ARCHITECTURE.n_layers  # embedding, unembedding; qkv, out, two of the MLP a layer


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"after 4 steps the loss is .*choose a learning rate below 1e\+20") as caught:
        run(replace(TRAINING, learning_rate=1e20), tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_ignored_targets_carry_no_loss() -> None:
    model = build(ARCHITECTURE, 0)
    rows = counting(0)
    targets = rows.targets.clone()
    targets[:, :5] = -100
    with torch.no_grad():
        logits = model(rows.tokens).logits.double().log_softmax(-1)
        expected = -logits[:, 5:].gather(2, rows.targets[:, 5:, None]).mean()
        assert token_loss(model, Rows(rows.tokens, targets)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_training_leaves_the_global_random_state(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    run(replace(TRAINING, n_steps=1), tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_built_model_has_the_architecture() -> None:
    """Parameters counted by hand: embeddings 2 V d; a layer 12 d^2 + 13 d; the last norm 2 d."""
    model, d = build(ARCHITECTURE, 0), ARCHITECTURE.d_model
    expected = 2 * V * d + ARCHITECTURE.n_layers * (12 * d**2 + 13 * d) + 2 * d
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
    tied = build(replace(ARCHITECTURE, tied_embeddings=True), 0)
    assert sum(parameter.numel() for parameter in tied.parameters()) == expected - V * d
    assert same(model.state_dict(), build(ARCHITECTURE, 0).state_dict())
    assert not same(model.state_dict(), build(ARCHITECTURE, 1).state_dict())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: replace(TRAINING, n_steps=0),
        lambda: replace(TRAINING, warmup_steps=0),
        lambda: replace(TRAINING, evaluate_every_steps=0),
        lambda: replace(TRAINING, decay_fraction=0.0),
        lambda: replace(TRAINING, decay_fraction=1.1),
    ],
)
def test_settings_that_are_no_schedule_are_refused(wrong: Callable[[], LMTraining]) -> None:
    with pytest.raises(ValueError, match="must be at least 1 and decay_fraction in"):
        wrong()
