#!/usr/bin/env python3
"""What a step of `mpirun surefoot train` costs on N GPUs: a model, not a measurement. docs/clusters.md explains the terms.

    python3 benchmarks/cluster_cost.py            # the tables of docs/clusters.md
    python3 benchmarks/cluster_cost.py --nic 25   # with 25 GB/s a network card
"""
import argparse

# Parameters, layers, key and value heads, width of a head (their config.json).
MODELS = {"1.5B": (1.544e9, 28, 2, 128), "7B": (7.616e9, 28, 4, 128)}
GPUS = (8, 16, 64, 256, 1024)
GPUS_A_NODE = 8
BLOCK = 4 * (1 << 16)  # bytes that travel together, crates/trainer/src/ranks/sum.rs


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = lambda name, default, what: p.add_argument(name, type=float, default=default, help=f"{what} ({default:g})")
    add("--peak", 989, "dense bf16 TFLOP/s of a GPU (H100, H200)")
    add("--mfu", 0.4, "share of it that forward and backward reach")
    add("--memory", 4.8, "TB/s of a GPU's memory (H200)")
    add("--memory-share", 0.6, "share of it that decoding reaches")
    add("--nic", 50, "GB/s of a network card, one a GPU (400 Gb/s)")
    add("--link", 400, "GB/s of a ring that uses all cards of a node at once (NCCL)")
    add("--latency", 5, "microseconds of a message between ranks")
    add("--host", 1.0, "nanoseconds a byte that a rank takes to read what others sampled")
    add("--prompts", 8, "prompts a GPU and step")
    add("--samples", 8, "samples a prompt")
    add("--prompt", 200, "tokens of a prompt")
    add("--mean", 2000, "mean tokens of a completion")
    add("--longest", 4096, "tokens of the longest one")
    add("--updates", 4, "updates a step (update.mini_batches)")
    return p.parse_args()


def step(a, model, gpus):
    """Seconds and bytes of one step, each rank one GPU; the work of a GPU stays the same (weak scaling)."""
    parameters, layers, heads, width = MODELS[model]
    sequences = a.prompts * a.samples
    tokens = sequences * a.mean
    cache = 2 * 2 * layers * heads * width  # bytes of keys and values of a token, bf16
    # Every step of decoding reads the bf16 weights, and each sequence's keys and values up to where it is.
    read = a.longest * 2 * parameters + sequences * cache * (a.mean**2 / 2 + a.mean * a.prompt)
    sampling = read / (a.memory * 1e12 * a.memory_share)
    # 2 FLOP a parameter and token forward, 4 backward, 2 to compute activations again; a prompt counts once for its samples.
    updating = 8 * parameters * (tokens + a.prompts * a.prompt) / (a.peak * 1e12 * a.mfu)
    # f32 gradients: every rank sends and receives each value twice, in blocks, and a block passes 2 (N - 1) hops.
    gradient = 4 * parameters
    hop = a.latency * 1e-6 + BLOCK / (a.nic * 1e9)
    chain = a.updates * (2 * gradient / (a.nic * 1e9) + 2 * (gpus - 1) * hop)
    ring = a.updates * (2 * gradient * (gpus - 1) / gpus / (a.link * 1e9) + 2 * (gpus - 1) * a.latency * 1e-6)
    # A token of a sample: its number, three f32 (logp, logp_behavior, entropy) and about four bytes of text.
    rollouts = 20 * tokens * gpus
    exchange = rollouts / (a.nic * 1e9) + rollouts * a.host * 1e-9
    return {
        "sampling": sampling,
        "updating": updating,
        "compute": sampling + updating,
        "gradient": a.updates * 2 * gradient,
        "rollouts": rollouts,
        "chain": chain,
        "ring": ring,
        "exchange": exchange,
        # 16 bytes a parameter for f32 weights, gradient and moments, 2 for the bf16 copy.
        "state": 18 * parameters,
    }


def main():
    a = arguments()
    for model in MODELS:
        one = step(a, model, 1)
        print(f"{model}: sampling {one['sampling']:.1f} s, updates {one['updating']:.1f} s a step; weights, gradient and moments")
        print(f"{one['state'] / 1e9:.0f} GB a GPU; gradients sent by each GPU {one['gradient'] / 1e9:.0f} GB a step.\n")
        print("| GPUs | rollouts received, GB | exchange of rollouts, s | gradients by the chain, s | efficiency | by NCCL's ring, s | efficiency |")
        print("|---|---|---|---|---|---|---|")
        for gpus in GPUS:
            s = step(a, model, gpus)
            efficiency = lambda name: 100 * s["compute"] / (s["compute"] + s["exchange"] + s[name])
            print(
                f"| {gpus:,} | {s['rollouts'] / 1e9:.2f} | {s['exchange']:.2f} | {s['chain']:.2f} | {efficiency('chain'):.0f}% "
                f"| {s['ring']:.2f} | {efficiency('ring'):.0f}% |"
            )
        print()


if __name__ == "__main__":
    main()
