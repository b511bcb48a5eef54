"""verl's policy losses, advantage estimators and reward function from surefoot.

Importing this module in every process of verl registers them: set `VERL_USE_EXTERNAL_MODULES=surefoot.verl`. Installed beside verl,
the package is also found as a plugin (entry point `verl.plugins`).

    actor_rollout_ref.actor.policy_loss.loss_mode=surefoot_mhpo
    actor_rollout_ref.actor.policy_loss._target_=surefoot.verl.PolicyLossConfig
    +actor_rollout_ref.actor.policy_loss.options.bound=1.5
    algorithm.adv_estimator=surefoot_grpo
    reward.custom_reward_function.path=pkg://surefoot.verl

verl's names stay what they are: `loss_agg_mode` and the global counts of the mini-batch decide how tokens are averaged, `rollout_is_weights`
multiply each token's term, and the KL and entropy terms are verl's own.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

import numpy as np
import torch
from verl.trainer.config import AlgoConfig
from verl.trainer.ppo.core_algos import register_adv_est, register_policy_loss
from verl.workers.config import ActorConfig
from verl.workers.config.actor import PolicyLossConfig as VerlPolicyLossConfig

import surefoot
from surefoot.rewards import judge
from surefoot.torch import policy_loss

__all__ = ["AlgorithmConfig", "PolicyLossConfig", "compute_score"]

#: What registered names begin with.
PREFIX = "surefoot_"
#: Advantages that differ within a sequence where its tokens' rewards do, as with `use_kl_in_reward`.
BY_TOKEN = ("reinforce_plus_plus", "rloo_normalized")
#: The end of the names of advantages that carry the weights of prompt-mean-token-mean.
BY_PROMPT = "_prompt_mean"
#: Options of objectives that verl decides otherwise: the value that leaves it to verl (none), and what to set instead.
VERLS = {
    "aggregation": (None, "give actor.loss_agg_mode"),
    "aggregation_length": (None, "give actor.loss_scale_factor"),
    "reference_coefficient": (0.0, "give actor.use_kl_loss=true and actor.kl_loss_coef"),
    "epoch_weight": ("off", "verl has no log-probabilities of the epoch's start; leave it off"),
}
#: Settings of the actor for verl's own losses, with verl's default.
OF_OTHER_LOSSES = (
    ("clip_ratio", 0.2, "clip_low and clip_high"),
    ("clip_ratio_low", 0.2, "clip_low"),
    ("clip_ratio_high", 0.2, "clip_high"),
    ("clip_ratio_c", 3.0, "dual_clip (of ppo_dual_clip)"),
    ("tau_pos", 1.0, "temperature_positive (of sapo)"),
    ("tau_neg", 1.05, "temperature_negative (of sapo)"),
)


@dataclass
class PolicyLossConfig(VerlPolicyLossConfig):
    """verl's policy-loss section with the objective's options; name it by `policy_loss._target_`.

    verl builds it before it loads a model. ValueError names what is wrong with the options, and settings that nothing would read.
    """

    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.loss_mode.startswith(PREFIX):
            surefoot.Objective(self.loss_mode.removeprefix(PREFIX), **_objective_options(self, self.loss_mode))
        elif self.options:
            bypass = "set algorithm.rollout_correction.bypass_mode=false, which decides this loss, or "
            raise ValueError(
                f"policy_loss.loss_mode is {self.loss_mode!r}, which reads no policy_loss.options; "
                f"{bypass if self.loss_mode == 'bypass_mode' else ''}name an objective, as {PREFIX}mhpo, or leave the options out"
            )


@dataclass
class AlgorithmConfig(AlgoConfig):
    """verl's algorithm section with the advantage estimator's options; name it by `algorithm._target_`."""

    advantage_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.adv_estimator.startswith(PREFIX):
            _estimator(self.adv_estimator.removeprefix(PREFIX).removesuffix(BY_PROMPT), self)
        elif self.advantage_options:
            raise ValueError(
                f"algorithm.adv_estimator is {self.adv_estimator!r}, which reads no algorithm.advantage_options; name an estimator, "
                f"as {PREFIX}grpo, or leave the options out"
            )


def _aggregation(mode: str, columns: int, scale_factor: float | None) -> tuple[dict[str, Any], bool]:
    """surefoot's aggregation for a mode of verl, and whether it divides by the number of sequences."""
    length = {"aggregation": "seq-mean-token-sum-norm", "aggregation_length": 1.0}
    match mode:
        case "token-mean" | "seq-mean-token-mean":
            return {"aggregation": mode}, True
        case "token-sum":
            return length, False
        case "seq-mean-token-sum":
            return length, True
        case "seq-mean-token-sum-norm":
            return {**length, "aggregation_length": float(columns if scale_factor is None else scale_factor)}, True
    raise ValueError(f"loss_agg_mode is {mode!r}, which surefoot does not know")


def _counts(mask: torch.Tensor, info: Mapping[str, Any], divides: bool) -> surefoot.Counts:
    """The counts that verl gives of the whole mini-batch, or those of this mask."""
    tokens, sequences = info.get("batch_num_tokens"), info.get("global_batch_size")
    if int(info.get("dp_size", 1)) > 1 and (tokens is None or sequences is None):
        raise ValueError("batch_num_tokens and global_batch_size are required when dp_size > 1")
    local = surefoot.Counts.of(mask.cpu().numpy()) if tokens is None or sequences is None else surefoot.Counts()
    return surefoot.Counts(
        max(1, int(local.tokens if tokens is None else tokens)),
        max(1, int(local.sequences if sequences is None else sequences)) if divides else 1,
    )


def _objective_options(section: Mapping[str, Any], loss_mode: str) -> dict[str, Any]:
    """The objective's options from the policy-loss section, in which nothing may be set that has no effect."""
    options = dict(section.get("options") or {})
    for name, (neutral, instead) in VERLS.items():
        if name in options and options[name] != neutral:
            raise ValueError(f"policy_loss.options.{name} has no effect; {instead}")
    for entry in fields(VerlPolicyLossConfig):
        default = entry.default if entry.default_factory is MISSING else entry.default_factory()
        given = section.get(entry.name, default)
        if entry.name not in ("_target_", "loss_mode") and given != default:
            raise ValueError(
                f"policy_loss.{entry.name} is {given} and has no effect on {loss_mode}; leave it at {default}"
            )
    return options


def _options(config: ActorConfig, key: str) -> dict[str, Any]:
    """The objective's options; those of verl's own losses are refused where they differ from verl's defaults."""
    for name, default, ours in OF_OTHER_LOSSES:
        if config.get(name) not in (None, default):
            raise ValueError(
                f"actor.{name} is {config.get(name)} and has no effect on {PREFIX}{key}; leave it at {default}, and give {ours} in "
                "policy_loss.options if the objective is to differ from its paper's"
            )
    return _objective_options(config.policy_loss, PREFIX + key)


def _register_objective(key: str) -> None:
    @register_policy_loss(PREFIX + key)
    def loss(
        old_log_prob: torch.Tensor,
        log_prob: torch.Tensor,
        advantages: torch.Tensor,
        response_mask: torch.Tensor,
        loss_agg_mode: str = "token-mean",
        config: ActorConfig | None = None,
        rollout_is_weights: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        if config is None:
            raise ValueError(f"{PREFIX}{key} needs the actor's configuration")
        info = config.global_batch_info
        aggregation, divides = _aggregation(loss_agg_mode, response_mask.shape[-1], info.get("loss_scale_factor"))
        value, stats = policy_loss(
            log_prob,
            old_log_prob,
            advantages,
            response_mask,
            objective=surefoot.Objective(key, **{**_options(config, key), **aggregation}),
            token_weights=rollout_is_weights,
            counts=_counts(response_mask, info, divides),
            scale=float(info.get("dp_size", 1)),
        )
        return value, _metrics(stats)


def _metrics(stats: dict[str, float]) -> dict[str, float]:
    """surefoot's statistics, and under verl's names what verl's own losses report."""
    metrics = {f"surefoot/{name}": value for name, value in stats.items()}
    if stats:
        metrics["actor/ppo_kl"] = stats["kl/k1"]
    if "clip/low" in stats:
        metrics["actor/pg_clipfrac"] = stats["clip/low"] + stats["clip/high"]
        metrics["actor/pg_clipfrac_lower"] = stats["clip/dual"]
    return metrics


def _estimator(key: str, config: Mapping[str, Any] | None) -> surefoot.AdvantageEstimator:
    """The estimator with the options of the algorithm's section, which is no object of a class in verl's trainer."""
    config = {} if config is None else config
    options = dict(config.get("advantage_options") or {})
    if key == "grpo" and not config.get("norm_adv_by_std_in_grpo", True):
        if "std" in options:
            raise ValueError(
                "algorithm.advantage_options.std has no effect where algorithm.norm_adv_by_std_in_grpo is false; leave one of them out"
            )
        key = "dr_grpo"
    if key == "grpo_passk" and not config.get("norm_adv_by_std_in_grpo", True):
        raise ValueError(
            f"algorithm.norm_adv_by_std_in_grpo is false, and {PREFIX}grpo_passk divides by the deviation; leave it at true"
        )
    return surefoot.AdvantageEstimator(key, **options)


def _register_advantage(key: str, by_prompt: bool) -> None:
    @register_adv_est(PREFIX + key + (BY_PROMPT if by_prompt else ""))
    def advantage(
        token_level_rewards: torch.Tensor,
        response_mask: torch.Tensor,
        index: np.ndarray | None = None,
        config: AlgoConfig | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if index is None:
            raise ValueError(f"{PREFIX}{key} needs the prompts' ids (uid) of the batch")
        estimator = _estimator(key, config)
        mask = response_mask.bool().cpu().numpy()
        groups = np.unique(np.asarray(index).astype(str), return_inverse=True)[1]
        rewards = token_level_rewards.float().cpu().numpy()
        if key in BY_TOKEN:
            gamma = 1.0 if config is None else config.get("gamma", 1.0)
            if gamma != 1.0:
                raise ValueError(f"algorithm.gamma is {gamma}; {PREFIX}{key} does not discount, leave it at 1.0")
            # The return of a token is the sum of the rewards from there on: what the sequence earns in the end, less the
            # penalties on the way.
            credited, last = _credited(rewards, mask), _last(mask)
            earned = np.where(mask.any(1), (credited * last).sum(1), rewards.sum(1))
            values = estimator.compute(earned, groups, mask=mask, penalties=-credited * (mask & ~last))
        else:
            values = estimator.compute(rewards.sum(1), groups, mask=mask)
        if values.ndim == 1:
            values = values[:, None] * mask
        if by_prompt:
            values = values * _prompt_weights(mask, groups)[:, None]
        advantages = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(token_level_rewards.device)
        return advantages, advantages


def _credited(rewards: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The rewards, those of untrained tokens at the trained token before them: verl puts the score at the last token of the
    response, which a tool may have written. What precedes all trained tokens is in no token's return."""
    before = np.maximum.accumulate(np.where(mask, np.arange(mask.shape[1]), -1), axis=1)
    rows, columns = np.nonzero(before >= 0)
    credited = np.zeros_like(rewards)
    np.add.at(credited, (rows, before[rows, columns]), rewards[rows, columns])
    return credited


def _last(mask: np.ndarray) -> np.ndarray:
    """Whether a token is the last of its row that the mask has."""
    return mask & (np.cumsum(mask[:, ::-1], axis=1)[:, ::-1] == 1)


def _prompt_weights(mask: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """For each sequence `T/(P·T_g)`: with it the mean over the T tokens of the batch is the mean over its P prompts of
    the mean over a prompt's T_g tokens (CPGD eq. 2, DGPO eq. 10)."""
    lengths = mask.sum(1)
    by_group = np.bincount(groups, weights=lengths)
    prompts = np.count_nonzero(by_group)
    return lengths.sum() / (prompts * np.maximum(by_group, 1))[groups]


for _key in surefoot.objectives():
    _register_objective(_key)
for _key in surefoot.advantage_estimators():
    if _key == "gdpo":
        continue  # verl hands the parts of a reward to its own `gdpo` alone
    _register_advantage(_key, by_prompt=False)
    _register_advantage(_key, by_prompt=True)

#: No deadline: a score must not depend on how busy the machine is. The limit of steps ends every comparison.
_VERIFIER = surefoot.Verifier(deadline_ms=None)


def compute_score(
    data_source: str, solution_str: str, ground_truth: Any, extra_info: Any = None, **_: Any
) -> dict[str, Any]:
    """verl's custom reward function: 1 for a correct answer, else 0, with the verdict beside it.

    `ground_truth` may be a list of alternatives. verl has no reward that says "cannot judge": such a sample, also one whose ground
    truth is missing, gets 0, and `judged` is False, which verl averages over each data source in validation.
    """
    (report,) = judge(_VERIFIER, [ground_truth], [solution_str])
    correct = bool(report)
    return {"score": float(correct), "acc": correct, "judged": report.judged, "pred": report.answer}
