"""llama.cpp decoding many sequences at once: random prompts, then random tokens fed to every sequence (no sampling).

python llama_cpp_decode.py FILE.gguf --sequences 32 --prompt 128 --new 32
"""
import argparse
import random

from measure import THREADS, Timings, report

import llama_cpp as llama

BATCH = 2048


class Sequences:
    def __init__(self, file, sequences, positions):
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(file.encode(), llama.llama_model_default_params())
        settings = llama.llama_context_default_params()
        settings.n_ctx = sequences * positions
        settings.n_batch, settings.n_ubatch, settings.n_seq_max = BATCH, 512, sequences
        settings.n_threads = settings.n_threads_batch = THREADS
        if hasattr(settings, "kv_unified"):
            settings.kv_unified = False
        self.context = llama.llama_init_from_model(self.model, settings)
        self.batch = llama.llama_batch_init(BATCH, 0, 1)
        self.batch.n_tokens = 0

    def add(self, sequence, position, logits):
        i, batch = self.batch.n_tokens, self.batch
        batch.token[i], batch.pos[i] = random.randrange(100, 40000), position
        batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, sequence, logits
        batch.n_tokens += 1

    def run(self):
        assert llama.llama_decode(self.context, self.batch) == 0, "llama_decode failed"
        self.batch.n_tokens = 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--sequences", type=int, default=32)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--new", type=int, default=32)
    a = parser.parse_args()
    random.seed(0)
    run = Sequences(a.file, a.sequences, a.prompt + a.new + 8)
    for sequence in range(a.sequences):
        for position in range(a.prompt):
            run.add(sequence, position, position == a.prompt - 1)
            if run.batch.n_tokens == BATCH:
                run.run()
    if run.batch.n_tokens:
        run.run()

    def decode():
        for step in range(a.new):
            for sequence in range(a.sequences):
                run.add(sequence, a.prompt + step, True)
            run.run()

    timings = Timings()
    timings.time(decode)
    count = a.sequences * a.new
    report("llama.cpp", f"decode {a.file}", timings, count, decode_tokens_per_s=count / timings.wall[0], decode_cpu_ms_per_token=1e3 * timings.cpu[0] / count)
