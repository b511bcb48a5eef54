//! Trainer: prompts, rollout, reward, update, checkpoint, metrics.
//!
//! A step samples G completions for each of P prompts, judges them, turns rewards into advantages and makes several
//! updates on them. The engine gives log-probabilities, an objective turns them into `dL/dlogp`, and the engine
//! backpropagates that; the trainer holds the two together, and keeps a run folder from which a killed run goes on to
//! the same bits. [`train`] is the loop, one screen long; each stage is a module of its own.
//!
//! | the way of a step | |
//! |---|---|
//! | [`data`] | rows from JSON lines, parquet and built-in tasks ([`tasks`]), and the order in which a run meets them |
//! | [`prompt`] | a row → the tokens that the model continues |
//! | [`rollout`] | prompts → groups of samples with their log-probabilities |
//! | [`reward`] | completions → verdicts and rewards; "cannot judge" is a value of its own |
//! | [`update`] | groups and advantages → micro-batches → loss, gradient, optimizer step |
//! | [`model_folder`] | whether a path is a model's folder at all |
//! | [`policy`] | the weights, the optimizer's state, and the decoders that sample and train |
//!
//! | around it | |
//! |---|---|
//! | [`config`] | every key with default and source; everything wrong with a file in one message |
//! | [`evaluate`] | Avg@k, Pass@k and majority vote on benchmarks; two models compared |
//! | [`train`], [`sft`] | reinforcement learning; supervised fine-tuning |
//! | [`journey`] | what both share: run folder, steps until the end or a stop, checkpoints, resume |
//! | [`ranks`] | one run over several processes: who works on what, and how the results come together |
//! | [`collapse`] | detectors that end a run early |
//! | [`run_folder`], [`state`] | whole files only, one writer; what a checkpoint holds beside the model |
//! | [`metrics`], [`progress`] | what is measured, and what a person sees of it |
//! | [`serve`] | a model behind OpenAI's `/v1/completions`, for runs with `server.url` and for others |
//! | [`replay`] | what other objectives would have done with a run's tokens |
//! | [`plot`] | line plots as SVG |
//! | [`report`], [`study`] | one HTML file about one or several runs; objectives × settings × seeds, compared |
//! | [`demo`] | the model and the task that come with the program |
//! | [`excerpt`] | texts of others in our messages |
//! | [`shell`] | arguments of commands that a person is told to type |
//! | [`random`] | a generator for data order and tasks whose numbers never change |
//!
//! The three crates below are reexported, so that the binary needs this one alone.

pub mod collapse;
pub mod config;
pub mod data;
pub mod demo;
pub mod evaluate;
pub mod excerpt;
mod fingerprint;
pub mod journey;
mod markup;
pub mod metrics;
pub mod model_folder;
pub mod plot;
pub mod policy;
pub mod progress;
pub mod prompt;
pub mod random;
pub mod ranks;
pub mod replay;
pub mod report;
pub mod reward;
pub mod rollout;
pub mod run_folder;
pub mod serve;
pub mod sft;
pub mod shell;
pub mod state;
pub mod study;
pub mod table;
pub mod tasks;
pub mod train;
pub mod update;

pub use surefoot_engine as engine;
pub use surefoot_objectives as objectives;
pub use surefoot_verifier as verifier;
