"""One rank of verl's training worker, for tests: two updates of a tiny actor with FSDP on gloo.

RANK=0 WORLD_SIZE=2 … python verl_rank.py MODEL_FOLDER LOSS_MODE OUT.json
"""

import json
import os
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
folder, loss_mode, out = sys.argv[1:]
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])

import torch

torch.set_num_threads(1)

from verl import DataProto
from verl.utils import tensordict_utils as tu
from verl.workers.config import FSDPActorConfig, FSDPEngineConfig, FSDPOptimizerConfig, HFModelConfig
from verl.workers.engine_workers import TrainingWorker, TrainingWorkerConfig
from verl.workers.utils.losses import ppo_loss
from verl.workers.utils.padding import left_right_2_no_padding, no_padding_2_padding

from surefoot.verl import PolicyLossConfig

torch.distributed.init_process_group("gloo", rank=rank, world_size=world)
N, PROMPT, RESPONSE, MICRO = 16, 4, 8, 2
common = {
    "param_offload": False,
    "optimizer_offload": False,
    "use_dynamic_bsz": False,
    "micro_batch_size_per_gpu": MICRO,
    "infer_micro_batch_size_per_gpu": MICRO,
    "use_remove_padding": False,
    "use_torch_compile": False,
}
single = {"param_dtype": "fp32", "reduce_dtype": "fp32", "buffer_dtype": "fp32"}
worker = TrainingWorker(
    TrainingWorkerConfig(
        model_type="language_model",
        model_config=HFModelConfig(
            path=folder,
            use_remove_padding=False,
            override_config={"attn_implementation": "sdpa"},
            enable_gradient_checkpointing=False,
        ),
        engine_config=FSDPEngineConfig(
            forward_only=False,
            fsdp_size=-1,
            strategy="fsdp2",
            ulysses_sequence_parallel_size=1,
            model_dtype="fp32",
            dtype="float32",
            mixed_precision=single,
            **common,
        ),
        optimizer_config=FSDPOptimizerConfig(lr=1e-2, total_training_steps=100, clip_grad=1e6),
        checkpoint_config=None,
    )
)
worker.reset()

draw = torch.Generator().manual_seed(0)
ids = torch.randint(2, 15, (N, PROMPT + RESPONSE), generator=draw)
lengths = torch.randint(1, RESPONSE + 1, (N,), generator=draw)
response_mask = (torch.arange(RESPONSE) < lengths[:, None]).long()
attention = torch.cat([torch.ones(N, PROMPT, dtype=torch.long), response_mask], 1)
advantages = torch.randn(N, 1, generator=draw).expand(N, RESPONSE) * response_mask
is_weights = torch.rand(N, RESPONSE, generator=draw) + 0.5
shift = 0.3 * torch.randn(N, RESPONSE, generator=draw)
mine = slice(rank * N // world, (rank + 1) * N // world)


def batch(**more):
    """This rank's rows."""
    position = torch.clip(attention.cumsum(-1) - 1, min=0)
    columns = {
        "input_ids": ids,
        "prompts": ids[:, :PROMPT],
        "attention_mask": attention,
        "position_ids": position,
        "responses": ids[:, PROMPT:],
        "response_mask": response_mask,
    }
    rows = {name: column[mine] for name, column in {**columns, **more.pop("columns", {})}.items()}
    meta = {"temperature": 1.0, "global_token_num": attention[mine].sum(-1).tolist(), **more}
    return left_right_2_no_padding(DataProto.from_single_dict(rows, meta_info=meta).to_tensordict())


def done(result):
    return result.get() if hasattr(result, "get") and not hasattr(result, "keys") else result


first = batch(compute_loss=False)
logp = no_padding_2_padding(tu.get(done(worker.infer_batch(first)), "log_probs"), first).float()
old = torch.zeros(N, RESPONSE)
old[mine] = logp + shift[mine]  # as of a policy that has moved on
actor = FSDPActorConfig(
    strategy="fsdp2",
    rollout_n=4,
    ppo_mini_batch_size=N,
    ppo_micro_batch_size_per_gpu=MICRO,
    loss_agg_mode="seq-mean-token-mean",
    policy_loss=PolicyLossConfig(
        loss_mode=loss_mode, options={} if loss_mode == "vanilla" else json.loads(os.environ["OPTIONS"])
    ),
)
worker.set_loss_fn(partial(ppo_loss, actor))
reports = []
for _ in range(2):
    columns = {"old_log_probs": old, "advantages": advantages, "rollout_is_weights": is_weights}
    result = done(worker.train_batch(batch(columns=columns, global_batch_size=N)))
    metrics = {
        name: getattr(value, "aggregate", lambda value=value: value)()
        for name, value in dict(tu.get(result, "metrics")).items()
    }
    reports.append({name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))})
after = no_padding_2_padding(tu.get(done(worker.infer_batch(first)), "log_probs"), first).float() * response_mask[mine]
Path(f"{out}.{rank}").write_text(json.dumps({"metrics": reports, "before": logp.tolist(), "after": after.tolist()}))
torch.distributed.destroy_process_group()
