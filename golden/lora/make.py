"""Writes an adapter of each tiny model in ../models by the peft library, and what the adapted model gives.

    python golden/lora/make.py

FAMILY/adapter_config.json, adapter_model.safetensors   the adapter, random in A and in B, as `save_pretrained` writes it
FAMILY/reference.safetensors   for the sequences and token weights of ../models/FAMILY/reference.safetensors
    logp          f32 [T]   log-probability of the next token of the same sequence, 0 at its last token
    grad.<name>   f32       d/d<name> of L = sum(token_weight * logp), for every tensor of the adapter, by autograd

in float64 from the stored weights, rounded to float32 once.
"""

import os
import shutil
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
MODELS = HERE.parent / "models"
sys.path.insert(0, str(MODELS))
from make import forward, in_double  # noqa: E402

# All matrices; part of a joined product (q and v of q, k, v); one of gate and up.
TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qwen2": ["q_proj", "v_proj"],
    "qwen3": ["v_proj", "o_proj", "up_proj", "down_proj"],
}


os.chdir(HERE)  # The path of the base model stands in the adapter's configuration.


def base(family):
    return AutoModelForCausalLM.from_pretrained(f"../models/{family}", dtype=torch.float32, attn_implementation="sdpa")


for family, targets in TARGETS.items():
    folder = HERE / family
    shutil.rmtree(folder, ignore_errors=True)
    model = get_peft_model(base(family), LoraConfig(r=3, lora_alpha=7, target_modules=targets, task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)

    model = PeftModel.from_pretrained(base(family), folder, is_trainable=True)
    in_double(model.base_model.model)
    reference = load_file(MODELS / family / "reference.safetensors")
    sequences = reference["input_ids"].long().split(reference["offsets"].long().diff().tolist())
    _, logp = forward(model, sequences)
    (reference["token_weight"].double() * logp).sum().backward()
    found = {"logp": logp.detach().float()}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            found["grad." + name.replace(".default.", ".")] = parameter.grad.float()
    save_file(found, folder / "reference.safetensors")
    print(family, len(found) - 1, "gradients")
