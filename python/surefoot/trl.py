"""TRL's `GRPOTrainer` with an objective of surefoot as its policy loss.

    trainer = surefoot.trl.GRPOTrainer(model=..., args=GRPOConfig(...), reward_funcs=..., loss="mhpo")

Rollout, rewards, advantages, the KL penalty (`beta`), the entropy bonus, corrections for vLLM and all masks are TRL's; only
the policy term and its gradient are surefoot's.
"""

import copy
import dataclasses
from typing import Any

import torch
import trl

import surefoot
from surefoot.torch import policy_loss

__all__ = ["GRPOTrainer"]

#: TRL's loss type that averages as the aggregation does, for the terms that TRL computes. There is none by prompt.
_LOSS_TYPES = {
    "seq-mean-token-mean": "grpo",
    "token-mean": "dapo",
    "seq-mean-token-sum-norm": "dr_grpo",
    "prompt-mean-token-mean": "dapo",
}


#: Every setting of TRL with its default.
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(trl.GRPOConfig)}

_CLIP = "the objective has bounds of its own: give clip_low, clip_high or dual_clip in loss_options"
_VESPO = "VESPO is TRL's own: use trl.GRPOTrainer for it"
#: Settings of TRL's policy term, and what to set instead.
_WITHOUT_EFFECT = {
    "loss_type": "name the objective by loss=",
    "epsilon": _CLIP,
    "epsilon_high": _CLIP,
    "delta": _CLIP,
    "importance_sampling_level": 'the ratio of a sequence is controlled by loss="gspo"',
    "sapo_temperature_pos": 'with loss="sapo" give temperature_positive in loss_options',
    "sapo_temperature_neg": 'with loss="sapo" give temperature_negative in loss_options',
    "vespo_k_pos": _VESPO,
    "vespo_lambda_pos": _VESPO,
    "vespo_k_neg": _VESPO,
    "vespo_lambda_neg": _VESPO,
}
#: Objectives that are grpo but for their advantages, which are TRL's here.
_BY_ADVANTAGE = {
    "rloo": 'use trl.RLOOTrainer, or loss="grpo" with scale_rewards="none", whose advantages are (G-1)/G of it',
    "reinforce_plus_plus": "use surefoot_reinforce_plus_plus in verl, where advantages are surefoot's too",
}


class GRPOTrainer(trl.GRPOTrainer):
    """`trl.GRPOTrainer` whose policy loss is the objective `loss` with its options `loss_options`.

    Token weights come from the whole generation batch, scaled to one step of the optimizer, as TRL has it for its loss
    types grpo, dapo and dr_grpo: so `loss="grpo"` is TRL's loss type grpo, `loss="dapo"` with `epsilon_high=0.28` its dapo. The
    length of seq-mean-token-sum-norm is `max_completion_length` unless `aggregation_length` is given. Statistics are
    logged as `surefoot/…`, those of the main process' tokens. The trainer's copy of `args` names the objective as `loss_type`.

    Raises ValueError before the model is loaded for options that would have no effect, in `args` (`loss_type`, `epsilon`,
    `epsilon_high`, `delta`, `importance_sampling_level`, those of SAPO and VESPO) and in `loss_options`, and for objectives whose
    advantages TRL does not compute.
    """

    def __init__(
        self,
        *args: Any,
        loss: str = "mhpo",
        loss_options: dict[str, float | str] | None = None,
        **kwargs: Any,
    ) -> None:
        # the model, the reward functions, and then the settings
        objective = _objective(loss, loss_options or {}, kwargs.get("args", args[2] if len(args) > 2 else None))
        super().__init__(*args, **kwargs)
        self.objective = objective
        self.loss_type = _LOSS_TYPES[objective.aggregation]
        # What loggers show. The caller's own settings stay as they are.
        self.args = copy.copy(self.args)
        self.args.loss_type = f"surefoot_{loss}"
        self._counts: dict[str, surefoot.Counts] = {}
        self._forward: tuple[torch.Tensor, torch.Tensor | None] | None = None

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        mode = "train" if self.model.training else "eval"
        generations = self.num_generations if mode == "train" else self.num_generations_eval
        lengths = _trained(output).sum(1)
        first = self.accelerator.process_index * len(lengths)
        output["groups"] = (torch.arange(len(lengths), device=lengths.device) + first) // generations
        groups: dict[int, int] = {}
        everywhere = self.accelerator.gather(lengths).tolist()
        for sequence, length in enumerate(everywhere):
            if length > 0:
                groups[sequence // generations] = groups.get(sequence // generations, 0) + int(length)
        # As in TRL, a sequence that is masked as a whole is one of those that are averaged over.
        self._counts[mode] = surefoot.Counts(max(1, sum(groups.values())), len(everywhere), groups)
        return output

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        self._forward = result[0], result[1]
        return result

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        mode = "train" if self.model.training else "eval"
        rest = super()._compute_loss(model, self._without_policy_term(inputs))
        assert self._forward is not None
        (logp, entropies), self._forward = self._forward, None
        mask = _trained(inputs)
        advantages = inputs["advantages"]
        logp_old = inputs.get("old_per_token_logps")
        logp_old = logp.detach() if logp_old is None else logp_old
        # From shares of the generation batch, whose mean over the ranks is taken, to one step of the optimizer.
        scale = float(self.accelerator.num_processes)
        if mode == "train":
            scale *= self.args.steps_per_generation / self.current_gradient_accumulation_steps
        loss, stats = policy_loss(
            logp,
            logp_old,
            advantages if advantages.dim() == 1 or advantages.size(1) == 1 else advantages.expand_as(logp),
            mask,
            objective=self.objective,
            groups=inputs["groups"],
            token_weights=self._token_weights(inputs, logp, logp_old, entropies, mask),
            counts=self._counts[mode],
            scale=scale,
        )
        self._log_policy(mode, loss, stats)
        return rest + loss

    def _without_policy_term(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """With advantage 0 TRL's loss is all but its policy term."""
        rest = dict(inputs, advantages=torch.zeros_like(inputs["advantages"]))
        if self.beta == 0.0 or not self.args.use_bias_correction_kl:
            # a ratio that overflows would make the 0 a NaN
            rest.pop("old_per_token_logps", None)
        if "importance_sampling_ratio" in rest:
            rest["importance_sampling_ratio"] = torch.ones_like(rest["importance_sampling_ratio"])
        return rest

    def _token_weights(
        self, inputs: dict[str, Any], logp: torch.Tensor, logp_old: torch.Tensor, entropies: Any, mask: torch.Tensor
    ) -> torch.Tensor | None:
        """What TRL multiplies the policy term of a token by."""
        factors = []
        if self.off_policy_mask_threshold is not None:
            advantages = inputs["advantages"]
            factors.append(
                self.get_off_policy_mask(
                    advantages=advantages.unsqueeze(1) if advantages.dim() == 1 else advantages,
                    per_token_logps=logp,
                    sampling_per_token_logps=inputs.get("sampling_per_token_logps", logp_old),
                    mask=mask,
                    off_policy_threshold=self.off_policy_mask_threshold,
                )
            )
        if self.top_entropy_quantile < 1.0:
            factors.append(self.get_high_entropy_mask(entropies, mask, 1 - self.top_entropy_quantile))
        if self.use_vllm and self.vllm_importance_sampling_correction:
            factors.append(inputs["importance_sampling_ratio"])
        if not factors:
            return None
        weights = torch.ones_like(logp, requires_grad=False)
        for factor in factors:
            weights = weights * factor.detach()
        return weights

    def _log_policy(self, mode: str, loss: torch.Tensor, stats: dict[str, float]) -> None:
        metrics = self._metrics[mode]
        for name, value in stats.items():
            metrics[f"surefoot/{name}"].append(value)
        if metrics.get("policy_loss"):
            # TRL has logged its KL term here; a mean over sequences before it is divided over accumulated micro-batches.
            divided = mode == "train" and self.loss_type != "dapo"
            shown = loss.detach() * (self.current_gradient_accumulation_steps if divided else 1)
            metrics["policy_loss"][-1] += self.accelerator.gather(shown).nanmean().item()
        # TRL counted clipped tokens of its own policy term, which is 0.
        clipped = {}
        if "clip/low" in stats:
            low, high = stats["clip/low"], stats["clip/high"]
            clipped = {"clip_ratio/low_mean": low, "clip_ratio/high_mean": high, "clip_ratio/region_mean": low + high}
        for name in [name for name in metrics if name.startswith("clip_ratio/")]:
            metrics[name].pop()
            if name in clipped:
                metrics[name].append(clipped[name])
            elif not metrics[name]:
                del metrics[name]


def _objective(loss: str, options: dict[str, float | str], args: trl.GRPOConfig | None) -> surefoot.Objective:
    """The objective, where all that is set has an effect."""
    setting = lambda key: getattr(args, key, _DEFAULTS[key])
    objective = surefoot.Objective(loss, **options)
    if loss in _BY_ADVANTAGE:
        raise ValueError(
            f"loss={loss!r} would be loss='grpo': its advantages are what differs, and they are TRL's; {_BY_ADVANTAGE[loss]}"
        )
    for key, instead in _WITHOUT_EFFECT.items():
        if setting(key) != _DEFAULTS[key]:
            raise ValueError(f"args.{key} is {setting(key)!r} and has no effect on loss={loss!r}; {instead}")
    for key, needed in (("scale_rewards", "none"), ("multi_objective_aggregation", "sum_then_normalize")):
        if loss == "dr_grpo" and setting(key) != needed:
            raise ValueError(
                f"args.{key} is {setting(key)!r}, and loss='dr_grpo' has no deviation in its advantages; set {key}=\"{needed}\""
            )
    for key, neutral, instead in (
        ("reference_coefficient", 0.0, "give args.beta"),
        ("epoch_weight", "off", "TRL has no log-probabilities of the epoch's start; leave it off"),
    ):
        if objective.options.get(key, neutral) != neutral:
            raise ValueError(f"loss_options[{key!r}] has no effect; {instead}")
    if objective.aggregation == "seq-mean-token-sum-norm" and "aggregation_length" not in objective.options:
        objective = objective.with_options(aggregation_length=setting("max_completion_length"))
    return objective


def _trained(inputs: dict[str, Any]) -> torch.Tensor:
    """The mask of trained tokens."""
    mask = inputs["completion_mask"]
    return mask * inputs["tool_mask"] if "tool_mask" in inputs else mask
