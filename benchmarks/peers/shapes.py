"""PyTorch eager on the shapes S and M: a training step, sampling with a key and value cache, or matrix products.

python shapes.py train --shape S        python shapes.py decode --shape S        python shapes.py products
"""
import argparse

from measure import THREADS, Timings, report

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(THREADS)
SHAPES = {
    "S": {"hidden": 256, "layers": 4, "ffn": 768, "vocabulary": 512, "sequences": 16},
    "M": {"hidden": 512, "layers": 8, "ffn": 1536, "vocabulary": 4096, "sequences": 8},
}
HEADS, KEYS, TOKENS, POSITIONS = 8, 4, 256, 1024


class Attention(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.dim = hidden // HEADS
        self.q = nn.Linear(hidden, HEADS * self.dim, bias=False)
        self.k = nn.Linear(hidden, KEYS * self.dim, bias=False)
        self.v = nn.Linear(hidden, KEYS * self.dim, bias=False)
        self.o = nn.Linear(HEADS * self.dim, hidden, bias=False)
        self.q_norm, self.k_norm = nn.RMSNorm(self.dim, 1e-6), nn.RMSNorm(self.dim, 1e-6)

    def forward(self, x, rotation, cache, position):
        batch, tokens, _ = x.shape
        heads = lambda y, n: y.view(batch, tokens, n, self.dim)
        q = self.q_norm(heads(self.q(x), HEADS)).transpose(1, 2)
        k = self.k_norm(heads(self.k(x), KEYS)).transpose(1, 2)
        v = heads(self.v(x), KEYS).transpose(1, 2)
        q, k = rotate(q, rotation), rotate(k, rotation)
        if cache is not None:
            end = position + tokens
            cache[0][:, :, position:end], cache[1][:, :, position:end] = k, v
            k, v = cache[0][:, :, :end], cache[1][:, :, :end]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=tokens > 1, enable_gqa=True)
        return self.o(y.transpose(1, 2).reshape(batch, tokens, -1))


def rotate(x, rotation):
    cos, sin = rotation
    low, high = x.chunk(2, -1)
    return x * cos + torch.cat((-high, low), -1) * sin


class Layer(nn.Module):
    def __init__(self, hidden, ffn):
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.RMSNorm(hidden, 1e-6), nn.RMSNorm(hidden, 1e-6)
        self.attention = Attention(hidden)
        self.gate, self.up = nn.Linear(hidden, ffn, bias=False), nn.Linear(hidden, ffn, bias=False)
        self.down = nn.Linear(ffn, hidden, bias=False)

    def forward(self, x, rotation, cache, position):
        x = x + self.attention(self.attention_norm(x), rotation, cache, position)
        y = self.mlp_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embedding = nn.Embedding(shape["vocabulary"], shape["hidden"])
        self.layers = nn.ModuleList(Layer(shape["hidden"], shape["ffn"]) for _ in range(shape["layers"]))
        self.norm = nn.RMSNorm(shape["hidden"], 1e-6)
        dim = shape["hidden"] // HEADS
        angles = torch.outer(torch.arange(POSITIONS).float(), 1e6 ** (-torch.arange(0, dim, 2).float() / dim))
        self.rotation = torch.cat((angles, angles), -1).cos(), torch.cat((angles, angles), -1).sin()
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.05)

    def forward(self, tokens, caches=None, position=0, last_only=False):
        x = self.embedding(tokens)
        rotation = tuple(r[position : position + tokens.shape[1]] for r in self.rotation)
        for i, layer in enumerate(self.layers):
            x = layer(x, rotation, caches and caches[i], position)
        return F.linear(self.norm(x[:, -1:] if last_only else x), self.embedding.weight)


def mhpo_loss(logits, targets, logp_old, advantages):
    """MHPO's loss, mean over tokens: bound 1.5, shapes 1.5 and 2, scales 1 and 0.8."""
    logp = torch.log_softmax(logits, -1).gather(-1, targets[..., None]).squeeze(-1)
    psi = 1.5 * torch.tanh((logp - logp_old) / 1.5)
    with torch.no_grad():
        zeta = F.softplus(psi) ** 1.5 + (F.softplus(-psi) / 0.8) ** 2
    return -(torch.exp(psi - zeta) * advantages).mean(), logp


def train(model, shape, steps, name):
    tokens, targets = (torch.randint(0, shape["vocabulary"], (shape["sequences"], TOKENS)) for _ in range(2))
    advantages = 2 * torch.rand(shape["sequences"], 1) - 1
    with torch.no_grad():
        _, logp = mhpo_loss(model(tokens), targets, torch.zeros(()), advantages)
    logp_old = logp + 0.3 * (2 * torch.rand_like(logp) - 1)
    del logp
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss, _ = mhpo_loss(model(tokens), targets, logp_old, advantages)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    step()
    timings = Timings()
    for _ in range(steps):
        loss = timings.time(step)
    report("PyTorch", f"train {name}", timings, tokens.numel(), loss=loss)


def decode(model, shape, steps, name, sequences=64, prompt=16, new=64):
    tokens = torch.randint(0, shape["vocabulary"], (sequences, prompt))
    dim = shape["hidden"] // HEADS

    @torch.inference_mode()
    def generate():
        room = lambda: torch.empty(sequences, KEYS, prompt + new, dim)
        caches = [(room(), room()) for _ in model.layers]
        logits = model(tokens, caches, 0, last_only=True)[:, -1]
        for position in range(prompt, prompt + new):
            logp = torch.log_softmax(logits, -1)
            token = torch.multinomial(logp.exp(), 1)
            logp.gather(-1, token)
            if position + 1 < prompt + new:
                logits = model(token, caches, position)[:, -1]

    generate()
    timings = Timings()
    for _ in range(steps):
        timings.time(generate)
    report("PyTorch", f"decode {name}", timings, sequences * new)


def products(steps):
    best, timings = 0.0, Timings()
    for rows, outputs, inputs in [(1024, 1024, 512), (1024, 2048, 512), (2048, 2048, 512), (1536, 1536, 1536)]:
        x, w = torch.randn(rows, inputs), torch.randn(outputs, inputs)
        operations = 2 * rows * outputs * inputs
        repetitions = -(-int(2e10) // operations)
        for _ in range(steps):
            timings.time(lambda: [torch.mm(x, w.t()) for _ in range(repetitions)])
            best = max(best, operations * repetitions / timings.wall[-1] / 1e9)
    report("PyTorch", "products", timings, 0, peak_gflops=best)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "decode", "products"])
    parser.add_argument("--shape", default="S", choices=SHAPES)
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    chosen = SHAPES[arguments.shape]
    if arguments.what == "products":
        products(arguments.steps)
    elif arguments.what == "train":
        train(Decoder(chosen), chosen, arguments.steps, arguments.shape)
    else:
        decode(Decoder(chosen), chosen, arguments.steps, arguments.shape)
