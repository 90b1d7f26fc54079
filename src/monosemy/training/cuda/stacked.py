"""The dense step of many members at once: their parameters stacked, each product made for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from monosemy.dictionaries import LossContext, SparseForm, unit_rows
from monosemy.training.adam import Adam
from monosemy.training.cuda.auxk import DeadTerm
from monosemy.training.cuda.products import product, rounded
from monosemy.training.cuda.selection import selected
from monosemy.training.cuda.triton_stepper import row_updater
from monosemy.training.cuda.update import Gradients, Parameters, Rates, Stacked, update_
from monosemy.training.stepper import Step

_ParameterOf = Callable[[SparseForm], nn.Parameter | None]


@dataclass(frozen=True, slots=True)
class StackKey:
    """What forms must agree in to be stacked; coefficients, k and rates may differ."""

    n_latents: int
    d: int
    tied: bool
    has_decoder_bias: bool
    trains_decoder: bool
    has_penalty: bool
    keeps_k: bool
    selected_in: Literal["row", "batch"]
    has_auxk: bool

    @staticmethod
    def of(form: SparseForm) -> "StackKey":
        """Of a form."""
        n_latents, d = form.W_enc.shape
        return StackKey(
            n_latents,
            d,
            form.W_dec is None,
            form.b_dec is not None,
            form.trains_decoder,
            form.penalty is not None,
            form.k is not None,
            form.selected_in,
            form.auxk is not None,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Pass:
    """What the forward pass leaves; low_: as it enters products. residual = x_hat - x."""

    pre_acts: Float[Tensor, "members batch n_latents"]
    z: Float[Tensor, "members batch n_latents"]
    directions: Float[Tensor, "members n_latents d"]
    low_directions: Tensor
    residual: Float[Tensor, "members batch d"]


@final
class MemberStack:
    """Members of one site, size and kind, whose steps are taken together: hand-written gradients, float32 weights.

    On a GPU the products are of bfloat16 with float32 sums, and what a member becomes may then differ in its bytes from
    what it becomes alone or in another stack: that members are independent bit for bit is promised for the CPU only. A
    member still sees nothing of the others. The parameters and moments of the members become views into the stack, so
    that whatever reads or changes them (a checkpoint, an export, resampling) has the truth. Never run on a GPU so far.
    """

    def __init__(self, forms: Sequence[SparseForm], optimizers: Sequence[Adam]) -> None:
        keys = {StackKey.of(form) for form in forms}
        if len(keys) != 1 or len(forms) != len(optimizers):
            raise ValueError(f"a stack is of forms of one kind with an optimizer each, got {len(keys)} kinds")
        self.forms, self.optimizers, (self.key,) = tuple(forms), tuple(optimizers), keys
        device = forms[0].W_enc.device
        with torch.no_grad():
            decoder, decoder_bias = self._stacked(lambda form: form.W_dec), self._stacked(lambda form: form.b_dec)
            encoder, encoder_bias = self._stacked(lambda form: form.W_enc), self._stacked(lambda form: form.b_enc)
        assert encoder is not None and encoder_bias is not None
        self._directions = encoder if decoder is None else decoder
        self.parameters = Parameters(
            encoder=encoder,
            encoder_bias=encoder_bias,
            decoder=decoder if self.key.trains_decoder else None,
            decoder_bias=decoder_bias,
            tied=self.key.tied,
        )
        weights = [[form.error_weight, form.penalty or 0.0] for form in forms]
        self._error_weight, self._penalty = torch.tensor(weights, dtype=torch.float32, device=device).T
        self._ks = [form.k for form in forms if form.k is not None] or None
        self._update_rows = row_updater(encoder.values)

    @torch.no_grad()
    def step_(
        self, x: Float[Tensor, "batch d"], contexts: Sequence[LossContext], learning_rates: Sequence[float]
    ) -> list[Step]:
        """One step of each member on the same normalized activations; what each saw, in their order.

        Where a loss is not finite, that member's weights and moments are spoiled.
        """
        factors = torch.tensor([float(context.sparsity_factor) for context in contexts], device=x.device)
        penalty = self._penalty * factors / len(x)
        made = self._forward(x)
        row_error = made.residual.square().sum(dim=2)
        squared_error = row_error.sum(dim=1, dtype=torch.float64)
        loss = {"reconstruction": self._error_weight * squared_error / len(x)}
        if self.key.has_penalty:
            loss["l1"] = penalty * made.z.sum(dim=(1, 2), dtype=torch.float64)
        gradients = self._gradients(x, made, penalty)
        if self.key.has_auxk:
            loss["auxk"] = self._dead_terms(x, made, contexts, gradients)
        rates = Rates.of(self.optimizers, learning_rates, x.device)
        total = update_(self.parameters, gradients, rates, self._update_rows)
        for optimizer in self.optimizers:
            optimizer.n_steps += 1
        is_active = made.z > 0
        n_active, fired = is_active.sum(dim=(1, 2)), is_active.any(dim=1)
        columns = torch.stack([*loss.values(), squared_error, n_active, total]).double().T
        numbers = columns.tolist()  # the step's one wait for the device, but for ties and dead latents
        is_finite = columns.isfinite().all(dim=1).tolist()
        return [
            Step(
                loss=dict(zip(loss, numbers[i], strict=False)),
                n_active=int(numbers[i][-2]),
                squared_error=numbers[i][-3],
                fired=fired[i],
                row_error=row_error[i],
                is_finite=is_finite[i],
            )
            for i in range(len(self.forms))
        ]

    @torch.no_grad()
    def release_(self) -> None:
        """Give each member tensors of its own again; the stack is of no use then."""
        for form, optimizer in zip(self.forms, self.optimizers, strict=True):
            for parameter in (form.W_enc, form.b_enc, form.W_dec, form.b_dec):
                if parameter is not None:
                    m, v = optimizer.moments(parameter)
                    parameter.data = parameter.detach().clone()
                    optimizer.share_moments_(parameter, m.clone(), v.clone())

    # --- how ------------------------------------------------------------------------------------------------------

    def _stacked(self, parameter_of: _ParameterOf) -> Stacked | None:
        """One parameter of all members, whose own become views of it."""
        found = [parameter_of(form) for form in self.forms]
        parameters = [parameter for parameter in found if parameter is not None]
        if not parameters:
            return None
        moments = [optimizer.moments(each) for optimizer, each in zip(self.optimizers, parameters, strict=True)]
        stack = Stacked(
            values=torch.stack([parameter.detach() for parameter in parameters]),
            m=torch.stack([m for m, _ in moments]),
            v=torch.stack([v for _, v in moments]),
        )
        for i, (parameter, optimizer) in enumerate(zip(parameters, self.optimizers, strict=True)):
            parameter.data = stack.values[i]
            optimizer.share_moments_(parameter, stack.m[i], stack.v[i])
        return stack

    def _forward(self, x: Tensor) -> _Pass:
        members, n_latents, d = len(self.forms), self.key.n_latents, self.key.d
        directions = self._directions.values
        if self.key.tied:
            directions = unit_rows(directions.reshape(-1, d)).reshape(directions.shape)
        low_directions = rounded(directions)
        low_encoder = low_directions if self.key.tied else rounded(self.parameters.encoder.values)
        wide = product(rounded(x), low_encoder.reshape(-1, d).T)  # all encoders side by side
        wide += self.parameters.encoder_bias.values.reshape(-1)
        pre_acts = wide.reshape(len(x), members, n_latents).transpose(0, 1)
        z = pre_acts.relu()
        if self._ks is not None:
            z = torch.where(selected(pre_acts, self._ks, self.key.selected_in), z, 0.0)
        residual = product(rounded(z), low_directions) - x
        if self.parameters.decoder_bias is not None:
            residual += self.parameters.decoder_bias.values[:, None]
        return _Pass(pre_acts=pre_acts, z=z, directions=directions, low_directions=low_directions, residual=residual)

    def _gradients(self, x: Tensor, made: _Pass, penalty: Tensor) -> Gradients:
        error_slope = (2 * self._error_weight / len(x))[:, None, None]
        low_z, low_residual = rounded(made.z), rounded(made.residual)
        slope = product(low_residual, made.low_directions.transpose(1, 2))
        slope.mul_(error_slope).add_(penalty[:, None, None])
        slope = torch.where(made.z > 0, slope, 0.0)
        low_x = rounded(x).expand(len(self.forms), *x.shape)
        encoder = product(rounded(slope).transpose(1, 2), low_x)
        decoder = None
        if self.key.tied or self.key.trains_decoder:
            decoder = product(low_z.transpose(1, 2), low_residual).mul_(error_slope)
        if self.key.tied and decoder is not None:
            encoder, decoder = encoder.add_(decoder), None
        return Gradients(
            encoder=encoder,
            encoder_bias=slope.sum(dim=1),
            decoder=decoder,
            decoder_bias=made.residual.sum(dim=1) * error_slope[:, 0] if self.key.has_decoder_bias else None,
        )

    def _dead_terms(
        self, x: Tensor, made: _Pass, contexts: Sequence[LossContext], gradients: Gradients
    ) -> Float[Tensor, " members"]:
        """The auxiliary losses, 0 where no latent is dead; their gradients are added to the given ones."""
        is_dead = torch.stack([context.is_dead for context in contexts])
        losses = torch.zeros(len(self.forms), dtype=torch.float64, device=x.device)
        for i, n_dead in enumerate(is_dead.sum(dim=1).tolist()):
            auxk = self.forms[i].auxk
            if n_dead == 0 or auxk is None:
                continue
            dead = is_dead[i].nonzero().flatten()
            pre_acts = made.pre_acts[i].index_select(1, dead)
            term = DeadTerm.of(auxk, pre_acts, made.directions[i, dead], made.residual[i], x)
            losses[i] = term.loss
            gradients.encoder[i].index_add_(0, dead, term.encoder)
            gradients.encoder_bias[i].index_add_(0, dead, term.bias)
            if gradients.decoder is not None:
                gradients.decoder[i].index_add_(0, dead, term.decoder)
        return losses
