"""Writes the three tiny random models of this folder and their reference values.

    python golden/models/make.py

needs torch, transformers and safetensors; the versions that made the committed files stand in golden/README.md.
Each model is saved by `save_pretrained`; `reference.safetensors` beside it holds, over packed sequences,

    input_ids     i32 [T]     tokens of all sequences, one after the other
    offsets       i32 [S + 1] sequence s is the tokens offsets[s] .. offsets[s + 1]
    logits        f32 [T, V]
    logp          f32 [T]     log-probability of the next token of the same sequence, 0 at its last token
    token_weight  f32 [T]     fixed random weights, 0 at the last token of each sequence
    grad.<name>   f32         d/d<name> of L = sum(token_weight * logp), for every parameter

Weights are read back from the saved files and everything is computed in float64, then rounded to float32 once.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

HERE = Path(__file__).parent
VOCAB = 97
LENGTHS = [17, 2, 25, 1, 15]

MODELS = {
    # Untied head, grouped queries, f32, one file.
    "llama": (
        LlamaForCausalLM,
        LlamaConfig(
            vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, tie_word_embeddings=False,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, bos_token_id=1, eos_token_id=2,
        ),
        torch.float32,
        "1GB",
    ),
    # Biases on q, k and v, one key-value head, tied head, bf16, sharded.
    "qwen2": (
        Qwen2ForCausalLM,
        Qwen2Config(
            vocab_size=VOCAB, hidden_size=40, intermediate_size=56, num_hidden_layers=2, num_attention_heads=5,
            num_key_value_heads=1, max_position_embeddings=128, rms_norm_eps=1e-6, tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, bos_token_id=1, eos_token_id=2,
        ),
        torch.bfloat16,
        "24KB",
    ),
    # Norms on q and k, head_dim apart from hidden_size / heads, tied head, f16.
    "qwen3": (
        Qwen3ForCausalLM,
        Qwen3Config(
            vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16, max_position_embeddings=128, rms_norm_eps=1e-6,
            tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
            bos_token_id=1, eos_token_id=[2, 3],
        ),
        torch.float16,
        "1GB",
    ),
}


def randomise(model, seed):
    """Weights of unit gain, norms away from 1, biases away from 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.copy_(0.5 + torch.rand(parameter.shape, generator=generator))
            elif name.endswith("bias"):
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)


def in_double(model):
    """transformers computes norms and rotary angles in float32 whatever the model's type: replace both by float64."""

    def norm(self, hidden):
        variance = hidden.pow(2).mean(-1, keepdim=True)
        return self.weight * (hidden * torch.rsqrt(variance + self.variance_epsilon))

    def rotary(self, hidden, position_ids):
        angle = position_ids[..., None].double() * self.original_inv_freq.float().double()
        angle = torch.cat((angle, angle), dim=-1)
        return angle.cos(), angle.sin()

    inverse_frequencies = model.model.rotary_emb.inv_freq.clone()
    model.double()
    model.model.rotary_emb.original_inv_freq = inverse_frequencies
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = norm.__get__(module)
        elif type(module).__name__.endswith("RotaryEmbedding"):
            module.forward = rotary.__get__(module)
    return model


def forward(model, sequences):
    logits, logp = [], []
    for sequence in sequences:
        output = model(sequence[None]).logits[0]
        logits.append(output)
        picked = torch.log_softmax(output[:-1], -1).gather(1, sequence[1:, None])[:, 0]
        logp.append(torch.cat([picked, picked.new_zeros(1)]))
    return torch.cat(logits), torch.cat(logp)


def make(name, seed):
    model_class, config, dtype, shard_size = MODELS[name]
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(seed)
    config.dtype = dtype
    model = model_class(config)
    randomise(model, seed)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard_size)

    generator = torch.Generator().manual_seed(seed + 1)
    input_ids = torch.randint(0, VOCAB, (sum(LENGTHS),), generator=generator)
    offsets = torch.tensor([sum(LENGTHS[:s]) for s in range(len(LENGTHS) + 1)])
    token_weight = torch.randn(len(input_ids), generator=generator)
    token_weight[offsets[1:] - 1] = 0.0
    sequences = input_ids.split(LENGTHS)

    load = lambda: AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    with torch.no_grad():
        plain_logits, _ = forward(load(), sequences)
    model = in_double(load())
    logits, logp = forward(model, sequences)
    assert logits.dtype == torch.float64
    # The float64 replacements must be the same function as transformers' own.
    assert (logits - plain_logits).abs().max() < 2e-5, (logits - plain_logits).abs().max()
    (token_weight.double() * logp).sum().backward()

    reference = {
        "input_ids": input_ids.int(),
        "offsets": offsets.int(),
        "logits": logits.detach().float(),
        "logp": logp.detach().float(),
        "token_weight": token_weight,
    }
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 0, parameter_name
        reference[f"grad.{parameter_name}"] = parameter.grad.float().contiguous()
    save_file(reference, folder / "reference.safetensors")

    config = json.loads((folder / "config.json").read_text())
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name}: {config['dtype']}, mean logp {logp.mean():.3f}, {size} bytes")


if __name__ == "__main__":
    for number, name in enumerate(MODELS):
        make(name, 100 * (number + 1))
