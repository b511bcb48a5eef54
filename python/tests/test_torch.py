"""`surefoot.torch`: gradients, precisions, and parts of a mini-batch over ranks and micro-batches."""

import json
import re
import subprocess
import sys
from pathlib import Path

import golden
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch.multiprocessing as multiprocessing

import surefoot
from surefoot.torch import global_counts, policy_loss, token_losses

#: Objectives of which no paper stops a gradient: the loss' derivative is the gradient.
SMOOTH = ["is", "grpo", "dapo", "ppo_dual_clip", "sapo", "gspo", "dr_grpo", "rloo", "reinforce_plus_plus"]


def batch(seed=0, rows=5, columns=7, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    logp = -2 * torch.rand(rows, columns, generator=draw, dtype=torch.float64) - 0.1
    old = logp + 0.4 * torch.randn(rows, columns, generator=draw, dtype=torch.float64)
    advantages = torch.randn(rows, generator=draw, dtype=torch.float64)
    mask = torch.rand(rows, columns, generator=draw) < 0.7
    mask[0] = False
    return logp.to(dtype), old.to(dtype), advantages.to(dtype), mask


@pytest.mark.parametrize("key", SMOOTH)
def test_gradcheck(key):
    logp, old, advantages, mask = batch(dtype=torch.float64)
    objective = surefoot.Objective(key, aggregation_length=7)
    loss = lambda logp: policy_loss(logp, old, advantages, mask, objective=objective)[0]
    assert torch.autograd.gradcheck(loss, logp.requires_grad_())


def test_gradcheck_of_mhpo_and_the_stopped_penalty():
    """MHPO stops the gradient of its penalty: without it the loss is smooth, with it autograd must agree on the rest."""
    logp, old, advantages, mask = batch(dtype=torch.float64)
    without = surefoot.Objective("mhpo", hazard="none")
    assert torch.autograd.gradcheck(
        lambda logp: policy_loss(logp, old, advantages, mask, objective=without)[0], logp.requires_grad_()
    )

    psi = 1.5 * torch.tanh((logp - old) / 1.5)
    still = psi.detach()
    softplus = torch.nn.functional.softplus
    zeta = softplus(still) ** 1.5 + (softplus(-still) / 0.8) ** 2
    terms = torch.exp(psi - zeta) * advantages[:, None] * mask
    rows = mask.sum(1) > 0
    expected = -(terms.sum(1)[rows] / mask.sum(1)[rows]).mean()
    (gradient,) = torch.autograd.grad(expected, logp)
    loss, stats = policy_loss(logp, old, advantages, mask, objective="mhpo")
    (ours,) = torch.autograd.grad(loss, logp)
    assert loss.dtype == torch.float64 and loss.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(ours, gradient, rtol=1e-12, atol=1e-15)
    assert stats["mhpo/psi_max"] == pytest.approx(psi[mask].abs().max().item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_precisions(dtype):
    logp, old, advantages, mask = batch(dtype=dtype)
    single = policy_loss(logp.float(), old.float(), advantages.float(), mask)[0]
    leaf = logp.clone().requires_grad_()
    loss, _ = policy_loss(leaf, old, advantages, mask)
    assert loss.dtype == torch.float32 and loss.item() == single.item()
    # what float16 cannot hold is scaled before it is narrowed, as a loss scaler expects
    (loss * 2.0**14).backward()
    wide = logp.float().clone().requires_grad_()
    policy_loss(wide, old.float(), advantages.float(), mask)[0].backward()
    assert leaf.grad.dtype == dtype
    torch.testing.assert_close(leaf.grad.float() / 2.0**14, wide.grad, rtol=2.0**-8, atol=0)


def test_small_gradients_survive_half_precision():
    rows, columns = 64, 4096
    logp = torch.zeros(rows, columns, dtype=torch.float16, requires_grad=True)
    loss, _ = policy_loss(logp, logp.detach(), torch.ones(rows), objective="is")
    (loss * 2.0**16).backward()
    assert (logp.grad.float() * rows * columns / 2.0**16).sub(-1).abs().max() < 1e-3  # 1/(N·T) alone is 0 in float16


def test_golden_batches_through_autograd():
    for key, options, arguments, loss, grad in golden.batches():
        tensors = {name: torch.from_numpy(np.asarray(column)) for name, column in arguments.items()}
        tensors["logp"].requires_grad_()
        ours, _ = policy_loss(**tensors, objective=surefoot.Objective(key, **options), scale=3.0)
        ours.backward()
        size = np.abs(grad).sum()
        assert abs(ours.item() - 3 * loss) <= 1e-5 * (abs(loss) + size)
        np.testing.assert_allclose(tensors["logp"].grad / 3, grad, rtol=5e-6, atol=size * 1e-8)


def test_tensors_that_are_not_contiguous_and_masks_of_numbers():
    logp, old, advantages, mask = batch()
    expected = policy_loss(logp, old, advantages, mask)[0]
    for arguments in [
        (logp.t().contiguous().t(), old.t().contiguous().t(), advantages, mask.long()),
        (logp, old, advantages[:, None].expand_as(logp), mask.float()),
    ]:
        assert policy_loss(*arguments)[0].item() == pytest.approx(expected.item(), rel=1e-6)
    # a tensor that wants a gradient may stand anywhere; only logp gets one
    old = old.clone().requires_grad_()
    leaf = logp.clone().requires_grad_()
    policy_loss(leaf, old, advantages, mask)[0].backward()
    assert old.grad is None and leaf.grad is not None


def test_tensors_of_another_device():
    """One copy to the host, the loss and the gradient back, the same numbers: on a device that is no GPU, but not the CPU either."""
    from torch.utils import backend_registration

    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this PyTorch has no devices in Python")
    # a registered device would stay for the whole process
    script = Path(__file__).parent / "far_device.py"
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout)
    assert found.pop("counts") is True and len(found) == 8
    for name, case in found.items():
        function, dtype = name.split(" ")
        of_loss = 1 if function == "policy_loss" else 35
        assert case["devices"] == ["far", "far"] and case["equal"] == [True, True, True], name
        assert case["dtypes"][1] == dtype, name
        # 35 log-probabilities, as many old ones, 5 advantages and a mask
        assert case["forward"] == [["far", "cpu", 110], ["cpu", "far", of_loss]], name
        assert case["backward"] == [["cpu", "far", 35]], name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("loss_of", [policy_loss, token_losses])
def test_tensors_of_a_gpu(loss_of, dtype):
    """The bits of the CPU, on the device and in the type of what was given."""
    results = []
    for device in ("cpu", "cuda"):
        leaf, *others = (column.to(device) for column in batch(dtype=dtype))
        loss, stats = loss_of(leaf.requires_grad_(), *others)
        loss.sum().backward()
        assert loss.device == leaf.grad.device == leaf.device and leaf.grad.dtype == dtype
        results.append((loss.detach().cpu(), leaf.grad.cpu(), stats))
    (loss, grad, stats), (far_loss, far_grad, far_stats) = results
    assert torch.equal(loss, far_loss) and torch.equal(grad, far_grad) and stats == far_stats
    mask = batch(dtype=dtype)[3]
    assert global_counts(mask.to("cuda")) == global_counts(mask)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.uint8, torch.int64])
def test_counts_take_the_masks_of_the_loss(dtype):
    mask = batch()[3]
    assert global_counts(mask.to(dtype)) == global_counts(mask)


def test_no_gradient_is_asked_for():
    logp, old, advantages, mask = batch()
    with torch.no_grad():
        loss, stats = policy_loss(logp, old, advantages, mask)
    assert not loss.requires_grad and stats["ratio/mean"] > 0
    assert policy_loss(logp, old, advantages, mask, stats=False)[1] == {}


def test_errors_reach_the_caller():
    logp, old, advantages, mask = batch()
    logp[1, 0], mask[1, 0] = float("nan"), True
    with pytest.raises(ValueError, match="logp is NaN at sequence 1, position 0"):
        policy_loss(logp, old, advantages, mask)


def test_token_losses_average_to_the_loss():
    logp, old, advantages, mask = batch()
    for key in surefoot.objectives():
        leaf, other = logp.clone().requires_grad_(), logp.clone().requires_grad_()
        losses, stats = token_losses(leaf, old, advantages, mask, objective=key)
        assert losses.shape == logp.shape and (losses[~mask] == 0).all() and "ratio/mean" in stats
        (losses.sum() / mask.sum()).backward()
        objective = surefoot.Objective(key, aggregation="token-mean")
        whole, _ = policy_loss(other, old, advantages, mask, objective=objective)
        whole.backward()
        assert (losses.sum() / mask.sum()).item() == pytest.approx(whole.item(), rel=1e-5, abs=1e-7)
        torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-5, atol=1e-9)
    nothing, _ = token_losses(leaf, old, advantages, torch.zeros_like(mask))
    assert nothing.tolist() == torch.zeros_like(logp).tolist()


def test_compiled_code_may_call_it():
    logp, old, advantages, mask = batch()
    compiled = torch.compile(lambda x: policy_loss(x * 1.0, old, advantages, mask)[0] * 2.0, backend="eager")
    leaf = logp.clone().requires_grad_()
    compiled(leaf).backward()
    assert leaf.grad.abs().sum() > 0


def test_signatures_are_known_to_mypy(tmp_path):
    """PyTorch has no types for the decorator that keeps a function out of its compiler."""
    mypy = pytest.importorskip("mypy.api", reason="mypy is not installed")
    probe = tmp_path / "probe.py"
    probe.write_text("from surefoot.torch import policy_loss, token_losses\nreveal_type([policy_loss, token_losses])\n")
    options = ["--strict", "--follow-imports=skip", f"--cache-dir={tmp_path}", "--python-version=3.10"]
    output = mypy.run([*options, str(Path(surefoot.__file__).with_name("torch.py")), str(probe)])[0]
    revealed = re.search(r"probe.*Revealed type is (.*)", output)
    assert revealed and "mask" in revealed[1] and "dict[" in revealed[1], output


class Policy(torch.nn.Module):
    """Log-probabilities of tokens from a table of features."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.layers = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 11))

    def forward(self, features, tokens):
        return self.layers(features).log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)


def rollout():
    """Eight sequences of three prompts; one is masked as a whole, lengths differ."""
    draw = torch.Generator().manual_seed(3)
    features = torch.randn(8, 9, 6, generator=draw)
    tokens = torch.randint(0, 11, (8, 9), generator=draw)
    old = torch.log(torch.rand(8, 9, generator=draw) * 0.3 + 0.02)
    mask = torch.arange(9) < torch.tensor([9, 3, 5, 0, 7, 1, 8, 2])[:, None]
    return features, tokens, old, torch.randn(8, generator=draw), mask, torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])


AGGREGATIONS = ["seq-mean-token-mean", "token-mean", "prompt-mean-token-mean", "seq-mean-token-sum-norm"]


def gradients(policy, rows, counts, objective, scale=1.0):
    """Accumulates the gradient of micro-batches and gives their losses' sum."""
    features, tokens, old, advantages, mask, groups = rollout()
    total = 0.0
    for part in rows:
        loss, _ = policy_loss(
            policy(features[part], tokens[part]),
            old[part],
            advantages[part],
            mask[part],
            objective=objective,
            groups=groups[part],
            counts=counts,
            scale=scale,
        )
        loss.backward()
        total += loss.item() / scale
    return total


def single_process(objective):
    policy = Policy()
    loss = gradients(policy, [slice(0, 8)], None, objective)
    return loss, [parameter.grad for parameter in policy.parameters()]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_gradient_accumulation_gives_the_whole(aggregation):
    objective = surefoot.Objective("mhpo", aggregation=aggregation, aggregation_length=9)
    expected, expected_gradients = single_process(objective)
    *_, mask, groups = rollout()
    policy = Policy()
    counts = global_counts(mask, groups=groups)
    assert counts.tokens == 35 and counts.sequences == 7
    loss = gradients(policy, [slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 8)], counts, objective)
    assert loss == pytest.approx(expected, rel=1e-6)
    for parameter, gradient in zip(policy.parameters(), expected_gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-8)


def rank_main(rank, port, results):
    """One of two ranks: three sequences or five, in micro-batches, under DistributedDataParallel."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    rows = [slice(0, 2), slice(2, 3)] if rank == 0 else [slice(3, 5), slice(5, 8)]
    share = slice(0, 3) if rank == 0 else slice(3, 8)
    *_, mask, groups = rollout()
    for aggregation in AGGREGATIONS:
        objective = surefoot.Objective("mhpo", aggregation=aggregation, aggregation_length=9)
        by_prompt = aggregation == "prompt-mean-token-mean"
        counts = global_counts(mask[share], groups=groups[share] if by_prompt else None)
        policy = torch.nn.parallel.DistributedDataParallel(Policy())
        with policy.no_sync():
            loss = gradients(policy, rows[:1], counts, objective, scale=2.0)
        loss = torch.tensor(loss + gradients(policy, rows[1:], counts, objective, scale=2.0))
        torch.distributed.all_reduce(loss)
        if rank == 0:
            results.put((aggregation, loss.item(), [p.grad.numpy() for p in policy.parameters()]))
    torch.distributed.destroy_process_group()


def test_two_ranks_with_accumulation_give_the_whole(free_port):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    ranks = [context.Process(target=rank_main, args=(rank, free_port, results)) for rank in range(2)]
    for rank in ranks:
        rank.start()
    found = [results.get(timeout=180) for _ in AGGREGATIONS]
    for rank in ranks:
        rank.join(timeout=60)
    assert [rank.exitcode for rank in ranks] == [0, 0]
    for aggregation, loss, grads in found:
        objective = surefoot.Objective("mhpo", aggregation=aggregation, aggregation_length=9)
        expected, expected_gradients = single_process(objective)
        assert loss == pytest.approx(expected, rel=1e-6), aggregation
        for gradient, exact in zip(grads, expected_gradients, strict=True):
            np.testing.assert_allclose(gradient, exact, rtol=2e-5, atol=1e-8, err_msg=aggregation)
