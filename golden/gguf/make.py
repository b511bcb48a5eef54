"""Writes the GGUF files of this folder and what their import has to give.

    python golden/gguf/make.py [SmolLM2-135M-Instruct.Q4_1.gguf]

- `formats.gguf`: a tensor of random blocks for each number format; `formats.safetensors`: their values by the `gguf`
  package's own dequantisation.
- `llama.gguf`, `qwen2.gguf`, `qwen3.gguf`: the models of ../models, with q and k of llama in GGUF's order of rows. Their
  import has to give the weights of ../models back.
- `pre-NAME.gguf`: one-layer models with a byte-level tokenizer, one for each kind of pre-tokenizer; `pre.json`: token ids of
  the texts of texts.py by the plain BPE below, which shares no code with the `tokenizers` library.
- `smollm2.json`, only with the argument: weights (some of each tensor, and sums), token ids and rendered chats of the real
  file as transformers reads it.
"""

import json
import sys
import unicodedata
from pathlib import Path

import gguf
import numpy as np
import regex
from safetensors.numpy import save_file
from texts import CONVERSATIONS, TEXTS
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = Path(__file__).parent
Q = gguf.GGMLQuantizationType
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def formats():
    """Random bytes with scales that are ordinary numbers: every bit of every block matters."""
    generator = np.random.default_rng(1)
    writer = gguf.GGUFWriter(HERE / "formats.gguf", "llama")
    expected = {}
    scales = {  # places of the f16 numbers in a block
        Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2], Q.Q8_0: [0], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208],
    }
    for kind in [Q.F32, Q.F16, Q.BF16, *scales]:
        if kind in scales:
            block, size = gguf.GGML_QUANT_SIZES[kind]
            blocks = generator.integers(0, 256, (2 * 256 // block, size), dtype=np.uint8)
            for at in scales[kind]:
                halves = generator.normal(size=len(blocks)).astype(np.float16)
                blocks[:, at : at + 2] = halves.view(np.uint8).reshape(-1, 2)
            data = blocks.reshape(2, -1)
        else:
            data = gguf.quants.quantize(generator.normal(size=(2, 256)).astype(np.float32), kind)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        expected[kind.name] = gguf.quants.dequantize(data, kind).astype(np.float32).reshape(2, 256)
    finish(writer)
    save_file(expected, HERE / "formats.safetensors")


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleave(rows, heads):
    """Hugging Face's order of rows in q and k to GGUF's."""
    return rows.reshape(heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def model(name):
    from transformers import AutoModelForCausalLM

    source = AutoModelForCausalLM.from_pretrained(HERE.parent / "models" / name)
    config = source.config
    writer = gguf.GGUFWriter(HERE / f"{name}.gguf", name)
    writer.add_name(f"tiny {name}")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if name == "qwen3":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    # As many tokens as the embedding has rows: special ones, then single characters.
    tokens = SPECIAL + [chr(c) for c in range(33, 33 + config.vocab_size - len(SPECIAL))]
    tokens[-1] = "ab"
    tokenizer(writer, tokens, [3] * 3 + [1] * (len(tokens) - 3), ["a b"], "gpt-2")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[name.upper()], config.num_hidden_layers)
    for parameter, values in source.state_dict().items():
        if config.tie_word_embeddings and parameter == "lm_head.weight":
            continue
        base, suffix = parameter.rsplit(".", 1)
        rows = values.float().numpy()
        if name == "llama" and ".q_proj" in parameter:
            rows = interleave(rows, config.num_attention_heads)
        if name == "llama" and ".k_proj" in parameter:
            rows = interleave(rows, config.num_key_value_heads)
        kind = {"llama": Q.F32, "qwen2": Q.BF16, "qwen3": Q.F16}[name] if rows.ndim == 2 else Q.F32
        writer.add_tensor(f"{names.get_name(base)}.{suffix}", gguf.quants.quantize(rows, kind), raw_dtype=kind)
    finish(writer)


def tokenizer(writer, tokens, kinds, merges, pre):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_chat_template(TEMPLATE)


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LATER = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PRE = {
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "qwen2": [LATER.replace("DIGITS", r"\p{N}")],
    "llama-bpe": [LATER.replace("DIGITS", r"\p{N}{1,3}")],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
}


def byte_characters():
    """GPT-2's printable character for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def split(words, pattern):
    """Matches and what lies between them, each a word."""
    out = []
    for word in words:
        end = 0
        for match in regex.finditer(pattern, word):
            out += [word[end : match.start()], match.group()]
            end = match.end()
        out.append(word[end:])
    return [word for word in out if word]


def encode(text, pre, ids, ranks, added):
    characters = byte_characters()
    out = []
    for piece in regex.split("(" + "|".join(map(regex.escape, added)) + ")", text):
        if piece in added:
            out.append(ids[piece])
            continue
        words = [unicodedata.normalize("NFC", piece) if pre == "qwen2" else piece]
        for pattern in PRE[pre]:
            words = split(words, pattern)
        for word in words:
            parts = [characters[byte] for byte in word.encode()]
            if pre == "llama-bpe" and "".join(parts) in ids:
                parts = ["".join(parts)]
            while True:
                pairs = [(ranks.get(pair, len(ranks)), place) for place, pair in enumerate(zip(parts, parts[1:]))]
                rank, place = min(pairs, default=(len(ranks), 0))
                if rank == len(ranks):
                    break
                parts[place : place + 2] = [parts[place] + parts[place + 1]]
            out += [ids[part] for part in parts]
    return out


def pre_tokenizer_models():
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    trained.train_from_iterator([*TEXTS, *TEXTS], trainer)
    bpe = json.loads(trained.to_str())["model"]
    words = sorted(bpe["vocab"], key=bpe["vocab"].get)
    # A token that no merge leads to, as Llama 3 has, an own token of the user, and an unused row.
    tokens = [*SPECIAL, *words, "Ġcapitalist", "<think>", "[PAD]"]
    kinds = [3] * len(SPECIAL) + [1] * (len(words) + 1) + [4, 5]
    ids = {token: number for number, token in enumerate(tokens)}
    ranks = {tuple(pair): rank for rank, pair in enumerate(bpe["merges"])}
    texts = [*TEXTS, "so <think>capitalist</think> capitalist"]
    expected = {"texts": texts, "ids": {}}
    for pre in PRE:
        writer = gguf.GGUFWriter(HERE / f"pre-{pre}.gguf", "llama")
        for add in (writer.add_context_length, writer.add_embedding_length, writer.add_feed_forward_length):
            add(4)
        writer.add_block_count(1)
        writer.add_head_count(1)
        writer.add_layer_norm_rms_eps(1e-5)
        tokenizer(writer, tokens, kinds, [" ".join(pair) for pair in bpe["merges"]], pre)
        shapes = {"token_embd": (len(tokens), 4), "output_norm": (4,), "blk.0.attn_norm": (4,), "blk.0.ffn_norm": (4,)}
        for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            shapes[f"blk.0.{part}"] = (4, 4)
        for name, shape in shapes.items():
            writer.add_tensor(f"{name}.weight", np.zeros(shape, np.float16 if len(shape) == 2 else np.float32))
        finish(writer)
        expected["ids"][pre] = [encode(text, pre, ids, ranks, [*SPECIAL, "<think>"]) for text in texts]
    write_json("pre.json", expected)


def write_json(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def smollm2(file):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from check import same_pre_tokenizer

    source = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    words = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    same_pre_tokenizer(words, file)
    tensors = {}
    for name, values in source.named_parameters():
        flat = values.detach().flatten().double()
        # A prime step visits every place in a row.
        tensors[name] = [flat.sum().item(), flat.abs().sum().item(), *flat[:: len(flat) // 5 | 1].tolist()[:5]]
    chats = [
        words.apply_chat_template(conversation, tokenize=False, add_generation_prompt=prompt)
        for conversation in CONVERSATIONS
        for prompt in (False, True)
    ]
    expected = {"tensors": tensors, "texts": TEXTS, "ids": [words(text).input_ids for text in TEXTS]}
    write_json("smollm2.json", expected | {"conversations": CONVERSATIONS, "chats": chats})


if __name__ == "__main__":
    formats()
    for name in ("llama", "qwen2", "qwen3"):
        model(name)
    pre_tokenizer_models()
    if len(sys.argv) > 1:
        smollm2(Path(sys.argv[1]))
