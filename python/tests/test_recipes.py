"""The hooks for OpenRLHF, prime-rl and slime, on the parts of these packages that run without a GPU.

`OPENRLHF_SOURCE`, `PRIME_RL_SOURCE` and `SLIME_SOURCE` name a folder with the package where it is not installed.
"""

import importlib
import importlib.util
import inspect
import os
import sys
import types

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import surefoot
from surefoot.environment import VARIABLE, objective_from_environment, parse_objective


def batch():
    draw = torch.Generator().manual_seed(2)
    logp = -2 * torch.rand(4, 6, generator=draw) - 0.1
    old = logp + 0.4 * torch.randn(4, 6, generator=draw)
    rollout = old + 0.3 * torch.randn(4, 6, generator=draw)
    mask = torch.arange(6) < torch.tensor([6, 2, 4, 5])[:, None]
    return logp, old, rollout, torch.randn(4, 1, generator=draw).expand(4, 6), mask


def bare_package(name, source):
    """Makes modules of a package importable without its `__init__`, which may ask for a GPU's libraries."""
    folder = os.environ.get(source)
    if folder:
        sys.path.insert(0, folder)
    root, *parents = name.split(".")
    if root in sys.modules:
        return
    spec = importlib.util.find_spec(root)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{root} is not installed, and {source} does not name it")
    path = list(spec.submodule_search_locations)
    for depth in range(len(parents) + 1):
        module = types.ModuleType(".".join([root, *parents[:depth]]))
        module.__path__ = [os.path.join(folder, *parents[:depth]) for folder in path]
        sys.modules.setdefault(module.__name__, module)


def test_the_environment_names_an_objective(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert objective_from_environment() == surefoot.Objective("mhpo")
    monkeypatch.setenv(VARIABLE, "")
    assert objective_from_environment() == surefoot.Objective("mhpo")
    monkeypatch.setenv(VARIABLE, "dapo, clip_high=0.3, reference_coefficient=0.1")
    assert objective_from_environment() == surefoot.Objective("dapo", clip_high=0.3, reference_coefficient=0.1)
    monkeypatch.setenv(VARIABLE, "dapo,clip_hihg=0.3")
    with pytest.raises(ValueError, match="SUREFOOT_OBJECTIVE: objective dapo has no option `clip_hihg`"):
        objective_from_environment()
    with pytest.raises(ValueError, match="`bound` is no option"):
        parse_objective("mhpo,bound")
    with pytest.raises(ValueError, match="`bound` is there twice"):
        parse_objective("mhpo,bound=1,bound=2")


@pytest.fixture
def openrlhf(monkeypatch):
    bare_package("openrlhf.models", "OPENRLHF_SOURCE")
    if importlib.util.find_spec("deepspeed") is None:
        # imported and not used by what the tests run; gone afterwards, because others ask whether there is one
        monkeypatch.setitem(sys.modules, "deepspeed", types.ModuleType("deepspeed"))
    monkeypatch.setenv(VARIABLE, "ppo_dual_clip,dual_clip=3")
    return importlib.import_module("openrlhf.models.loss"), importlib.import_module("surefoot.openrlhf")


def corrections(loss, level, threshold):
    """Its options for a correction by token or by sequence."""
    if "is_correction_level" in inspect.signature(loss).parameters:
        return {"is_correction_level": level, "is_correction_threshold": threshold}
    # 0.11.0
    return {
        "enable_vllm_is_correction": True,
        "vllm_is_correction_type": {"token": "tis", "seq": "seq-mask-tis"}[level],
        "vllm_is_truncated_threshold": threshold,
    }


@pytest.mark.parametrize("token_level", [True, False])
@pytest.mark.parametrize("correction", ["off", "token", "seq"])
def test_openrlhf(openrlhf, token_level, correction):
    """OpenRLHF's PPO with a dual clip, whatever it averages over and corrects for."""
    theirs, ours = openrlhf
    options = {"dual_clip": 3.0, "token_level_loss": token_level}
    if correction != "off":
        options |= corrections(theirs.PolicyLoss, correction, [0.8, 1.5])
    logp, old, rollout, advantages, mask = batch()
    results = []
    for module in (theirs, ours):
        leaf = logp.clone().requires_grad_()
        result = module.PolicyLoss(**options)(
            leaf, old, advantages, mask, rollout, dp_size=2, batch_num_tokens=40.0, global_batch_size=9.0
        )
        result[0].backward()
        results.append((result, leaf.grad))
    (expected, gradient), (found, our_gradient) = results
    torch.testing.assert_close(our_gradient, gradient, rtol=1e-5, atol=1e-8)
    assert len(found) == len(expected)
    names = ["loss", "clipped", "kl", "vllm_kl", "filtered"]  # 0.11.0 has no last one
    for name, left, right in zip(names[: len(found)], expected, found, strict=True):
        if left is None:
            assert right is None
        elif name != "clipped":  # OpenRLHF does not count what the dual clip cuts
            assert right.item() == pytest.approx(left.item(), rel=1e-5, abs=1e-7), name
    assert theirs.aggregate_loss.__name__ == "aggregate_loss"


def test_openrlhf_is_patched_where_it_looks(openrlhf):
    openrlhf[1].install()
    assert sys.modules["openrlhf.models"].PolicyLoss is openrlhf[1].PolicyLoss
    with pytest.raises(ValueError, match="leave it at 'ppo'"):
        openrlhf[1].PolicyLoss(policy_loss_type="gspo")


def test_prime_rl():
    bare_package("prime_rl.trainer.rl", "PRIME_RL_SOURCE")
    try:
        theirs = importlib.import_module("prime_rl.trainer.rl.loss")
    except ImportError as missing:
        pytest.skip(f"prime_rl.trainer.rl.loss cannot be imported: {missing}")
    config = importlib.import_module("prime_rl.configs.trainer").CustomLossConfig(
        import_path="surefoot.prime_rl.loss", kwargs={"objective": "mhpo", "bound": 1.0}
    )
    logp, old, _, advantages, mask = batch()
    logp.requires_grad_()
    loss, metrics = theirs.compute_loss(
        list(logp),
        list(old),
        None,
        list(advantages),
        list(mask),
        None,
        None,
        None,
        theirs.setup_rl_loss_fn(config),
        17,
        1,
        1,
    )
    loss.backward()
    objective = surefoot.Objective("mhpo", bound=1.0, aggregation="token-mean")
    expected = objective.evaluate(
        logp.detach().numpy(), old.numpy(), advantages[:, 0].numpy(), mask.numpy(), counts=surefoot.Counts(17, 1)
    )
    assert loss.item() == pytest.approx(expected.loss, rel=1e-5)
    torch.testing.assert_close(logp.grad, torch.from_numpy(expected.grad_logp), rtol=1e-5, atol=1e-9)
    assert any("surefoot/ratio/mean" in name for name in metrics)


def test_slime(monkeypatch):
    bare_package("slime.utils", "SLIME_SOURCE")
    try:
        theirs = importlib.import_module("slime.utils.ppo_utils")
    except ImportError as missing:
        pytest.skip(f"slime.utils.ppo_utils cannot be imported: {missing}")
    from surefoot.slime import compute_policy_loss

    monkeypatch.setenv(VARIABLE, "dapo")
    logp, old, _, advantages, _ = batch()
    results = []
    for function in (theirs.compute_policy_loss, compute_policy_loss):
        leaf = logp.flatten().clone().requires_grad_()
        loss, clipped = function(old.flatten() - leaf, advantages.flatten(), 0.2, 0.28)
        loss.sum().backward()
        results.append((loss, clipped, leaf.grad))
    for left, right in zip(*results, strict=True):
        torch.testing.assert_close(right.float(), left.float(), rtol=1e-5, atol=1e-7)
    monkeypatch.setenv(VARIABLE, "cpgd,clip_schedule=tight-to-loose")
    with pytest.raises(ValueError, match="where sequences end"):
        compute_policy_loss(old.flatten(), advantages.flatten())
    for name in ("gmpo", "dppo_tv", "dppo_kl"):
        monkeypatch.setenv(VARIABLE, name)
        with pytest.raises(ValueError, match="more of a token than its ratio"):
            compute_policy_loss(old.flatten(), advantages.flatten())
