"""prime-rl's custom loss from surefoot, in the trainer's configuration:

    [trainer.loss]
    type = "custom"
    import_path = "surefoot.prime_rl.loss"
    kwargs = { objective = "mhpo", bound = 1.5 }

prime-rl divides the sum of token losses by the global number of tokens, so every objective is averaged over tokens here.
"""

from typing import TYPE_CHECKING, Any

import torch

import surefoot
from surefoot.torch import policy_loss

if TYPE_CHECKING:
    from prime_rl.trainer.rl.loss import LossInputs, LossOutputs

__all__ = ["loss"]


def loss(inputs: "LossInputs", objective: str = "mhpo", **options: Any) -> "LossOutputs":
    """The sum of the token losses of one sample; the sampler's log-probabilities are `logp_old`."""
    from prime_rl.trainer.rl.loss import LossOutputs

    logp = inputs.trainer_logprobs
    value, stats = policy_loss(
        logp,
        inputs.inference_logprobs,
        inputs.advantages,
        inputs.loss_mask,
        objective=surefoot.Objective(objective, **{**options, "aggregation": "token-mean"}),
        offsets=torch.tensor([0, logp.numel()]),
        token_weights=inputs.loss_weights,
        counts=surefoot.Counts(1, 1),
    )
    metrics = {f"surefoot/{name}": torch.tensor(number, device=logp.device) for name, number in stats.items()}
    return LossOutputs(loss=value, metrics=metrics)
