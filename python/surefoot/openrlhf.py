"""OpenRLHF's policy loss from surefoot.

OpenRLHF has no hook for a loss; Ray runs `install` in every worker before OpenRLHF builds its actor:

    ray job submit --runtime-env-json '{"worker_process_setup_hook": "surefoot.openrlhf.install",
        "env_vars": {"SUREFOOT_OBJECTIVE": "mhpo,bound=1.5"}}' -- python3 -m openrlhf.cli.train_ppo_ray ...

Averaging, its global counts and the corrections for vLLM stay OpenRLHF's.
"""

import importlib
from typing import Any

import torch
from openrlhf.models import loss as _loss

from surefoot.environment import VARIABLE, objective_from_environment
from surefoot.torch import token_losses

__all__ = ["PolicyLoss", "install"]


class PolicyLoss(_loss.PolicyLoss):
    """OpenRLHF's `PolicyLoss` with the objective that `SUREFOOT_OBJECTIVE` names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.objective = objective_from_environment()
        if self.policy_loss_type != "ppo":
            raise ValueError(
                f"policy_loss_type is {self.policy_loss_type!r}; leave it at 'ppo' and name the objective in {VARIABLE}"
            )

    def forward(
        self,
        log_probs: torch.Tensor,
        old_log_probs: torch.Tensor,
        advantages: torch.Tensor,
        action_mask: torch.Tensor | None = None,
        rollout_log_probs: torch.Tensor | None = None,
        **counts: Any,
    ) -> tuple[Any, ...]:
        """As OpenRLHF's: the loss, the share of clipped tokens, k1 of the divergence, and what it says of its corrections."""
        mask = torch.ones_like(log_probs) if action_mask is None else action_mask
        old = old_log_probs.detach()
        weights, rest = self._correction(old, mask, rollout_log_probs)
        losses, stats = token_losses(
            log_probs, old, advantages.expand_as(log_probs), mask, objective=self.objective, token_weights=weights
        )
        loss = _loss.aggregate_loss(losses, mask, token_level_loss=self.token_level_loss, **counts)
        clipped = stats.get("clip/low", 0.0) + stats.get("clip/high", 0.0)
        return loss, loss.new_tensor(clipped), loss.new_tensor(stats.get("kl/k1", 0.0)), *rest

    def _correction(
        self, old: torch.Tensor, mask: torch.Tensor, rollout: torch.Tensor | None
    ) -> tuple[torch.Tensor, tuple[Any, ...]]:
        """What OpenRLHF multiplies a token's loss by: its loss at ratio 1 and advantage -1."""
        captured: list[torch.Tensor] = []
        own = _loss.aggregate_loss

        def capture(losses: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            captured.append(losses)
            return losses.sum()

        _loss.aggregate_loss = capture
        try:
            rest = super().forward(old, old, torch.full_like(old, -1.0), mask, rollout)[3:]
        finally:
            _loss.aggregate_loss = own
        return captured[0].detach(), rest


def install() -> None:
    """Puts `PolicyLoss` where OpenRLHF's trainer looks for it."""
    importlib.import_module("openrlhf.models").PolicyLoss = PolicyLoss
