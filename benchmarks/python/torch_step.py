#!/usr/bin/env python3
"""What the objective costs inside of a PyTorch step, against the update of a model and against verl's vanilla loss.

    python benchmarks/python/torch_step.py             # needs torch and transformers, verl for its column; two threads
    python benchmarks/python/torch_step.py --device cuda --rows 16 --length 512

One update is forward, loss, backward, clipping and AdamW of a Qwen3 of some 100M parameters, on a GPU with bfloat16 products. The losses
take the same tokens in turns (A B A B). Times are medians, CPU milliseconds of all threads on the CPU and milliseconds until the GPU
is through on a GPU, where the losses' copies to the host and back are in them; read the ratios within this run.
"""

import argparse
import os
import statistics
import sys
import time

# threads that wait sleep: the cheaper setting in CPU time, as in the other benchmarks
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

import surefoot
from surefoot.torch import policy_loss

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rows", type=int, default=4, help="sequences of an update")
parser.add_argument("--length", type=int, default=128, help="tokens of a sequence")
parser.add_argument("--updates", type=int, default=3)
parser.add_argument("--losses", type=int, default=60, help="how often each loss is taken")
parser.add_argument("--shapes", default="16x512,64x1024,256x2048", help="further batches for the losses alone")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
options = parser.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(0)


def milliseconds(work):
    if options.device == "cpu":
        start = time.process_time()
        work()
        return 1e3 * (time.process_time() - start)
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start)


def tokens(rows, length):
    logp = -2 * torch.rand(rows, length) - 0.01
    old = logp + 0.2 * torch.randn(rows, length)
    mask = torch.arange(length) < torch.randint(length // 2, length + 1, (rows, 1))
    columns = logp, old, torch.randn(rows, 1).expand(rows, length).contiguous(), mask
    return tuple(column.to(options.device) for column in columns)


def losses():
    """The losses by name; verl's only where it is installed."""
    found = {}
    for key in ("mhpo", "grpo"):
        objective = surefoot.Objective(key, aggregation="token-mean")
        for name, stats in ((key, True), (f"{key} without statistics", False)):
            found[name] = lambda *batch, objective=objective, stats=stats: policy_loss(
                *batch, objective=objective, stats=stats
            )[0]
    try:
        from verl.trainer.ppo.core_algos import get_policy_loss_fn
        from verl.workers.config import FSDPActorConfig
    except ImportError:
        print("verl is not installed; its loss is left out", file=sys.stderr)
        return found
    from surefoot.verl import PolicyLossConfig

    def through_verl(name):
        section = PolicyLossConfig(loss_mode=name)
        config = FSDPActorConfig(
            strategy="fsdp", rollout_n=4, ppo_mini_batch_size=4, ppo_micro_batch_size_per_gpu=4, policy_loss=section
        )
        loss = get_policy_loss_fn(name)
        return lambda logp, old, advantages, mask: loss(old, logp, advantages, mask, "token-mean", config, None)[0]

    found["verl surefoot_mhpo"] = through_verl("surefoot_mhpo")
    found["verl surefoot_ppo_dual_clip"] = through_verl("surefoot_ppo_dual_clip")
    found["verl vanilla"] = through_verl("vanilla")
    return found


def time_losses(rows, length):
    """Median milliseconds of forward and backward of each loss, taken in turns."""
    batch, candidates = tokens(rows, length), losses()
    times = {name: [] for name in candidates}
    for turn in range(options.losses + 5):
        for name, loss in candidates.items():
            leaf = batch[0].clone().requires_grad_()
            spent = milliseconds(lambda loss=loss, leaf=leaf: loss(leaf, *batch[1:]).backward())
            if turn >= 5:
                times[name].append(spent)
    return {name: statistics.median(spent) for name, spent in times.items()}


def time_update(rows, length):
    """Median milliseconds of an update with MHPO."""
    config = Qwen3Config(
        vocab_size=32000,
        hidden_size=640,
        intermediate_size=1792,
        num_hidden_layers=16,
        num_attention_heads=10,
        num_key_value_heads=5,
        head_dim=64,
        tie_word_embeddings=True,
    )
    model = Qwen3ForCausalLM(config).float().to(options.device)
    size = sum(parameter.numel() for parameter in model.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    ids = torch.randint(0, config.vocab_size, (rows, length + 1), device=options.device)
    _, _, advantages, mask = tokens(rows, length)

    def update():
        with torch.autocast(options.device, dtype=torch.bfloat16, enabled=options.device == "cuda"):
            logits = model(input_ids=ids[:, :-1]).logits
        logp = logits.float().log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
        loss, _ = policy_loss(logp, logp.detach() - 0.01, advantages, mask, objective="mhpo")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    update()
    return size, statistics.median(milliseconds(update) for _ in range(options.updates))


size, update = time_update(options.rows, options.length)
alone = time_losses(options.rows, options.length)
print(f"update of {size / 1e6:.0f}M parameters on {options.rows}x{options.length} tokens: {update:.0f} ms")
for name, spent in alone.items():
    print(f"  {name}: {spent:.3f} ms, {100 * spent / update:.3f}% of the update")
for shape in options.shapes.split(","):
    rows, length = map(int, shape.split("x"))
    found = time_losses(rows, length)
    print(f"losses of {rows}x{length} tokens")
    for name, spent in found.items():
        ratio = (
            f", {found['verl vanilla'] / spent:.1f} times as fast as verl's vanilla" if "verl vanilla" in found else ""
        )
        print(f"  {name}: {spent:.3f} ms{ratio}")
