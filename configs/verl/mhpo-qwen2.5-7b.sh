#!/usr/bin/env bash
# MHPO on Qwen2.5-7B-Instruct and DAPO-Math-17k with verl, on one node of eight GPUs or on several:
#
#   pip install dist/surefoot-*.whl "verl[vllm]"      # on every node; docs/python.md says how to build the wheel
#   ray start --head                                  # first node; `ray start --address=HEAD:6379` on the others
#   DATA=dapo-math-17k.parquet VALIDATION=aime-2024.parquet NODES=1 configs/verl/mhpo-qwen2.5-7b.sh
#
# Further arguments are overrides of verl's configuration; `--cfg job` prints it and starts nothing.
#
# From the paper (arXiv:2603.16929, section 4.1): objective and its options, model, data, at most 2,048 tokens a response, mean over
# sequences of the mean over tokens, 32 samples a problem in validation. It calls the rest standard: learning rate, batch,
# samples a prompt and no KL are the values in common use.
set -euo pipefail

overrides=(
    # The objective. Options of verl's own losses (clip_ratio…) are refused where they differ from verl's defaults; those of surefoot stand
    # in `options`.
    actor_rollout_ref.actor.policy_loss._target_=surefoot.verl.PolicyLossConfig
    actor_rollout_ref.actor.policy_loss.loss_mode=surefoot_mhpo
    "+actor_rollout_ref.actor.policy_loss.options={bound:1.5,shape_positive:1.5,scale_positive:1.0,shape_negative:2.0,scale_negative:0.8}"
    actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-mean
    # (R − mean)/(std + 1e-6) over the samples of a prompt
    algorithm.adv_estimator=surefoot_grpo
    algorithm.use_kl_in_reward=false
    actor_rollout_ref.actor.use_kl_loss=false
    actor_rollout_ref.actor.entropy_coeff=0

    # The reward: surefoot's verifier
    reward.custom_reward_function.path=pkg://surefoot.verl
    reward.custom_reward_function.name=compute_score

    "data.train_files=${DATA:?the parquet file of DAPO-Math-17k}"
    "data.val_files=${VALIDATION:?a parquet file to validate on}"
    data.train_batch_size=256
    data.max_prompt_length=1024
    data.max_response_length=2048
    data.filter_overlong_prompts=true
    data.truncation=error

    "actor_rollout_ref.model.path=${MODEL:-Qwen/Qwen2.5-7B-Instruct}"
    actor_rollout_ref.model.enable_gradient_checkpointing=true
    actor_rollout_ref.model.use_remove_padding=true
    actor_rollout_ref.actor.strategy=fsdp2
    actor_rollout_ref.actor.optim.lr=1e-6
    actor_rollout_ref.actor.ppo_mini_batch_size=64
    actor_rollout_ref.actor.use_dynamic_bsz=true
    actor_rollout_ref.actor.ppo_max_token_len_per_gpu=24576
    actor_rollout_ref.actor.grad_clip=1.0

    actor_rollout_ref.rollout.name=vllm
    actor_rollout_ref.rollout.n=8
    actor_rollout_ref.rollout.temperature=1.0
    actor_rollout_ref.rollout.tensor_model_parallel_size=1
    actor_rollout_ref.rollout.gpu_memory_utilization=0.7
    actor_rollout_ref.rollout.log_prob_use_dynamic_bsz=true
    actor_rollout_ref.rollout.log_prob_max_token_len_per_gpu=49152
    actor_rollout_ref.rollout.val_kwargs.n=32
    actor_rollout_ref.rollout.val_kwargs.do_sample=true
    actor_rollout_ref.rollout.val_kwargs.temperature=1.0

    "trainer.nnodes=${NODES:-1}"
    "trainer.n_gpus_per_node=${GPUS:-8}"
    trainer.total_epochs=10
    trainer.test_freq=10
    trainer.save_freq=20
    trainer.val_before_train=true
    trainer.project_name=surefoot
    trainer.experiment_name=mhpo-qwen2.5-7b
    "trainer.logger=[console,tensorboard]"
)

# Workers find surefoot as a plugin of verl, where it is installed; the variable says so if it cannot be imported here.
export VERL_USE_EXTERNAL_MODULES=surefoot.verl
exec "${PYTHON:-python3}" -m verl.trainer.main_ppo "${overrides[@]}" "$@"
