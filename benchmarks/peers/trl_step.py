"""TRL's GRPOTrainer on the small addition model: CPU seconds of one step (one rollout and its updates).

python trl_step.py MODEL --max-new-tokens 16          python trl_step.py MODEL --max-new-tokens 128 --ignore-eos --steps 3

On a GPU (`--device cuda`) weights and activations are bfloat16, the fastest that TRL has, and the wall time is what counts.
"""
import argparse
import os
import random
import re
import tempfile

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
from measure import THREADS, Timings, cpu_seconds, median, report

import time

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

torch.set_num_threads(THREADS)


def rows(count):
    draw = random.Random(17)
    pairs = [(draw.randrange(10, 100), draw.randrange(10, 100)) for _ in range(count)]
    return [{"prompt": f"{a}+{b}=", "answer": str(a + b)} for a, b in pairs]


def reward(completions, answer, **_):
    found = (re.match(r"\s*(\d+)", completion) for completion in completions)
    return [float(bool(m) and m.group(1) == gold) for m, gold in zip(found, answer)]


class Measured(GRPOTrainer):
    """GRPOTrainer that notes when each rollout begins; a step lasts until the next one does."""

    marks, tokens, rollout_cpu = [], [], []

    def _prepare_inputs(self, *inputs, **more):
        if self._step % self.args.steps_per_generation == 0:
            self.mark()
        return super()._prepare_inputs(*inputs, **more)

    def _generate(self, *inputs, **more):
        start = cpu_seconds()
        out = super()._generate(*inputs, **more)
        self.rollout_cpu.append(cpu_seconds() - start)
        self.tokens.append(sum(len(completion) for completion in out[1]))
        return out

    def mark(self):
        self.marks.append((time.perf_counter(), cpu_seconds()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--mini-batches", type=int, default=4)
    parser.add_argument("--max-new-tokens", type=int, default=16)
    parser.add_argument("--ignore-eos", action="store_true")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    a = parser.parse_args()
    batch = a.prompts * a.samples
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    tokenizer.padding_side = "left"
    half = a.device == "cuda"
    dtype = torch.bfloat16 if half else torch.float32
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=dtype, attn_implementation="sdpa")
    with tempfile.TemporaryDirectory() as folder:
        settings = GRPOConfig(
            output_dir=folder, use_cpu=not half, bf16=half, gradient_checkpointing=False, report_to="none", save_strategy="no", disable_tqdm=True,
            per_device_train_batch_size=batch // a.mini_batches, gradient_accumulation_steps=1, steps_per_generation=a.mini_batches,
            num_generations=a.samples, max_completion_length=a.max_new_tokens, temperature=1.0, top_p=1.0, top_k=0,
            loss_type="dapo", epsilon=0.2, epsilon_high=0.28, beta=0.0, learning_rate=1e-7, lr_scheduler_type="constant",
            max_steps=(a.steps + 1) * a.mini_batches, logging_steps=a.mini_batches, seed=0,
            generation_kwargs={"min_new_tokens": a.max_new_tokens} if a.ignore_eos else None,
        )
        trainer = Measured(model=model, args=settings, reward_funcs=reward, train_dataset=Dataset.from_list(rows(2048)), processing_class=tokenizer)
        trainer.train()
        trainer.mark()
    timings, marks = Timings(), trainer.marks[1:]
    timings.wall = [after[0] - before[0] for before, after in zip(marks, marks[1:])]
    timings.cpu = [after[1] - before[1] for before, after in zip(marks, marks[1:])]
    tokens = median(trainer.tokens[1:])
    report("TRL", f"rl {'long' if a.ignore_eos else 'short'}", timings, tokens, completion_tokens=tokens, rollout_cpu_s=median(trainer.rollout_cpu[1:]))
