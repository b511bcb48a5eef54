#!/usr/bin/env python3
"""Loss and gradient of one million tokens: surefoot against the same formulas in PyTorch eager, side by side.

    python benchmarks/objectives/compare.py        # needs torch and cargo; one core each

The Rust benchmark writes its tokens, PyTorch reads them; both run on one thread and take the best of several runs
(other processes only ever slow one down), in turns. Losses must agree. The table's last column is the ratio of times.
"""

import math
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
SEQUENCES, LENGTH = 2048, 512
RUNS = 8


def clipped(r, a, low, high):
    return torch.minimum(r * a, r.clamp(1 - low, 1 + high) * a)


def mhpo(lp, old, a):
    psi = 1.5 * torch.tanh((lp - old) / 1.5)
    s = psi.detach()
    zeta = F.softplus(s) ** 1.5 + (F.softplus(-s) / 0.8) ** 2
    return torch.exp(psi - zeta) * a


def sapo(lp, old, a):
    tau = torch.where(a > 0, 1.0, 1.05)
    return 4 / tau * torch.sigmoid(tau * (torch.exp(lp - old) - 1)) * a


def dgpo(lp, old, a):
    r = torch.exp(lp - old)
    frozen = r.detach()
    low = frozen * r / 0.8
    high = 1.2**0.5 * r * frozen**-0.5
    return torch.where((frozen < 0.8) & (a < 0), low, torch.where((frozen > 1.2) & (a > 0), high, r)) * a


def gppo(lp, old, a, beta=1.0):
    r = torch.exp(lp - old)
    unit = r / r.detach()
    inner = torch.where((r > 1.2) & (a > 0), 1.2 * unit, r)
    return torch.where((r < 0.8) & (a < 0), beta * 0.8 * unit, inner) * a


def aspo(lp, old, a):
    r = torch.exp(lp - old)
    frozen = r.detach()
    live = torch.where(a < 0, frozen, 1 / frozen).clamp(max=3.0) * (r / frozen)
    inner = torch.where((frozen > 1.2) & (a > 0), 1 / 1.2, live)
    return torch.where((frozen < 0.8) & (a < 0), 0.8, inner) * a


def cpgd(lp, old, a, drift=0.01, clip=True):
    log_ratio = lp - old
    j = log_ratio * a
    if clip:
        j = torch.minimum(j, log_ratio.clamp(math.log(0.8), math.log(1.2)) * a)
    return j - drift * (torch.exp(log_ratio.detach()) - 1).clamp(max=2.0) * lp if drift else j


def dual(lp, old, a):
    j = clipped(torch.exp(lp - old), a, 0.2, 0.2)
    return torch.where(a < 0, torch.maximum(j, 3.0 * a), j)


def gspo(lp, old, a):
    s = torch.exp((lp - old).mean(dim=1, keepdim=True))
    return clipped(s, a, 3e-4, 4e-4).expand_as(lp)


SURROGATES = {
    "pg": lambda lp, old, a: (lp - old) * a,
    "is": lambda lp, old, a: torch.exp(lp - old) * a,
    "grpo": lambda lp, old, a: clipped(torch.exp(lp - old), a, 0.2, 0.2),
    "ppo_dual_clip": dual,
    "dapo": lambda lp, old, a: clipped(torch.exp(lp - old), a, 0.2, 0.28),
    "gspo": gspo,
    "sapo": sapo,
    "cispo": lambda lp, old, a: torch.exp(lp - old).clamp(0.8, 1.2).detach() * a * lp,
    "gppo": gppo,
    "ce_gppo": lambda lp, old, a: gppo(lp, old, a, 0.75),
    "aspo": aspo,
    "mhpo": mhpo,
    "dgpo": dgpo,
    "cpgd": cpgd,
    "cpg": lambda lp, old, a: cpgd(lp, old, a, 0.0),
    "pgd": lambda lp, old, a: cpgd(lp, old, a, clip=False),
}


def read(path):
    values = array("f")
    values.frombytes(path.read_bytes())
    return torch.tensor(values)


def rust(folder):
    command = ["cargo", "bench", "-q", "-p", "surefoot-objectives", "--bench", "tokens", "--", str(folder)]
    rows = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    table = [row.split("\t") for row in rows if "\t" in row]
    return {key: (float(alone), float(full), float(loss)) for key, alone, full, loss, _ in table[1:]}


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        first = rust(folder)
        logp = read(Path(folder) / "logp.f32").view(SEQUENCES, LENGTH)
        logp_old = read(Path(folder) / "logp_old.f32").view(SEQUENCES, LENGTH)
        advantages = read(Path(folder) / "advantages.f32").view(SEQUENCES, 1).expand(SEQUENCES, LENGTH).contiguous()
        peer = {}
        for key, surrogate in SURROGATES.items():
            best, loss = float("inf"), 0.0
            for _ in range(RUNS):
                leaf = logp.clone().requires_grad_()
                start = time.perf_counter()
                # all sequences are of one length: the mean is every aggregation
                value = -surrogate(leaf, logp_old, advantages).mean()
                value.backward()
                best = min(best, time.perf_counter() - start)
                loss = value.item()
            peer[key] = (best * 1e9 / logp.numel(), loss)
        second = rust(folder)
    print("objective\tns/token\twith statistics\ttorch ns/token\ttorch / surefoot")
    failed = False
    for key, (torch_ns, torch_loss) in peer.items():
        alone, full = (min(first[key][i], second[key][i]) for i in (0, 1))
        print(f"{key}\t{alone:.2f}\t{full:.2f}\t{torch_ns:.1f}\t{torch_ns / alone:.1f}")
        if abs(torch_loss - first[key][2]) > 1e-5 * max(1.0, abs(torch_loss)):
            print(f"{key}: the losses differ: {first[key][2]} and {torch_loss}", file=sys.stderr)
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
