"""`surefoot.trl.GRPOTrainer` in real runs of TRL on the CPU."""

import math
import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("trl", reason="trl is not installed")

import tiny
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

import surefoot.trl
from surefoot.rewards import OverlongReward, accuracy_reward


def config(folder, **changes):
    settings = {
        "output_dir": str(folder),
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 1,
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 2,
        "steps_per_generation": 4,
        "num_generations": 8,
        "num_iterations": 2,
        "max_completion_length": 4,
        "max_steps": 8,
        "learning_rate": 3e-3,
        "lr_scheduler_type": "constant",
        "seed": 5,
    }
    return GRPOConfig(**{**settings, **changes})


def some_digits(completions, **_):
    """A reward that any model gets some of: the share of 1s, and length."""
    return [text.count("1") + 0.1 * len(text) for text in completions]


def run(trainer, arguments, rows=64, rewards=some_digits, model=None, **kwargs):
    built = trainer(
        model=model or tiny.model(),
        args=arguments,
        reward_funcs=rewards,
        train_dataset=Dataset.from_list(tiny.problems(rows)),
        processing_class=tiny.tokenizer(),
        **kwargs,
    )
    built.train()
    return [line for line in built.state.log_history if "loss" in line], built


def same_steps(own, ours):
    """Losses and gradients of every step, and that there was something to compare."""
    assert len(own) == len(ours) >= 8
    for left, right in zip(own, ours, strict=True):
        assert left.keys() <= right.keys() | {"clip_ratio/low_min", "clip_ratio/high_max"}
        for name in left.keys() & {"loss", "grad_norm", "reward", "entropy", "kl", "policy_loss"}:
            assert right[name] == pytest.approx(left[name], rel=2e-3, abs=3e-5), (name, left, right)
    assert any(abs(line["loss"]) > 1e-3 for line in own) and all(line["grad_norm"] > 0 for line in own)


@pytest.mark.parametrize(
    ("loss_type", "loss", "changes", "options"),
    [
        ("grpo", "grpo", {}, {}),
        ("dapo", "dapo", {"epsilon_high": 0.28}, {}),
        ("dr_grpo", "dr_grpo", {"scale_rewards": "none"}, {}),
        ("grpo", "grpo", {"beta": 0.1, "entropy_coef": 0.01, "top_entropy_quantile": 0.7}, {}),
        ("sapo", "sapo", {"mask_truncated_completions": True}, {}),
        ("grpo", "ppo_dual_clip", {"delta": 1.5}, {"dual_clip": 1.5}),
    ],
)
def test_losses_of_trl_step_by_step(tmp_path, loss_type, loss, changes, options):
    """The same run twice, once with TRL's loss and once with surefoot's: samples, losses, gradients and weights agree."""
    # a reference model is loaded from a folder
    tiny.model().save_pretrained(tmp_path / "model")
    model = str(tmp_path / "model")
    own, trl_run = run(GRPOTrainer, config(tmp_path, loss_type=loss_type, **changes), model=model)
    ours_changes = {name: value for name, value in changes.items() if name not in ("epsilon_high", "delta")}
    ours, our_run = run(
        surefoot.trl.GRPOTrainer, config(tmp_path, **ours_changes), model=model, loss=loss, loss_options=options
    )
    same_steps(own, ours)
    if loss_type != "sapo":
        assert any(line["clip_ratio/region_mean"] > 0 for line in own)
        for left, right in zip(own, ours, strict=True):
            # a token at the bound may fall on either side of it
            assert right["clip_ratio/region_mean"] == pytest.approx(left["clip_ratio/region_mean"], abs=0.02)
    for left, right in zip(trl_run.model.parameters(), our_run.model.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("loss", [key for key in surefoot.objectives() if key not in ("rloo", "reinforce_plus_plus")])
def test_every_objective_runs(tmp_path, loss):
    arguments = config(tmp_path, max_steps=1, scale_rewards="none" if loss == "dr_grpo" else "group")
    lines, trainer = run(surefoot.trl.GRPOTrainer, arguments, loss=loss)
    assert len(lines) == 1
    # what loggers are told
    assert trainer.args.loss_type == f"surefoot_{loss}" and arguments.loss_type == "dapo"
    for line in lines:
        assert line["grad_norm"] > 0 and line["surefoot/ratio/mean"] > 0


def test_a_tiny_model_learns_with_mhpo(tmp_path):
    """From about one sum in three to most of them, by surefoot's objective and verifier."""
    arguments = config(
        tmp_path,
        per_device_train_batch_size=64,
        gradient_accumulation_steps=1,
        steps_per_generation=2,
        num_iterations=1,
        max_steps=80,
        learning_rate=2e-3,
        max_completion_length=3,
    )
    rewards = [accuracy_reward, OverlongReward(4, 2)]
    lines, trained = run(
        surefoot.trl.GRPOTrainer, arguments, rows=2000, rewards=rewards, model=tiny.warm_model(0.3), loss="mhpo"
    )
    share = [line["rewards/accuracy_reward/mean"] for line in lines if "reward" in line]
    before, after = sum(share[:3]) / 3, sum(share[-3:]) / 3
    assert 0.15 < before < 0.6 and after > before + 0.2, share
    assert "surefoot/mhpo/survival_mean" in lines[-1] and trained.objective.name == "mhpo"


@pytest.mark.parametrize(
    ("changes", "loss", "options", "text"),
    [
        ({"epsilon": 0.3}, "mhpo", {}, "args.epsilon is 0.3 and has no effect on loss='mhpo'"),
        ({"epsilon_high": 0.28}, "mhpo", {}, "give clip_low, clip_high or dual_clip in loss_options"),
        ({"importance_sampling_level": "sequence"}, "mhpo", {}, 'loss="gspo"'),
        (
            {"loss_type": "grpo"},
            "mhpo",
            {},
            "args.loss_type is 'grpo' and has no effect on loss='mhpo'; name the objective",
        ),
        ({"sapo_temperature_pos": 2.0}, "sapo", {}, "give temperature_positive in loss_options"),
        ({"sapo_temperature_neg": 2.0}, "sapo", {}, "give temperature_negative in loss_options"),
        ({"vespo_k_pos": 1.0}, "mhpo", {}, "args.vespo_k_pos is 1.0 and has no effect"),
        ({"vespo_lambda_neg": 1.0}, "mhpo", {}, "VESPO is TRL's own: use trl.GRPOTrainer"),
        ({}, "mpho", {}, "there is no objective `mpho`"),
        ({}, "mhpo", {"bonud": 1}, "did you mean `bound`?"),
        ({}, "rloo", {}, "loss='rloo' would be loss='grpo': its advantages are what differs"),
        ({}, "reinforce_plus_plus", {}, "loss='reinforce_plus_plus' would be loss='grpo'"),
        ({}, "dr_grpo", {}, "args.scale_rewards is 'group', and loss='dr_grpo' has no deviation"),
        ({"scale_rewards": "batch"}, "dr_grpo", {}, 'set scale_rewards="none"'),
        (
            {"scale_rewards": "none", "multi_objective_aggregation": "normalize_then_sum"},
            "dr_grpo",
            {},
            'set multi_objective_aggregation="sum_then_normalize"',
        ),
        (
            {},
            "mhpo",
            {"reference_coefficient": 0.1},
            "loss_options['reference_coefficient'] has no effect; give args.beta",
        ),
        ({}, "cpgd", {"epoch_weight": "truncated"}, "loss_options['epoch_weight'] has no effect"),
    ],
)
def test_options_that_would_have_no_effect_are_refused_before_a_model_is_loaded(tmp_path, changes, loss, options, text):
    arguments = config(tmp_path, **changes)
    build = surefoot.trl.GRPOTrainer
    for given, keywords in [((), {"args": arguments}), ((some_digits, arguments), {})]:
        with pytest.raises(ValueError) as caught:
            build(str(tmp_path / "no model"), *given, loss=loss, loss_options=options, **keywords)
        assert text in str(caught.value)


def test_the_length_is_trls_unless_it_is_given(tmp_path):
    for options, length in [({}, 4), ({"aggregation_length": 7}, 7)]:
        options["aggregation"] = "seq-mean-token-sum-norm"
        _, trainer = run(surefoot.trl.GRPOTrainer, config(tmp_path, max_steps=1), loss_options=options)
        assert trainer.objective.options["aggregation_length"] == length and trainer.loss_type == "dr_grpo"


class Forgetful(surefoot.trl.GRPOTrainer):
    """Its samples' first tokens were next to impossible: ratios of exp(90) and more, which float32 does not hold."""

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        output["old_per_token_logps"][:, 0] = -95.0
        return output


def test_a_ratio_that_overflows_spoils_nothing(tmp_path):
    """MHPO's gradient is bounded, and TRL's own policy term must not come back as 0 times infinity."""
    lines, _ = run(Forgetful, config(tmp_path, max_steps=2), loss="mhpo")
    assert all(line["grad_norm"] > 0 and math.isfinite(line["grad_norm"]) for line in lines), lines
    assert all(line["surefoot/ratio/max"] > 1e37 for line in lines), lines


def test_evaluation_uses_its_own_counts(tmp_path):
    arguments = config(tmp_path, max_steps=2, eval_strategy="steps", eval_steps=1, per_device_eval_batch_size=16)
    trainer = surefoot.trl.GRPOTrainer(
        model=tiny.model(),
        args=arguments,
        reward_funcs=some_digits,
        train_dataset=Dataset.from_list(tiny.problems(32)),
        eval_dataset=Dataset.from_list(tiny.problems(4, seed=9)),
        processing_class=tiny.tokenizer(),
        loss="cpgd",
    )
    trainer.train()
    losses = [line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line]
    assert len(losses) == 2 and trainer._counts["eval"] != trainer._counts["train"]
