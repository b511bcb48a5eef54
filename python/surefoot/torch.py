"""The objectives as a loss of PyTorch, whose gradient is the Rust core's.

loss, stats = surefoot.torch.policy_loss(logp, logp_old, advantages, mask, objective="mhpo")
loss.backward()
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

import surefoot

__all__ = ["global_counts", "policy_loss", "token_losses"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _uncompiled(function: _Function) -> _Function:
    """Keeps PyTorch's compiler out of a function. PyTorch's decorator has no types, so its signature would be lost."""
    return cast(_Function, torch.compiler.disable(function))


@_uncompiled
def policy_loss(
    logp: Tensor,
    logp_old: Tensor,
    advantages: Tensor,
    mask: Tensor | None = None,
    *,
    objective: str | surefoot.Objective = "mhpo",
    offsets: Tensor | None = None,
    groups: Tensor | None = None,
    logp_ref: Tensor | None = None,
    logp_epoch: Tensor | None = None,
    token_weights: Tensor | None = None,
    counts: surefoot.Counts | None = None,
    scale: float = 1.0,
    stats: bool = True,
) -> tuple[Tensor, dict[str, float]]:
    """The loss, to be minimised, and the statistics of its tokens.

    Arguments are those of `surefoot.Objective.evaluate`, as tensors of any device: `[N, T]`, a row a sequence, or packed
    `[T]` with `offsets`. float32 on the CPU is read in place; bfloat16 and float16 are widened; float64 is computed in
    float64. Tensors of another device are copied to the host in one piece, the gradient comes back in another. The loss
    has the precision of `logp`, at least float32, and the gradient that of `logp`. Only `logp` gets a gradient.

    A micro-batch or the share of a data-parallel rank gives `counts`, those of the whole mini-batch (`global_counts`):
    then losses and gradients of all parts add up to those of the whole. DDP and FSDP take the *mean* of gradients over
    ranks; `scale=world_size` makes the sum of it.
    """
    if isinstance(objective, str):
        objective = surefoot.Objective(objective)
    precision = torch.float64 if logp.dtype == torch.float64 else torch.float32
    columns = _on_host(
        {
            "logp": logp,
            "logp_old": logp_old,
            "advantages": advantages,
            "mask": mask,
            "logp_ref": logp_ref,
            "logp_epoch": logp_epoch,
            "token_weights": token_weights,
        },
        precision,
    )
    small = {
        name: None if ids is None else ids.detach().cpu().numpy()
        for name, ids in (("offsets", offsets), ("groups", groups))
    }
    evaluation = objective.evaluate(**columns, **small, counts=counts, stats=stats)
    return _PolicyLoss.apply(logp, evaluation, precision, scale), evaluation.stats if stats else {}


class _PolicyLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logp: Tensor, evaluation: surefoot.Evaluation, precision: torch.dtype, scale: float
    ) -> Tensor:
        ctx.save_for_backward(torch.from_numpy(evaluation.grad_logp))
        ctx.dtype, ctx.device, ctx.scale = logp.dtype, logp.device, scale
        return torch.tensor(evaluation.loss * scale, dtype=precision, device=logp.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None, None, None]:
        (grad_logp,) = ctx.saved_tensors
        # Scaled before it is narrowed: float16 would lose gradients of 1/T that a loss scaler is about to raise.
        grad_logp = grad_logp.to(ctx.device) * (grad_loss * ctx.scale)
        return grad_logp.to(ctx.dtype), None, None, None


@_uncompiled
def token_losses(
    logp: Tensor,
    logp_old: Tensor,
    advantages: Tensor,
    mask: Tensor | None = None,
    *,
    objective: str | surefoot.Objective = "mhpo",
    offsets: Tensor | None = None,
    token_weights: Tensor | None = None,
    logp_epoch: Tensor | None = None,
    stats: bool = True,
) -> tuple[Tensor, dict[str, float]]:
    """The loss of each token in the shape of `logp`, for a trainer that averages by its own rule, and the statistics.

    Arguments are those of `policy_loss`; the objective's aggregation is not read. The losses are in float32, 0 where the mask is
    false. The gradient of a token's loss is that of the token alone, also for gspo, whose ratio is the sequence's.
    """
    if isinstance(objective, str):
        objective = surefoot.Objective(objective, aggregation="token-mean")
    else:
        objective = objective.with_options(aggregation="token-mean")
    columns = {
        "logp": logp,
        "logp_old": logp_old,
        "advantages": advantages,
        "mask": mask,
        "token_weights": token_weights,
        "logp_epoch": logp_epoch,
    }
    boundaries = None if offsets is None else offsets.detach().cpu().numpy()
    # counted as one token, each has weight 1
    evaluation = objective.evaluate(
        **_on_host(columns, torch.float32), offsets=boundaries, counts=surefoot.Counts(1, 1), detail=True
    )
    return _TokenLosses.apply(logp, evaluation), evaluation.stats if stats else {}


class _TokenLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logp: Tensor, evaluation: surefoot.Evaluation) -> Tensor:
        ctx.save_for_backward(torch.from_numpy(evaluation.grad_logp))
        ctx.dtype, ctx.device = logp.dtype, logp.device
        if evaluation.detail is None:  # nothing was trained
            return torch.zeros(logp.shape, device=logp.device)
        return -torch.from_numpy(evaluation.detail["surrogate"]).to(logp.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_losses: Tensor) -> tuple[Tensor, None]:
        (grad_logp,) = ctx.saved_tensors
        return (grad_logp.to(ctx.device) * grad_losses).to(ctx.dtype), None


def _on_host(columns: dict[str, Tensor | None], precision: torch.dtype) -> dict[str, Any]:
    """The columns as arrays: in place where they are on the CPU, else through one copy."""
    given = {name: column.detach() for name, column in columns.items() if column is not None}
    away = [name for name, column in given.items() if not column.is_cpu]
    if away:
        flat = torch.cat([given[name].reshape(-1).to(precision) for name in away]).cpu()
        pieces = flat.split([given[name].numel() for name in away])
        given.update({name: piece.view(given[name].shape) for name, piece in zip(away, pieces, strict=True)})
    return {
        name: (_truths(column) if name == "mask" else column.to(precision)).numpy() for name, column in given.items()
    }


def _truths(mask: Tensor) -> Tensor:
    """A mask of any type: anything but 0 trains the token."""
    return mask if mask.dtype == torch.bool else mask != 0


def global_counts(
    mask: Tensor,
    *,
    offsets: Tensor | None = None,
    groups: Tensor | None = None,
    process_group: Any = None,
) -> surefoot.Counts:
    """The counts of a mini-batch over all ranks, from each rank's mask; without `torch.distributed`, of this mask.

    With gradient accumulation `mask` is that of all micro-batches of the rank. A prompt needs the same id in `groups` on
    every rank.
    """
    as_array = lambda column: None if column is None else column.detach().cpu().numpy()
    counts = surefoot.Counts.of(as_array(_truths(mask)), offsets=as_array(offsets), groups=as_array(groups))
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return counts
    if groups is None:
        totals = torch.tensor([counts.tokens, counts.sequences], device=mask.device)
        distributed.all_reduce(totals, group=process_group)
        tokens, sequences = totals.tolist()
        return surefoot.Counts(tokens, sequences)
    parts: list[Any] = [None] * distributed.get_world_size(process_group)
    distributed.all_gather_object(parts, counts, group=process_group)
    return sum(parts, surefoot.Counts())
