"""Compares a model folder with the same model saved again by surefoot, both loaded by transformers.

    cargo run --release -p surefoot-engine --example resave -- FROM TO [float32|float16|bfloat16]
    python golden/models/check_saved.py FROM TO

Logits must be equal to the bit where the number format holds every weight exactly; the difference is printed. Where FROM
has a tokenizer, TO has the same.
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(source, target):
    models = [AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in (source, target)]
    stored = AutoModelForCausalLM.from_pretrained(target, dtype="auto").dtype
    ids = torch.randint(0, models[0].config.vocab_size, (2, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        first, second = (model(ids).logits for model in models)
    print(f"{target}: {stored}, logits up to {first.abs().max():.3f} differ by at most {(first - second).abs().max():.3g}")
    for key in "bos_token_id eos_token_id pad_token_id rope_parameters tie_word_embeddings rms_norm_eps".split():
        values = [getattr(model.config, key, None) for model in models]
        assert values[0] == values[1], (key, values)
    assert models[0].generation_config.eos_token_id == models[1].generation_config.eos_token_id
    if (Path(source) / "tokenizer.json").exists():
        tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (source, target)]
        assert tokenizers[0].get_vocab() == tokenizers[1].get_vocab()
        assert tokenizers[0].chat_template == tokenizers[1].chat_template


if __name__ == "__main__":
    main(*sys.argv[1:])
