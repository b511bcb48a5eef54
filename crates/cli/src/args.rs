//! Arguments as they are typed. Each command resolves its own.

mod objective;

use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand, ValueEnum};
use surefoot_trainer::engine::device::Wanted;

pub use objective::{Bias, Check, Curve, Draw, Eval, Figure, Format, List, ObjectiveCommand, Objectives, Replay, Sign};

/// Train language models by reinforcement learning with verifiable rewards.
#[derive(Debug, Parser)]
#[command(version, about, after_help = crate::exit::HELP, disable_help_subcommand = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train by reinforcement learning; without CONFIG, the demo that comes with the program
    Train(Train),
    /// Fine-tune on given texts, for a warm start
    Sft(Train),
    /// Evaluate a model on benchmarks: Avg@k, Pass@k and majority vote; or compare two evaluations
    Eval(Evaluate),
    /// Draw runs: one HTML file that needs no network
    Report(Report),
    /// Compare objectives: several settings and seeds on one task, made in parallel, with a table
    Study(Study),
    /// Sample from a model and look
    Generate(Generate),
    /// Put a model behind OpenAI's /v1/completions, with token ids, log-probabilities and new weights on request
    Serve(Serve),
    /// Make, import and inspect model folders
    Model {
        /// What to do with models.
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Compare an answer with the gold answer, or whole files of them
    Verify(Verify),
    /// Look into the objectives: what there is, what each does to given tokens, curves, biases
    Objective {
        /// What to do with objectives.
        #[command(subcommand)]
        command: ObjectiveCommand,
    },
    /// Say what other objectives would have done with the tokens of a finished run
    Replay(Replay),
    /// Make training data
    Data {
        /// What to do with data.
        #[command(subcommand)]
        command: DataCommand,
    },
}

/// What computes.
#[derive(Clone, Copy, Debug, Arguments)]
pub struct Device {
    /// What computes: cpu, cuda or cuda:N (the GPU of that number), or auto: a GPU where there is one [default: auto]
    #[arg(long = "device", value_name = "DEVICE")]
    pub wanted: Option<Wanted>,
}

impl Device {
    /// As an override of the configuration.
    pub fn set(self, sets: &[String]) -> Vec<String> {
        sets.iter().cloned().chain(self.wanted.map(|wanted| format!("train.device=\"{wanted}\""))).collect()
    }
}

/// `surefoot train` and `surefoot sft`
#[derive(Debug, Arguments)]
pub struct Train {
    /// Configuration (TOML); docs/config.md lists every key
    #[arg(conflicts_with = "resume")]
    pub config: Option<PathBuf>,
    /// Override a key, as in --set rollout.samples=4; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub device: Device,
    /// Go on with the run in this folder, from its newest checkpoint
    #[arg(long, value_name = "RUN")]
    pub resume: Option<PathBuf>,
    /// Show the run on the full screen, with live curves and samples
    #[arg(long)]
    pub tui: bool,
}

/// `surefoot eval`
#[derive(Debug, Arguments)]
#[command(after_help = "An evaluation that was stopped or killed goes on when the same command is given again.\n\
    Example: surefoot eval --model DIR --data aime24.jsonl --data amc=amc23.jsonl --samples 32")]
pub struct Evaluate {
    /// Configuration (TOML): sections `eval`, and `prompt` and `reward` as for `train`; docs/config.md lists every key
    pub config: Option<PathBuf>,
    /// Folder of a Hugging Face model
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// A benchmark: JSON lines or parquet with problem and answer; may be repeated
    #[arg(long, value_name = "[NAME=]FILE")]
    pub data: Vec<String>,
    /// Completions a problem
    #[arg(long)]
    pub samples: Option<usize>,
    #[command(flatten)]
    pub device: Device,
    /// Folder for the results; without it runs/eval-MODEL
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Override a key, as in --set eval.temperature=1; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    /// Compare two folders of results, problem by problem, with a paired permutation test
    #[arg(long, num_args = 2, value_names = ["FIRST", "SECOND"], conflicts_with_all = ["config", "model", "data", "samples", "out", "set"])]
    pub compare: Vec<PathBuf>,
    /// How the results are written to stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// `surefoot report`
#[derive(Debug, Arguments)]
pub struct Report {
    /// Run folders; several are drawn over each other
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// File to write; without it report.html in the folder of the run, or here for several
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub objectives: Objectives,
}

/// `surefoot study`
#[derive(Debug, Arguments)]
pub struct Study {
    /// The study (TOML); docs/study.md lists its keys
    #[arg(value_name = "STUDY")]
    pub study: PathBuf,
    /// Make no run: table and report from the run folders that are there
    #[arg(long)]
    pub table: bool,
}

/// `surefoot serve`
#[derive(Debug, Arguments)]
#[command(
    after_help = "The address is written to stdout. POST /reload with {\"path\": \"DIR\"} loads other weights, for runs with\n\
    server.reload = \"surefoot\". There is no authentication: whoever reaches the port can use it."
)]
pub struct Serve {
    /// Folder of a Hugging Face model
    #[arg(long)]
    pub model: PathBuf,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 8000)]
    pub port: u16,
    /// Threads; 0 takes every core
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    #[command(flatten)]
    pub device: Device,
}

/// `surefoot generate`
#[derive(Debug, Arguments)]
pub struct Generate {
    /// Folder of a Hugging Face model
    #[arg(long)]
    pub model: PathBuf,
    /// What to ask or continue
    #[arg(long)]
    pub prompt: String,
    /// System message
    #[arg(long, default_value = "")]
    pub system: String,
    /// Do not apply the chat template
    #[arg(long)]
    pub plain: bool,
    /// Number of samples
    #[arg(long, default_value_t = 1)]
    pub samples: usize,
    /// Longest completion, in tokens; without it 256, or as many as the model has room for
    #[arg(long)]
    pub max_new_tokens: Option<usize>,
    /// 0 takes the most probable token
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub temperature: f32,
    /// Nucleus: the smallest set of tokens with this probability
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub top_p: f32,
    /// Only the so many most probable tokens; 0 is off
    #[arg(long, default_value_t = 0)]
    pub top_k: usize,
    /// Only tokens with at least so many times the probability of the most probable one; 0 is off
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub min_p: f32,
    /// Seed of the sampling
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads; 0 takes every core
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    #[command(flatten)]
    pub device: Device,
}

/// The commands of `surefoot model`.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Make a model with fresh random weights from a folder with config.json and a tokenizer
    Init {
        /// Folder with config.json and tokenizer.json
        from: PathBuf,
        /// Folder to write
        to: PathBuf,
        /// Seed of the weights
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Number format of the weights
        #[arg(long, value_enum, default_value_t = Number::F32)]
        dtype: Number,
    },
    /// Turn a GGUF file into a Hugging Face folder
    Import {
        /// The GGUF file
        file: PathBuf,
        /// Folder to write
        to: PathBuf,
        /// Number format of the weights
        #[arg(long, value_enum, default_value_t = Number::F32)]
        dtype: Number,
    },
    /// Say what a model folder holds
    Info {
        /// The folder
        folder: PathBuf,
    },
}

/// Number format of stored weights.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Number {
    /// 32-bit floats
    F32,
    /// 16-bit floats
    F16,
    /// bfloat16
    Bf16,
}

/// The commands of `surefoot data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Write rows of a built-in verifiable task to stdout, as JSON lines {"problem","answer"}
    #[command(after_help = crate::data::tasks_help())]
    Make(Make),
}

/// `surefoot data make`
#[derive(Debug, Arguments)]
pub struct Make {
    /// Name of the task
    pub task: String,
    /// Number of rows
    #[arg(long, default_value_t = 1000)]
    pub rows: usize,
    /// Seed: the same seed gives the same rows
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Fewest digits of a number
    #[arg(long, default_value_t = 1)]
    pub min_digits: u32,
    /// Most digits of a number
    #[arg(long, default_value_t = 3)]
    pub digits: u32,
    /// Numbers that `countdown` gives
    #[arg(long, default_value_t = 4)]
    pub numbers: usize,
    /// How a problem is written
    #[arg(long, value_enum, default_value_t = Style::Words)]
    pub style: Style,
}

/// How a problem is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Style {
    /// A question, for a language model
    Words,
    /// A bare formula that asks to be continued, for a tiny model
    Plain,
}

/// `surefoot verify`
#[derive(Debug, Arguments)]
#[command(
    after_help = "With --gold and --answer the exit code is the verdict: 0 correct, 1 wrong, 3 unparseable, 4 over budget.\n\
    With --jsonl it is 0 when every row was read, and 2 when one was not (its result has the key \"error\")."
)]
pub struct Verify {
    /// The gold answer
    #[arg(long, required_unless_present = "jsonl", conflicts_with = "jsonl", allow_hyphen_values = true)]
    pub gold: Option<String>,
    /// The answer, or a model's whole text
    #[arg(long, required_unless_present = "jsonl", conflicts_with = "jsonl", allow_hyphen_values = true)]
    pub answer: Option<String>,
    /// Read rows {"gold","answer"} from stdin, write one verdict a row to stdout; other keys are handed through
    #[arg(long)]
    pub jsonl: bool,
    /// Show what was extracted, how it was read, and on what ground it was decided
    #[arg(long)]
    pub explain: bool,
    /// Count only answers in this form
    #[arg(long, value_enum)]
    pub strict: Option<Form>,
    /// What several boxes in one text mean
    #[arg(long, value_enum, default_value_t = SeveralBoxes::Agree)]
    pub boxes: SeveralBoxes,
    /// Wall-clock limit of one comparison, in milliseconds
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub budget_ms: u64,
    /// With --jsonl: longer lines are not kept; their rows say so
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 24, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_line_bytes: u64,
}

/// What several boxes in one text mean.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SeveralBoxes {
    /// They must agree, or together give the parts of the gold answer
    Agree,
    /// The last one counts
    Last,
    /// Together they are one list
    Joined,
}

/// A form that an answer can be asked to have.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Form {
    /// \boxed{...}
    Boxed,
    /// <think>...</think><answer>...</answer>
    ThinkAnswer,
    /// <answer>...</answer>
    Answer,
    /// #### 72
    Hashes,
}
