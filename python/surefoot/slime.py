"""slime's custom loss from surefoot:

    SUREFOOT_OBJECTIVE=mhpo,bound=1.5 python train.py ... --loss-type custom_loss \\
        --custom-loss-function-path surefoot.slime.custom_loss

Only the loss of each token is surefoot's. Log-probabilities, context parallelism, corrections for the sampler, the KL and
entropy terms and the averaging stay slime's.
"""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import torch

from surefoot.environment import objective_from_environment
from surefoot.torch import token_losses

__all__ = ["compute_policy_loss", "custom_loss"]


def compute_policy_loss(
    ppo_kl: torch.Tensor, advantages: torch.Tensor, *_: Any, **__: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """In place of slime's function of that name: losses `[T]` of tokens, and 1 where bounds act on a token.

    `ppo_kl` is `logp_old - logp`; of gspo's sequences it is their mean. slime's clip options are not read.
    """
    objective = objective_from_environment()
    if objective.options.get("clip_schedule") == "tight-to-loose":
        raise ValueError(
            "clip_schedule tight-to-loose needs to know where sequences end, which slime does not say here"
        )
    if objective.name in ("gmpo", "dppo_tv", "dppo_kl"):
        raise ValueError(
            f"{objective.name} reads more of a token than its ratio, which is all that slime says here; take another objective"
        )
    log_ratio = -ppo_kl.reshape(-1, 1)
    losses, _stats = token_losses(
        log_ratio, torch.zeros_like(log_ratio), advantages.reshape(-1, 1), objective=objective
    )
    # without bounds nothing is clipped
    ratio, clipped = log_ratio.detach().exp(), torch.zeros_like(log_ratio)
    if {"clip_low", "clip_high"} <= objective.options.keys():
        low, high = 1 - float(objective.options["clip_low"]), 1 + float(objective.options["clip_high"])
        advantage = advantages.reshape(-1, 1)
        clipped = (((ratio > high) & (advantage > 0)) | ((ratio < low) & (advantage < 0))).to(losses.dtype)
    return losses.reshape(ppo_kl.shape), clipped.reshape(ppo_kl.shape)


def custom_loss(
    args: Namespace,
    batch: dict[str, Any],
    logits: torch.Tensor,
    sum_of_sample_mean: Callable[[torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """slime's `policy_loss_function` with surefoot's token losses."""
    from slime.backends.megatron_utils import loss as slime_loss

    own = slime_loss.compute_policy_loss
    slime_loss.compute_policy_loss = compute_policy_loss
    try:
        return slime_loss.policy_loss_function(args, batch, logits, sum_of_sample_mean)
    finally:
        slime_loss.compute_policy_loss = own
