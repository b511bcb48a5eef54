"""OpenRLHF's policy loss from surefoot.

OpenRLHF has no hook for a loss; Ray runs `install` in every worker before OpenRLHF builds its actor:

    ray job submit --runtime-env-json '{"worker_process_setup_hook": "surefoot.openrlhf.install",
        "env_vars": {"SUREFOOT_OBJECTIVE": "mhpo,bound=1.5"}}' -- python3 -m openrlhf.cli.train_ppo_ray ...

Averaging, its global counts and the corrections for vLLM stay OpenRLHF's.
"""

from typing import Any

import torch
from openrlhf.models import loss as _loss

from surefoot.environment import objective_from_environment
from surefoot.torch import token_losses

__all__ = ["PolicyLoss", "install"]


class PolicyLoss(_loss.PolicyLoss):
    """OpenRLHF's `PolicyLoss` with the objective that `SUREFOOT_OBJECTIVE` names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.objective = objective_from_environment()
        if self.enable_vllm_is_correction and self.vllm_is_correction_type != "tis":
            raise ValueError(
                f"the correction {self.vllm_is_correction_type!r} is computed within OpenRLHF's own loss; surefoot's has 'tis'"
            )

    def forward(
        self,
        log_probs: torch.Tensor,
        old_log_probs: torch.Tensor,
        advantages: torch.Tensor,
        action_mask: torch.Tensor | None = None,
        rollout_log_probs: torch.Tensor | None = None,
        dp_size: int = 1,
        batch_num_tokens: float | None = None,
        global_batch_size: float | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None]:
        mask = torch.ones_like(log_probs, dtype=torch.bool) if action_mask is None else action_mask
        weights = vllm_kl = None
        if self.enable_vllm_is_correction:
            assert rollout_log_probs is not None
            low, high = self.vllm_is_truncated_threshold
            weights = (old_log_probs - rollout_log_probs).exp().clamp(low, high)
            vllm_kl = _loss.masked_mean(rollout_log_probs - old_log_probs, mask, dim=None)
        losses, stats = token_losses(
            log_probs, old_log_probs, advantages.expand_as(log_probs), mask, objective=self.objective, token_weights=weights
        )
        loss = _loss.aggregate_loss(
            losses,
            mask,
            token_level_loss=self.token_level_loss,
            dp_size=dp_size,
            batch_num_tokens=batch_num_tokens,
            global_batch_size=global_batch_size,
        )
        clipped = stats.get("clip/low", 0.0) + stats.get("clip/high", 0.0)
        return loss, loss.new_tensor(clipped), loss.new_tensor(stats.get("kl/k1", 0.0)), vllm_kl


def install() -> None:
    """Puts `PolicyLoss` where OpenRLHF's trainer looks for it."""
    import openrlhf.models

    openrlhf.models.PolicyLoss = PolicyLoss
