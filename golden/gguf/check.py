"""Compares an imported folder with transformers' own reading of the same GGUF file.

    surefoot model import FILE.gguf DIR
    python golden/gguf/check.py FILE.gguf DIR

Every weight must be equal up to the rounding of one f32 operation, logits to rounding, and token ids and rendered chats
must be the same. Exits with an error at the first difference.
"""

import sys
from pathlib import Path

import torch
from gguf import GGUFReader
from texts import CONVERSATIONS, TEXTS
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer


def same_pre_tokenizer(tokenizer, file):
    """transformers does not look at `tokenizer.ggml.pre` and always splits as GPT-2 does. llama.cpp does, and so did the
    tokenizer that the file was made from."""
    if GGUFReader(file).get_field("tokenizer.ggml.pre").contents() == "smollm":
        steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)


def main(file, folder):
    file = Path(file)
    reference = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    imported = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    expected, found = dict(reference.named_parameters()), dict(imported.named_parameters())
    assert expected.keys() == found.keys(), expected.keys() ^ found.keys()
    worst = max(((expected[name] - found[name]).abs() / expected[name].abs().clamp(min=1e-6)).max() for name in expected)
    print(f"{len(expected)} tensors, largest relative difference {worst:.2e}")
    assert worst < 1e-6

    theirs = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    ours = AutoTokenizer.from_pretrained(folder)
    same = sum(theirs(text).input_ids == ours(text).input_ids for text in TEXTS)
    print(f"{same} of {len(TEXTS)} texts have the same ids as with transformers' reading of the file as it is")
    same_pre_tokenizer(theirs, file)
    for text in TEXTS:
        assert theirs(text).input_ids == ours(text).input_ids, (text, theirs.tokenize(text), ours.tokenize(text))
        assert theirs.decode(theirs(text).input_ids) == ours.decode(ours(text).input_ids), text
    for conversation in CONVERSATIONS:
        for prompt in (False, True):
            render = lambda tokenizer: tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=prompt
            )
            assert render(theirs) == render(ours), conversation
    print(f"{len(TEXTS)} texts and {2 * len(CONVERSATIONS)} chats the same")

    ids = torch.tensor([ours("The capital of France is").input_ids])
    with torch.no_grad():
        difference = (reference(ids).logits - imported(ids).logits).abs().max()
        text = ours.decode(imported.generate(ids, max_new_tokens=8, do_sample=False)[0])
    print(f"logits differ by {difference:.2e}; greedy: {text!r}")
    assert difference < 1e-3
    for key in ("eos_token_id", "bos_token_id", "pad_token_id"):
        print(key, getattr(imported.generation_config, key), "theirs", getattr(reference.config, key))


if __name__ == "__main__":
    main(*sys.argv[1:])
