#!/usr/bin/env python3
"""Golden values by the trainers' own code: TRL's and verl's functions on small batches, called, not copied.

Where a function stands by itself it is called; where it is a part of a trainer's method (TRL's advantages), that part of the
installed source is compiled and run. TRL adds 1e-4 to deviations, a constant in its source, which is replaced by surefoot's 1e-6 so
that the values can be compared to rounding. Regenerate with

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install torch numpy accelerate datasets peft trl==1.16.0
    /tmp/peers/bin/pip install --no-deps verl==0.9.1
    /tmp/peers/bin/pip install "transformers<5.11" tensordict==0.10.0 hydra-core omegaconf pandas ray torchdata codetiming dill
    /tmp/peers/bin/python golden/objectives/peers.py
"""

import ast
import inspect
import json
import random
import textwrap
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from trl.experimental.gmpo import GMPOTrainer
from trl.trainer import grpo_trainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import nanstd
from verl.trainer.ppo import core_algos

HERE = Path(__file__).parent
EPSILON = 1e-6


# --- TRL's advantages -------------------------------------------------------------------------------------------------


class Epsilon(ast.NodeTransformer):
    """Its constant in place of TRL's."""

    def visit_Constant(self, node):
        return ast.copy_location(ast.Constant(EPSILON), node) if node.value == 1e-4 else node


def trl_block():
    """From rewards to advantages: the statement of `_generate_and_score_completions` that asks how rewards are put together."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(GRPOTrainer._generate_and_score_completions)))
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and ast.unparse(node.test) == "self.multi_objective_aggregation == 'sum_then_normalize'"
    ]
    assert len(blocks) == 1, blocks
    module = Epsilon().visit(ast.Module(body=blocks, type_ignores=[]))
    return compile(ast.fix_missing_locations(module), grpo_trainer.__file__, "exec")


def trl_advantages(parts, weights, size, aggregation, scale):
    settings = SimpleNamespace(
        multi_objective_aggregation=aggregation,
        scale_rewards=scale,
        reward_weights=torch.tensor(weights, dtype=torch.float64),
        reward_funcs=[None] * len(weights),
    )
    rewards = torch.tensor(parts, dtype=torch.float64)
    names = {
        "self": settings,
        "torch": torch,
        "nanstd": nanstd,
        "rewards_per_func": rewards,
        "unscorable_mask": torch.zeros(len(parts), dtype=torch.bool),
        "num_generations": size,
        "device": torch.device("cpu"),
    }
    exec(trl_block(), names)
    return names["advantages"].tolist()


# --- advantages -------------------------------------------------------------------------------------------------------


def f32(x):
    return float(np.float32(x))


def batch(rng, prompts=4, size=3, kinds=1, one_token=False):
    count = prompts * size
    lengths = [1 if one_token else rng.randrange(1, 7) for _ in range(count)]
    parts = [[f32(rng.choice([0.0, 1.0, 0.5, -1.0, 0.7]))] + [f32(rng.random()) for _ in range(kinds - 1)] for _ in range(count)]
    parts[0][0], parts[1][0] = 1.0, 0.0
    return {
        "groups": [prompt for prompt in range(prompts) for _ in range(size)],
        "lengths": lengths,
        "parts": parts,
        "weights": [1.0, 0.5, -0.25][:kinds],
    }


def verl_inputs(b, rewards):
    longest = max(b["lengths"])
    mask = (torch.arange(longest) < torch.tensor(b["lengths"])[:, None]).to(torch.float64)
    scores = torch.zeros(len(rewards), longest, dtype=torch.float64)
    for row, (length, reward) in enumerate(zip(b["lengths"], rewards)):
        scores[row, length - 1] = reward
    return {"token_level_rewards": scores, "response_mask": mask, "index": np.array(b["groups"])}


def by_sequence(advantages):
    return advantages[0][:, 0].tolist()


def advantages():
    rng = random.Random(20260101)
    cases = []

    def add(source, estimator, options, b, values, tolerance=1e-7):
        columns = {"groups": b["groups"], "lengths": b["lengths"]}
        parts = {"parts": [x for row in b["parts"] for x in row], "weights": b["weights"]}
        cases.append(
            {"source": source, "estimator": estimator, "options": options, **columns, **parts, "advantages": values, "tolerance": tolerance}
        )

    for scale, estimator, options in [
        ("group", "grpo", {}),
        ("batch", "grpo", {"scale": "batch"}),
        ("batch", "dr_grpo", {"weight": "std", "scale": "batch"}),
        ("none", "dr_grpo", {}),
    ]:
        b = batch(rng)
        values = trl_advantages(b["parts"], b["weights"], 3, "sum_then_normalize", scale)
        add(f"TRL scale_rewards={scale}", estimator, options, b, values)
    for kinds in (1, 3):
        b = batch(rng, kinds=kinds)
        values = trl_advantages(b["parts"], b["weights"], 3, "normalize_then_sum", "group")
        add("TRL multi_objective_aggregation=normalize_then_sum", "gdpo", {}, b, values)
    for _ in range(2):
        b = batch(rng)
        rewards = [row[0] for row in b["parts"]]
        add("verl opo", "opo", {}, b, by_sequence(core_algos.compute_opo_outcome_advantage(**verl_inputs(b, rewards))))
        add(
            "verl grpo_passk",
            "grpo_passk",
            {},
            b,
            by_sequence(core_algos.compute_grpo_passk_outcome_advantage(**verl_inputs(b, rewards), config={})),
        )
    # verl normalises over tokens, in f32, and adds 1e-8 to the variance: with one token a sample that is the paper's mean over samples.
    b = batch(rng, kinds=3, one_token=True)
    keys = ["first", "second", "third"]
    inputs = verl_inputs(b, [0.0] * 12)
    values = core_algos.compute_gdpo_outcome_advantage(
        **inputs,
        config={"gdpo_reward_keys": keys, "gdpo_reward_weights": b["weights"]},
        non_tensor_batch={key: np.array([row[i] for row in b["parts"]]) for i, key in enumerate(keys)},
        batch={"prompts": torch.zeros(12, 2), "attention_mask": torch.ones(12, 3, dtype=torch.int64)},
    )
    add("verl gdpo", "gdpo", {}, b, by_sequence(values), tolerance=1e-5)
    return cases


# --- losses -----------------------------------------------------------------------------------------------------------


def token_batch(rng, sequences=5):
    grid = lambda low, high: rng.randrange(int(low * 4096), int(high * 4096)) / 4096
    lengths = [rng.randrange(1, 8) for _ in range(sequences)]
    total = sum(lengths)
    old = [grid(-4, -0.01) for _ in range(total)]
    spread = [rng.choice([0.0, 1 / 64, 1 / 4, 1.0, 2.5]) for _ in range(total)]
    # No probability above 1, and no mask but that of the padding.
    logp = [min(x + round(s * rng.uniform(-1, 1) * 4096) / 4096, -1 / 4096) for x, s in zip(old, spread)]
    return {
        "lengths": lengths,
        "logp": logp,
        "logp_old": old,
        "advantages": [rng.choice([-1, 1]) * rng.randrange(1, 32) / 16 for _ in range(sequences)],
    }


def padded(b):
    longest = max(b["lengths"])
    mask = torch.arange(longest) < torch.tensor(b["lengths"])[:, None]
    columns = []
    for name in ("logp", "logp_old"):
        column = torch.full(mask.shape, -1.0, dtype=torch.float64)
        column[mask] = torch.tensor(b[name], dtype=torch.float64)
        columns.append(column)
    return mask, columns[0].requires_grad_(), columns[1], torch.tensor(b["advantages"], dtype=torch.float64)


class Actor(SimpleNamespace):
    """What verl's losses read of the actor's configuration."""

    def get(self, key, default=None):
        return getattr(self, key, default)


def verl_loss(mode, b, low, high, cap):
    mask, logp, old, advantages = padded(b)
    actor = Actor(clip_ratio=0.2, clip_ratio_low=low, clip_ratio_high=high, clip_ratio_c=cap, global_batch_info={})
    loss, _ = core_algos.get_policy_loss_fn(mode)(
        old_log_prob=old,
        log_prob=logp,
        advantages=advantages[:, None].expand_as(old),
        response_mask=mask.to(torch.float64),
        loss_agg_mode="token-mean",
        config=actor,
    )
    loss.backward()
    return loss.item(), logp.grad[mask].tolist()


def trl_gmpo(b, low, high):
    mask, logp, old, advantages = padded(b)
    zeros = torch.zeros_like(old)
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logp, zeros, None),
        top_entropy_quantile=1.0,
        epsilon_low=low,
        epsilon_high=high,
        beta=0.0,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        accelerator=SimpleNamespace(reduce=lambda x, reduction: x, gather=lambda x: x),
        _metrics={"train": defaultdict(list)},
    )
    ids = torch.zeros(mask.shape, dtype=torch.int64)
    inputs = {
        "prompt_ids": ids,
        "prompt_mask": ids,
        "completion_ids": ids,
        "completion_mask": mask.to(torch.float64),
        "advantages": advantages,
        "old_per_token_logps": old,
    }
    loss = GMPOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()
    return loss.item(), logp.grad[mask].tolist()


def losses():
    rng = random.Random(20260202)
    cases = []

    def add(source, objective, options, aggregation, b, result):
        loss, grad = result
        cases.append(
            {"source": source, "objective": objective, "options": options, "aggregation": aggregation, **b, "loss": loss, "grad_logp": grad}
        )

    for low, high in [(0.4, 0.4), (0.1, 0.75)]:
        options = {"clip_log_low": str(low), "clip_log_high": str(high)}
        b = token_batch(rng)
        add("TRL experimental gmpo", "gmpo", options, "seq-mean-token-mean", b, trl_gmpo(b, low, high))
        b = token_batch(rng)
        add("verl geo_mean", "gmpo", options, "seq-mean-token-mean", b, verl_loss("geo_mean", b, low, high, None))
    for mode, low, high, cap in [
        ("dppo_tv", 0.15, 0.15, 20.0),
        ("dppo_tv", 0.02, 0.1, 2.0),
        ("dppo_kl", 0.05, 0.05, 20.0),
        ("dppo_kl", 0.002, 0.01, 2.0),
    ]:
        options = {"divergence_low": str(low), "divergence_high": str(high), "dual_clip": str(cap)}
        b = token_batch(rng)
        add(f"verl {mode}", mode, options, "token-mean", b, verl_loss(mode, b, low, high, cap))
    return cases


def grpo_loss(logp, old, advantages, mask, low=0.2, high=0.2):
    """The policy term that the mask multiplies, as TRL's loss type grpo has it."""
    ratio = torch.exp(logp - old)
    clipped = torch.clamp(ratio, 1 - low, 1 + high)
    return -torch.min(ratio * advantages[:, None], clipped * advantages[:, None])


def off_policy():
    """TRL's sequence mask, and a loss with it: each sequence's mean over its tokens, and the mean over all sequences."""
    rng = random.Random(20260303)
    cases = []
    for threshold, told in [(0.05, False), (0.05, True), (0.4, True)]:
        b = token_batch(rng, sequences=12)
        behavior = [x + rng.randrange(-2048, 2048) / 4096 for x in b["logp_old"]]
        if told:  # a token that the sampler could not score, in a sequence that is kept all the same
            last = max(s for s, a in enumerate(b["advantages"]) if a < 0)
            behavior[sum(b["lengths"][:last])] = float("nan")
        mask, logp, old, advantages = padded(b)
        sampled = old.clone()
        if told:
            sampled[mask] = torch.tensor(behavior, dtype=torch.float64)
        weights = mask.to(torch.float64)
        kept = GRPOTrainer.get_off_policy_mask(
            advantages=advantages[:, None],
            per_token_logps=logp,
            sampling_per_token_logps=sampled,
            mask=weights,
            off_policy_threshold=threshold,
        )
        losses = grpo_loss(logp, old, advantages, mask) * kept
        loss = ((losses * weights).sum(-1) / weights.sum(-1)).mean()
        loss.backward()
        cases.append(
            {
                "threshold": threshold,
                **b,
                "logp_behavior": [None if x != x else x for x in behavior] if told else None,
                "kept": [bool(k) for k in kept[:, 0]],
                "loss": loss.item(),
                "grad_logp": logp.grad[mask].tolist(),
            }
        )
    return cases


def write(name, value):
    text = json.dumps(value, separators=(",", ":")).replace("},{", "},\n{")
    (HERE / name).write_text(text + "\n")


if __name__ == "__main__":
    write("peers-advantages.json", advantages())
    write("peers-losses.json", losses())
    write("peers-off-policy.json", off_policy())
