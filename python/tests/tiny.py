"""A tiny Qwen3 with one token a character, and the task that it learns."""

import random

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

SPECIAL = ["<pad>", "<eos>"]
CHARACTERS = "0123456789+= "


def tokenizer():
    """One token a character."""
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *CHARACTERS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=" "))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", unk_token=" ", padding_side="left"
    )


def model(seed=0, hidden=32):
    """Random weights of the Qwen3 family."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(SPECIAL) + len(CHARACTERS),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=hidden // 4,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    return Qwen3ForCausalLM(config).float()


def problems(count, seed=0):
    """`3+4=` with its sum, of which a random model finds some."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        a, b = draw.randrange(5), draw.randrange(5)
        rows.append({"prompt": f"{a}+{b}=", "solution": str(a + b)})
    return rows


def warm_model(share):
    """A model that was taught until it gives a sampled answer right with about this probability."""
    taught, encode = model(), tokenizer()
    optimizer = torch.optim.AdamW(taught.parameters(), lr=3e-3)
    for step in range(500):
        rows = problems(64, seed=100 + step)
        texts = [encode(row["prompt"] + row["solution"])["input_ids"] + [encode.eos_token_id] for row in rows]
        ids = torch.tensor(texts)
        logp = taught(input_ids=ids).logits.log_softmax(-1)[:, 3:5].gather(-1, ids[:, 4:6, None]).squeeze(-1)
        right = logp.sum(1).exp().mean().item()
        if right >= share:
            return taught
        optimizer.zero_grad()
        (-logp.mean()).backward()
        optimizer.step()
    raise RuntimeError(f"the model was not taught: {right}")
