"""transformers on a model folder: a training step of 8 x 256 tokens, or sampling after prompts.

python folder.py train DIR        python folder.py decode DIR --sequences 32 --prompt 128 --new 33
"""
import argparse

from measure import THREADS, Timings, median, report

import torch
from transformers import AutoModelForCausalLM

from shapes import mhpo_loss

torch.set_num_threads(THREADS)


def train(model, steps, name, sequences=8, length=256):
    vocabulary = model.config.vocab_size
    tokens, targets = (torch.randint(0, vocabulary, (sequences, length)) for _ in range(2))
    advantages = 2 * torch.rand(sequences, 1) - 1
    # Old log-probabilities near a uniform policy's: their values do not matter for the time.
    logp_old = -torch.log(torch.tensor(float(vocabulary))) + 0.3 * (2 * torch.rand(sequences, length) - 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, betas=(0.9, 0.95), weight_decay=0.01, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss, _ = mhpo_loss(model(tokens, use_cache=False).logits, targets, logp_old, advantages)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    step()
    timings = Timings()
    for _ in range(steps):
        timings.time(step)
    report("transformers", f"train {name}", timings, tokens.numel())


@torch.inference_mode()
def decode(model, steps, name, sequences, prompt, new):
    tokens = torch.randint(100, model.config.vocab_size, (sequences, prompt))

    def generate(count):
        model.generate(tokens, max_new_tokens=count, min_new_tokens=count, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, pad_token_id=0)

    generate(2)
    prefill, timings = Timings(), Timings()
    for _ in range(steps):
        prefill.time(lambda: generate(1))
        timings.time(lambda: generate(new))
    count = sequences * (new - 1)
    wall, cpu = (median(a) - median(b) for a, b in ((timings.wall, prefill.wall), (timings.cpu, prefill.cpu)))
    report("transformers", f"decode {name}", timings, sequences * new, decode_tokens_per_s=count / wall, decode_cpu_ms_per_token=1e3 * cpu / count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "decode"])
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--sequences", type=int, default=32)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--new", type=int, default=33)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    loaded = AutoModelForCausalLM.from_pretrained(arguments.folder, dtype=torch.float32)
    if arguments.what == "train":
        train(loaded.train(), arguments.steps, arguments.folder)
    else:
        decode(loaded.eval(), arguments.steps, arguments.folder, arguments.sequences, arguments.prompt, arguments.new)
