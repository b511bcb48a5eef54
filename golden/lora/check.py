"""Compares a checkpoint of a run with `[lora]` with what the peft library makes of base and adapter.

    python golden/lora/check.py BASE CHECKPOINT

prints the largest difference between the logits of the checkpoint's own model (the sum) and those of peft's.
"""

import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


base, checkpoint = sys.argv[1:]
with torch.no_grad():
    ids = torch.arange(3, 40)[None]
    plain, merged = load(base)(ids).logits, load(checkpoint)(ids).logits
    adapted = PeftModel.from_pretrained(load(base), f"{checkpoint}/adapter")(ids).logits
learned, difference = (plain - merged).abs().max().item(), (adapted - merged).abs().max().item()
print(f"the adapter moves logits by up to {learned:.3g}; peft and the checkpoint differ by {difference:.3g}")
if not difference < 1e-3 * max(learned, 1e-9):
    sys.exit("they must not differ by more than rounding")
