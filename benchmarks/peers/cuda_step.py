"""PyTorch's side of `cuda_step train`: a training step of Qwen2.5's sizes on one GPU, bfloat16 compute with f32 master weights.

16 sequences of 1024 tokens in one pass, fused scaled-dot-product attention, fused AdamW, log-probabilities in f32 with the head in
blocks, as surefoot has them. One line of JSON. Needs PyTorch and transformers.
"""

import argparse
import json
import time

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

SIZES = {
    "0.5B": (896, 24, 14, 2, 4864, 151_936, True),
    "1.5B": (1536, 28, 12, 2, 8960, 151_936, True),
    "7B": (3584, 28, 28, 4, 18_944, 152_064, False),
}
SEQUENCES, TOKENS, HEAD_ROWS = 16, 1024, 2048


def model_of(size: str) -> Qwen2ForCausalLM:
    hidden, layers, queries, keys, ffn, vocabulary, tied = SIZES[size]
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=ffn,
        num_hidden_layers=layers,
        num_attention_heads=queries,
        num_key_value_heads=keys,
        tie_word_embeddings=tied,
        max_position_embeddings=32_768,
        attn_implementation="sdpa",
    )
    with torch.device("cuda"):
        return Qwen2ForCausalLM(config)


def operations(model: Qwen2ForCausalLM, size: str) -> float:
    """As surefoot counts them (`benchmarks/src/arithmetic.rs`)."""
    hidden, layers, queries, keys, ffn, vocabulary, _ = SIZES[size]
    dim = hidden // queries
    layer = hidden * (queries + 2 * keys) * dim + queries * dim * hidden + 3 * hidden * ffn
    weights = layers * layer + vocabulary * hidden
    attention = layers * hidden * (TOKENS + 1) / 2
    return SEQUENCES * TOKENS * (6.0 * weights + 12.0 * attention)


class Head(torch.autograd.Function):
    """Sum of weighted log-probabilities, in blocks of rows, with its gradient."""

    @staticmethod
    def forward(ctx, hidden, weight, targets, factors):
        d_hidden, d_weight, total = torch.empty_like(hidden), torch.zeros_like(weight, dtype=torch.float32), 0.0
        for first in range(0, hidden.shape[0], HEAD_ROWS):
            rows = slice(first, first + HEAD_ROWS)
            logp = torch.log_softmax((hidden[rows] @ weight.T).float(), dim=-1)
            picked = logp.gather(1, targets[rows, None])[:, 0]
            total = total + (picked * factors[rows]).sum()
            d_logits = logp.exp_().mul_(-factors[rows, None])
            d_logits.scatter_add_(1, targets[rows, None], factors[rows, None])
            d_logits = d_logits.to(hidden.dtype)
            d_hidden[rows] = d_logits @ weight
            d_weight += (d_logits.T @ hidden[rows]).float()
        ctx.save_for_backward(d_hidden, d_weight)
        return total

    @staticmethod
    def backward(ctx, grad):
        d_hidden, d_weight = ctx.saved_tensors
        return grad * d_hidden, (grad * d_weight).to(d_hidden.dtype), None, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="0.5B", choices=SIZES)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = model_of(arguments.shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    tokens = torch.randint(0, model.config.vocab_size, (SEQUENCES, TOKENS), device="cuda")
    targets = torch.randint(0, model.config.vocab_size, (SEQUENCES * TOKENS,), device="cuda")
    factors = (torch.rand(SEQUENCES * TOKENS, device="cuda") - 0.5) / (SEQUENCES * TOKENS)
    body = torch.compile(model.model) if arguments.compile else model.model

    def step() -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            hidden = body(input_ids=tokens, use_cache=False).last_hidden_state.reshape(SEQUENCES * TOKENS, -1)
        loss = -Head.apply(hidden.bfloat16(), model.lm_head.weight.bfloat16(), targets, factors)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    taken = []
    for number in range(arguments.steps + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        if number >= 2:
            taken.append(time.perf_counter() - start)
    wall = sorted(taken)[len(taken) // 2]
    line = {
        "program": "torch.compile" if arguments.compile else "torch",
        "what": f"train {arguments.shape}",
        "wall_s": wall,
        "tokens_per_s": SEQUENCES * TOKENS / wall,
        "tflops": operations(model, arguments.shape) / wall / 1e12,
        "used_gib": torch.cuda.max_memory_allocated() / 2**30,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
