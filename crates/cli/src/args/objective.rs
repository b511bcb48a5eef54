//! Arguments of `surefoot objective` and `surefoot replay`.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand, ValueEnum};

/// How an objective with options is written, for several helps.
const OBJECTIVE_HELP: &str = "An objective is written as its key, with options behind it: mhpo,bound=1.0,anchor=unit\n\
    (`surefoot objective list` shows all keys and options).";

/// The commands of `surefoot objective`.
#[derive(Debug, Subcommand)]
pub enum ObjectiveCommand {
    /// Show every objective with its paper, aggregation, advantages and options
    List(List),
    /// Evaluate an objective on logged tokens: JSON lines in, JSON lines out
    #[command(after_help = "A line of the input is a sequence:\n  \
        {\"group\": \"p0\", \"logp\": [..], \"logp_old\": [..], \"advantage\": 0.5 or [..],\n   \
        \"mask\": [..]?, \"logp_ref\": [..]?, \"logp_epoch\": [..]?}\n\
        For each, in their order, a line {\"surrogate\", \"coefficient\", \"grad_logp\", \"region\"} is written: J and its\n\
        derivative g by logp before aggregation, and dL/dlogp after it. All lines together are one mini-batch: the last\n\
        line of the output is {\"loss\", \"stats\"}. Regularisers are options as well: --set reference_coefficient=0.1")]
    Eval(Eval),
    /// Draw what objectives do at each ratio, as SVG
    #[command(after_help = OBJECTIVE_HELP)]
    Curve(Curve),
    /// Print how far objectives are from the policy gradient (DGPO Tables 2 and 5 to 10)
    #[command(after_help = OBJECTIVE_HELP)]
    Bias(Bias),
    /// Check an objective: its gradient against differences of its surrogate, extremes, bounds
    #[command(after_help = OBJECTIVE_HELP)]
    Check(Check),
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns
    Table,
    /// JSON
    Json,
}

/// `surefoot objective list`
#[derive(Debug, Arguments)]
pub struct List {
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// `surefoot objective eval`
#[derive(Debug, Arguments)]
pub struct Eval {
    /// File with JSON lines; without it, stdin
    pub file: Option<PathBuf>,
    /// Key of the objective
    #[arg(long, default_value = "mhpo")]
    pub objective: String,
    /// Set an option of the objective or a regulariser; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Write the last line alone
    #[arg(long)]
    pub summary: bool,
}

/// Figures that are drawn by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// Every objective on one sheet: multiplier for either sign of the advantage
    All,
    /// MHPO Figure 2: psi and its slope for several bounds
    #[value(name = "mhpo-2")]
    Mhpo2,
    /// MHPO Figure 3: zeta and the survival weight for several shapes and scales
    #[value(name = "mhpo-3")]
    Mhpo3,
    /// DGPO Figure 2: probability-gradient weights of the soft clips
    #[value(name = "dgpo-2")]
    Dgpo2,
}

/// How curves are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// A picture
    Svg,
    /// The points: panel,line,x,y
    Csv,
}

/// Sign of the advantage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sign {
    /// A > 0
    Positive,
    /// A < 0
    Negative,
    /// A panel for each
    Both,
}

/// `surefoot objective curve`
#[derive(Debug, Arguments)]
pub struct Curve {
    /// A figure by name; without it and without --objective, all
    #[arg(long, value_enum, conflicts_with = "objective")]
    pub figure: Option<Figure>,
    /// An objective to draw; may be repeated
    #[arg(long, value_name = "KEY[,OPTION=VALUE]...")]
    pub objective: Vec<String>,
    /// What to draw against the ratio; may be repeated: multiplier, probability-weight, surrogate, psi, psi-slope, zeta, survival
    #[arg(long, requires = "objective", default_values_t = ["multiplier".to_string()])]
    pub quantity: Vec<String>,
    /// Sign of the advantage
    #[arg(long, value_enum, requires = "objective", default_value_t = Sign::Both)]
    pub sign: Sign,
    /// Least ratio
    #[arg(long, conflicts_with = "figure", default_value_t = 0.1, allow_negative_numbers = true)]
    pub from: f64,
    /// Greatest ratio
    #[arg(long, conflicts_with = "figure", default_value_t = 10.0, allow_negative_numbers = true)]
    pub to: f64,
    /// File to write; without it, stdout
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Draw::Svg)]
    pub format: Draw,
}

/// `surefoot objective bias`
#[derive(Debug, Arguments)]
pub struct Bias {
    /// An objective to measure; may be repeated. Without it, those of DGPO's tables and mhpo
    #[arg(long, value_name = "KEY[,OPTION=VALUE]...")]
    pub objective: Vec<String>,
    /// Exponents of the ratio's density k·r^gamma in LN, for the closed forms; may be repeated
    #[arg(long, default_values_t = [0.0, 1.0, 2.0, 3.0, 6.0, 10.0, 100.0])]
    pub gamma: Vec<f64>,
    /// Tokens of the vocabulary of the softmax policy
    #[arg(long, default_value_t = 32)]
    pub vocabulary: usize,
    /// States of the softmax policy
    #[arg(long, default_value_t = 64)]
    pub states: usize,
    /// Standard deviation of the change of its logits: how far off-policy it is
    #[arg(long, default_value_t = 0.5)]
    pub drift: f64,
    /// Seed of the policies and advantages
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// `surefoot objective check`
#[derive(Debug, Arguments)]
pub struct Check {
    /// Objectives to check; without any, all that there are
    #[arg(value_name = "KEY[,OPTION=VALUE]...")]
    pub objectives: Vec<String>,
    /// Set an option of each of them; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Objectives that are tried on a run's tokens.
#[derive(Debug, Arguments)]
pub struct Objectives {
    /// An objective to try on the run's tokens; may be repeated
    #[arg(long, value_name = "KEY[,OPTION=VALUE]...")]
    pub objective: Vec<String>,
    /// Try every objective on them
    #[arg(long)]
    pub all: bool,
}

/// `surefoot replay`
#[derive(Debug, Arguments)]
#[command(after_help = OBJECTIVE_HELP)]
#[command(group = clap::ArgGroup::new("tried").args(["objective", "all"]).required(true).multiple(true))]
pub struct Replay {
    /// The run folder
    pub run: PathBuf,
    #[command(flatten)]
    pub objectives: Objectives,
    /// How to write it; json is a line a step and objective
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Draw it into this file as well
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}
