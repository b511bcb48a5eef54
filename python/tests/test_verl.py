"""`surefoot.verl` with the real verl: registries, losses against the Rust binary and verl's own, an actor's update."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("verl", reason="verl is not installed")

import torch
from omegaconf import OmegaConf
from verl.trainer.ppo import core_algos
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.config import FSDPActorConfig

import surefoot
import surefoot.verl

HERE = Path(__file__).resolve().parent
MODES = ["token-mean", "token-sum", "seq-mean-token-sum", "seq-mean-token-mean", "seq-mean-token-sum-norm"]


def actor(loss_mode, options=None, info=None, **changes):
    config = FSDPActorConfig(
        strategy="fsdp",
        rollout_n=4,
        ppo_mini_batch_size=6,
        ppo_micro_batch_size_per_gpu=6,
        policy_loss=surefoot.verl.PolicyLossConfig(loss_mode=loss_mode, options=options or {}),
        **changes,
    )
    config.global_batch_info.update(info or {})
    return config


def batch(rows=6, columns=9):
    draw = torch.Generator().manual_seed(1)
    logp = -2 * torch.rand(rows, columns, generator=draw) - 0.1
    old = logp + 0.5 * torch.randn(rows, columns, generator=draw)
    advantages = torch.randn(rows, 1, generator=draw).expand(rows, columns)
    mask = torch.rand(rows, columns, generator=draw) < 0.7
    weights = torch.rand(rows, columns, generator=draw) * 2
    return logp, old, advantages, mask, weights


def evaluate(loss_mode, config, mode, weights=None):
    logp, old, advantages, mask, _ = batch()
    leaf = logp.clone().requires_grad_()
    loss, metrics = core_algos.get_policy_loss_fn(loss_mode)(
        old_log_prob=old,
        log_prob=leaf,
        advantages=advantages,
        response_mask=mask,
        loss_agg_mode=mode,
        config=config,
        rollout_is_weights=weights,
    )
    loss.backward()
    return loss.item(), leaf.grad, metrics


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "info",
    [
        {},
        {"dp_size": 4, "batch_num_tokens": 170, "global_batch_size": 24, "loss_scale_factor": None},
        {"dp_size": 1, "batch_num_tokens": torch.tensor(80), "global_batch_size": 11, "loss_scale_factor": 32},
    ],
)
def test_averages_weights_and_metrics_as_verls_vanilla(mode, info):
    """verl's vanilla loss is PPO with a dual clip: with its options the two are one."""
    for weights in (None, batch()[4]):
        options = {"clip_low": 0.2, "clip_high": 0.2, "dual_clip": 3.0}
        ours = evaluate("surefoot_ppo_dual_clip", actor("surefoot_ppo_dual_clip", options, info), mode, weights)
        verls = evaluate("vanilla", actor("vanilla", info=info), mode, weights)
        assert ours[0] == pytest.approx(verls[0], rel=1e-5, abs=1e-7)
        torch.testing.assert_close(ours[1], verls[1], rtol=1e-5, atol=1e-8)
        for name in ("actor/ppo_kl", "actor/pg_clipfrac"):
            assert ours[2][name] == pytest.approx(verls[2][name], rel=1e-5, abs=1e-7), name
        assert "surefoot/ratio/p99" in ours[2]


def binary():
    """The `surefoot` program of this checkout."""
    given = os.environ.get("SUREFOOT_BINARY")
    folder = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target"))
    found = [
        path
        for path in (Path(given) if given else None, folder / "debug/surefoot", folder / "release/surefoot")
        if path and path.is_file()
    ]
    if not found:
        pytest.skip("there is no surefoot program; build it with cargo build, or name it in SUREFOOT_BINARY")
    return found[0]


@pytest.mark.parametrize("key", surefoot.objectives())
def test_loss_and_gradient_are_those_of_the_rust_program(key):
    logp, old, advantages, mask, _ = batch()
    rows = [
        json.dumps({"group": str(row), "logp": lp, "logp_old": op, "advantage": adv, "mask": trained})
        for row, (lp, op, adv, trained) in enumerate(
            zip(logp.tolist(), old.tolist(), advantages[:, 0].tolist(), mask.tolist(), strict=True)
        )
    ]
    for mode, aggregation in [("token-mean", "token-mean"), ("seq-mean-token-mean", "seq-mean-token-mean")]:
        command = [binary(), "objective", "eval", "--objective", key, "--set", f"aggregation={aggregation}"]
        output = subprocess.run(command, input="\n".join(rows), capture_output=True, text=True, check=True).stdout
        *lines, last = [json.loads(line) for line in output.splitlines()]
        loss, gradient, metrics = evaluate(f"surefoot_{key}", actor(f"surefoot_{key}"), mode)
        assert loss == pytest.approx(last["loss"], rel=1e-6, abs=1e-9)
        expected = np.array([line["grad_logp"] for line in lines], dtype=np.float32)
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-6, atol=1e-10)
        for name, value in last["stats"].items():
            assert metrics[f"surefoot/{name}"] == pytest.approx(value, rel=1e-6, abs=1e-9), name


def test_options_reach_the_objective_and_mistakes_are_named():
    plain = evaluate("surefoot_mhpo", actor("surefoot_mhpo"), "token-mean")
    assert evaluate("surefoot_mhpo", actor("surefoot_mhpo", {"bound": 1.5}), "token-mean")[0] == plain[0]
    assert evaluate("surefoot_mhpo", actor("surefoot_mhpo", {"bound": 0.5}), "token-mean")[0] != plain[0]
    for config, text in [
        (
            actor("surefoot_dapo", clip_ratio_high=0.28),
            "actor.clip_ratio_high is 0.28 and has no effect on surefoot_dapo",
        ),
        (actor("surefoot_sapo", tau_pos=2.0), "actor.tau_pos is 2.0 and has no effect on surefoot_sapo"),
        (actor("surefoot_sapo", tau_neg=2.0), "give temperature_negative (of sapo) in policy_loss.options"),
        (actor("surefoot_mhpo", info={"dp_size": 2}), "required when dp_size > 1"),
    ]:
        with pytest.raises(ValueError) as caught:
            evaluate(config.policy_loss.loss_mode, config, "token-mean")
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"options": {"bonud": 1}}, "did you mean `bound`?"),
        ({"loss_mode": "surefoot_mpho"}, "there is no objective `mpho` (did you mean `mhpo`?)"),
        (
            {"loss_mode": "vanilla", "options": {"bound": 1.5}},
            "loss_mode is 'vanilla', which reads no policy_loss.options",
        ),
        ({"loss_mode": "bypass_mode", "options": {"bound": 1.5}}, "set algorithm.rollout_correction.bypass_mode=false"),
        (
            {"options": {"aggregation": "token-mean"}},
            "policy_loss.options.aggregation has no effect; give actor.loss_agg_mode",
        ),
        ({"options": {"aggregation_length": 9}}, "give actor.loss_scale_factor"),
        ({"options": {"reference_coefficient": 0.1}}, "give actor.use_kl_loss=true and actor.kl_loss_coef"),
        (
            {"loss_mode": "surefoot_cpgd", "options": {"epoch_weight": "truncated"}},
            "policy_loss.options.epoch_weight has no effect",
        ),
        (
            {"clip_cov_ratio": 0.1},
            "policy_loss.clip_cov_ratio is 0.1 and has no effect on surefoot_mhpo; leave it at 0.0002",
        ),
        (
            {"rollout_correction": {"bypass_mode": True}},
            "policy_loss.rollout_correction is {'bypass_mode': True} and has no effect",
        ),
    ],
)
def test_a_section_whose_settings_would_have_no_effect_is_not_built(settings, text):
    """verl builds the section when it validates its configuration, before it loads a model."""
    section = {"_target_": "surefoot.verl.PolicyLossConfig", "loss_mode": "surefoot_mhpo", **settings}
    with pytest.raises(Exception) as caught:
        omega_conf_to_dataclass(OmegaConf.create(section))
    assert text in str(caught.value) and isinstance(caught.value.__cause__ or caught.value, ValueError)


def test_settings_that_change_nothing_are_taken():
    options = {"reference_coefficient": 0.0, "epoch_weight": "off"}
    assert surefoot.verl.PolicyLossConfig(loss_mode="surefoot_cpgd", options=options).options == options
    assert surefoot.verl.PolicyLossConfig(loss_mode="vanilla", clip_cov_ratio=0.1).clip_cov_ratio == 0.1


def test_configuration_takes_options_through_target():
    """As verl builds it from a launch script's overrides."""
    section = OmegaConf.create(
        {
            "_target_": "surefoot.verl.PolicyLossConfig",
            "loss_mode": "surefoot_mhpo",
            "options": {"bound": 1.0, "hazard": "none"},
        }
    )
    built = omega_conf_to_dataclass(section)
    assert isinstance(built, surefoot.verl.PolicyLossConfig)
    config = FSDPActorConfig(
        strategy="fsdp", rollout_n=4, ppo_mini_batch_size=6, ppo_micro_batch_size_per_gpu=6, policy_loss=built
    )
    ours = evaluate("surefoot_mhpo", config, "token-mean")[0]
    assert ours == evaluate("surefoot_mhpo", actor("surefoot_mhpo", {"bound": 1.0, "hazard": "none"}), "token-mean")[0]


def rewards():
    scores = torch.zeros(8, 5)
    scores[:, -1] = torch.tensor([1.0, 0.0, 0.5, 0.0, 1.0, 1.0, 1.0, 0.0])
    mask = (torch.arange(5) < torch.tensor([5, 2, 3, 4, 1, 5, 2, 3])[:, None]).long()
    index = np.array(["a", "b", "a", "b", "a", "c", "c", "b"], dtype=object)
    return scores, mask, index


@pytest.mark.parametrize(
    ("ours", "verls", "options"),
    [("grpo", "grpo", {}), ("dr_grpo", "grpo", {"norm_adv_by_std_in_grpo": False}), ("rloo", "rloo", {})],
)
def test_advantages_are_verls(ours, verls, options):
    scores, mask, index = rewards()
    values, returns = core_algos.get_adv_estimator_fn(f"surefoot_{ours}")(
        token_level_rewards=scores, response_mask=mask, index=index, config=None, reward_baselines=None
    )
    expected, _ = core_algos.get_adv_estimator_fn(verls)(
        token_level_rewards=scores.clone(), response_mask=mask, index=index, **options
    )
    torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-6)
    assert returns is values


def test_prompt_weights_make_the_token_mean_a_mean_over_prompts():
    scores, mask, index = rewards()
    estimate = core_algos.get_adv_estimator_fn
    plain, _ = estimate("surefoot_grpo")(token_level_rewards=scores, response_mask=mask, index=index)
    weighted, _ = estimate("surefoot_grpo_prompt_mean")(token_level_rewards=scores, response_mask=mask, index=index)
    groups = np.unique(index.astype(str), return_inverse=True)[1]
    logp, old = -torch.rand(8, 5), -torch.rand(8, 5)
    by_prompt = surefoot.Objective("dgpo").evaluate(
        logp.numpy(), old.numpy(), plain.numpy(), mask.numpy(), groups=groups
    )
    by_token = surefoot.Objective("dgpo", aggregation="token-mean").evaluate(
        logp.numpy(), old.numpy(), weighted.numpy(), mask.numpy()
    )
    assert by_token.loss == pytest.approx(by_prompt.loss, rel=1e-5)
    np.testing.assert_allclose(by_token.grad_logp, by_prompt.grad_logp, rtol=1e-5, atol=1e-9)


def whitened(returns, mask):
    """Less their mean and divided by their deviation, over the trained tokens."""
    values = returns[mask]
    return np.where(mask, (returns - values.mean()) / (values.std(ddof=1) + 1e-6), 0.0)


def test_rewards_at_untrained_tokens_are_earned_by_the_trained_tokens_before_them():
    """verl puts the score at the last token of the response, which need not be trained: a tool may have written it."""
    mask = np.array([[1, 1, 0, 1, 0], [1, 0, 1, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=bool)
    rewards = np.array([[0, 0, 0, 0, 1.0], [0, 0.25, 0, -0.125, 0.5], [4, 0, -1, 0, 2], [0, 0, 0, 3, 0]])
    # the sum of the rewards from a token on; the last row trains nothing, but has earned 3
    returns = np.array([[1, 1, 0, 1, 0], [0.625, 0, 0.375, 0.375, 0], [0, 1, 1, 0, 0], [0] * 5])
    arguments = {"token_level_rewards": torch.tensor(rewards), "response_mask": torch.tensor(mask).long()}
    values, _ = core_algos.get_adv_estimator_fn("surefoot_reinforce_plus_plus")(
        **arguments, index=np.array(list("aaaa"))
    )
    np.testing.assert_allclose(values, whitened(returns, mask), rtol=1e-5, atol=1e-6)

    # less the return of the group's other sample at the same trained token, or what it has earned when it has ended
    others = np.array([[0.625, 0.375, 0, 0.375, 0], [1, 0, 1, 1, 0], [0, 3, 3, 0, 0], [0] * 5])
    values, _ = core_algos.get_adv_estimator_fn("surefoot_rloo_normalized")(**arguments, index=np.array(list("aabb")))
    np.testing.assert_allclose(values, whitened(returns - others, mask), rtol=1e-5, atol=1e-6)


def test_advantage_options():
    scores, mask, index = rewards()
    config = surefoot.verl.AlgorithmConfig(
        adv_estimator="surefoot_dr_grpo", advantage_options={"weight": "clip-filter"}
    )
    values, _ = core_algos.get_adv_estimator_fn("surefoot_dr_grpo")(
        token_level_rewards=scores, response_mask=mask, index=index, config=config
    )
    expected = surefoot.AdvantageEstimator("dr_grpo", weight="clip-filter").compute(
        scores.sum(1).numpy(), [0, 1, 0, 1, 0, 2, 2, 1]
    )
    np.testing.assert_allclose(values[:, 0], expected)
    for settings, text in [
        ({"adv_estimator": "grpo"}, "adv_estimator is 'grpo', which reads no algorithm.advantage_options"),
        ({"adv_estimator": "surefoot_grop"}, "did you mean `grpo`?"),
        ({"adv_estimator": "surefoot_grpo_prompt_mean"}, "did you mean `std`?"),
    ]:
        with pytest.raises(ValueError) as caught:
            surefoot.verl.AlgorithmConfig(**settings, advantage_options={"sdt": "population"})
        assert text in str(caught.value)


def test_verls_own_switch_leaves_the_deviation_out():
    """As the section reaches an estimator in verl's trainer: not built, but as OmegaConf has it."""
    scores, mask, index = rewards()
    estimate = core_algos.get_adv_estimator_fn
    arguments = {"token_level_rewards": scores, "response_mask": mask, "index": index}
    section = OmegaConf.create({"norm_adv_by_std_in_grpo": False, "gamma": 1.0})
    for name in ("surefoot_grpo", "surefoot_grpo_prompt_mean"):
        values, _ = estimate(name)(**arguments, config=section)
        expected, _ = estimate(name.replace("grpo", "dr_grpo", 1))(**arguments)
        torch.testing.assert_close(values, expected)
    verls, _ = estimate("grpo")(**arguments, norm_adv_by_std_in_grpo=False)
    torch.testing.assert_close(estimate("surefoot_grpo")(**arguments, config=section)[0], verls)
    section.advantage_options = {"std": "population"}
    with pytest.raises(
        ValueError, match="advantage_options.std has no effect where algorithm.norm_adv_by_std_in_grpo is"
    ):
        estimate("surefoot_grpo")(**arguments, config=section)


def test_compute_score_as_verl_loads_it():
    from verl.trainer.ppo.reward import get_custom_reward_fn

    config = OmegaConf.create(
        {"reward": {"custom_reward_function": {"path": "pkg://surefoot.verl", "name": "compute_score"}}}
    )
    score = get_custom_reward_fn(config)
    right = score(data_source="math", solution_str=r"so \boxed{0.5}", ground_truth="1/2", extra_info={})
    assert right == {"score": 1.0, "acc": True, "judged": True, "pred": "0.5"}
    assert score(data_source="math", solution_str="so 2", ground_truth="1/2")["score"] == 0.0
    for unknown in ("1/2 ++ (", None, float("nan"), "", "N/A", []):
        unjudged = score(data_source="math", solution_str=r"\boxed{None}", ground_truth=unknown)
        assert unjudged == {"score": 0.0, "acc": False, "judged": False, "pred": "None"}, unknown
    for several in (["5", "3"], np.array(["5", "3"])):
        assert score(data_source="math", solution_str="so 3", ground_truth=several)["score"] == 1.0
        assert score(data_source="math", solution_str="so 4", ground_truth=several)["judged"]


def environment(**more):
    paths = [str(HERE), *sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "HF_HUB_OFFLINE": "1", **more}


PROBE = """
import verl
from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY, POLICY_LOSS_REGISTRY
print(*(name for name in [*POLICY_LOSS_REGISTRY, *ADV_ESTIMATOR_REGISTRY] if name.startswith("surefoot_")))
"""


def registered(**variables):
    run = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment(**variables), capture_output=True, text=True, check=True
    )
    return run.stdout.split()


def test_the_variable_registers_everything():
    names = registered(VERL_USE_EXTERNAL_MODULES="surefoot.verl", VERL_USE_EXTERNAL_PLUGINS="none")
    estimators = [key for key in surefoot.advantage_estimators() if key != "gdpo"]  # verl's own, with its rewards
    expected = [*surefoot.objectives(), *estimators, *(f"{key}_prompt_mean" for key in estimators)]
    assert sorted(names) == sorted(f"surefoot_{key}" for key in expected)


def test_the_entry_point_registers_everything():
    try:
        metadata.distribution("surefoot")
    except metadata.PackageNotFoundError:
        pytest.skip("surefoot is on the path, but not installed: it has no entry points")
    assert "surefoot_mhpo" in registered(VERL_USE_EXTERNAL_MODULES="")


@pytest.fixture(scope="module")
def updates(tmp_path_factory):
    """Two updates of verl's own training worker with FSDP on gloo, by loss and number of ranks."""
    import tiny

    folder = tmp_path_factory.mktemp("actor")
    tiny.model().save_pretrained(folder / "model")
    tiny.tokenizer().save_pretrained(folder / "model")

    def update(loss_mode, ranks, port):
        out = folder / f"{loss_mode}-{ranks}"
        variables = environment(
            VERL_PLATFORM="cpu",
            VERL_ENGINE_DEVICE="cuda",
            VERL_USE_EXTERNAL_MODULES="verl_cpu_platform,surefoot.verl",
            WORLD_SIZE=str(ranks),
            LOCAL_WORLD_SIZE=str(ranks),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
            OPTIONS="{}",
        )
        processes = [
            subprocess.Popen(
                [sys.executable, HERE / "verl_rank.py", folder / "model", loss_mode, out],
                env={**variables, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(ranks)
        ]
        texts = [process.communicate(timeout=600)[0] for process in processes]
        assert all(process.returncode == 0 for process in processes), "\n".join(texts)[-4000:]
        results = [json.loads(Path(f"{out}.{rank}").read_text()) for rank in range(ranks)]
        join = lambda name: np.array([row for result in results for row in result[name]])
        return join("before"), join("after"), [result["metrics"] for result in results]

    return update


def test_two_ranks_make_the_update_of_one(updates, free_port):
    before, after, [alone] = updates("surefoot_mhpo", 1, free_port)
    start, end, both = updates("surefoot_mhpo", 2, free_port)
    np.testing.assert_allclose(start, before, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(end, after, rtol=1e-4, atol=1e-4)
    assert np.abs(after - before).max() > 0.05
    for step in range(2):
        assert both[0][step]["grad_norm"] == pytest.approx(alone[step]["grad_norm"], rel=1e-4)


def test_an_update_with_surefoots_ppo_is_verls(updates, free_port):
    before, after, [metrics] = updates("surefoot_ppo_dual_clip", 1, free_port)
    start, end, [verls] = updates("vanilla", 1, free_port)
    np.testing.assert_array_equal(start, before)
    np.testing.assert_allclose(end, after, rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(metrics, verls, strict=True):
        for name in ("grad_norm", "loss"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-6), name


def test_the_launch_script_is_a_configuration_of_verl():
    """verl composes its configuration from the script's overrides, and the actor's section is surefoot's."""
    script = HERE.parents[1] / "configs" / "verl" / "mhpo-qwen2.5-7b.sh"
    variables = environment(DATA="train.parquet", VALIDATION="test.parquet", PYTHON=sys.executable)
    run = subprocess.run([script, "--cfg", "job"], env=variables, capture_output=True, text=True, check=True)
    whole = OmegaConf.create(run.stdout)
    section = omega_conf_to_dataclass(whole.actor_rollout_ref.actor.policy_loss)
    assert surefoot.Objective("mhpo", **section.options) == surefoot.Objective("mhpo")
    assert section.loss_mode in core_algos.POLICY_LOSS_REGISTRY
    assert whole.algorithm.adv_estimator in core_algos.ADV_ESTIMATOR_REGISTRY
    assert (
        whole.actor_rollout_ref.actor.loss_agg_mode == "seq-mean-token-mean" and whole.data.max_response_length == 2048
    )
