//! `surefoot objective`

mod bias;
mod check;
mod curve;
mod eval;
mod figures;
mod list;

use anyhow::Context;
use surefoot_trainer::objectives::Objective;
use surefoot_trainer::table::{Numbers, aligned};

use crate::args::ObjectiveCommand;
use crate::exit::Exit;

/// Runs the command.
pub fn run(command: &ObjectiveCommand) -> anyhow::Result<Exit> {
    match command {
        ObjectiveCommand::List(args) => list::run(args),
        ObjectiveCommand::Eval(args) => eval::run(args),
        ObjectiveCommand::Curve(args) => curve::run(args),
        ObjectiveCommand::Bias(args) => bias::run(args),
        ObjectiveCommand::Check(args) => check::run(args),
    }
}

/// The objective that the text of an `--objective` names, as `mhpo,bound=1.0`.
pub fn parse(text: &str) -> anyhow::Result<Objective> {
    parse_of("--objective ", text)
}

/// As [`parse`], for an argument that is called so in errors.
fn parse_of(argument: &str, text: &str) -> anyhow::Result<Objective> {
    let mut parts = text.split(',').map(str::trim);
    let mut objective = Objective::named(parts.next().unwrap_or_default())?;
    let mut given: Vec<&str> = Vec::new();
    for option in parts {
        let key = option.split('=').next().unwrap_or_default().trim();
        // Which of two values was meant is not known.
        anyhow::ensure!(!given.contains(&key), "{argument}{text}: `{key}` is there twice");
        given.push(key);
        set(&mut objective, option).with_context(|| format!("{argument}{text}"))?;
    }
    Ok(objective)
}

/// Sets `KEY=VALUE`, an option of the objective or of its regularisers. A key that both have is the objective's.
fn set(objective: &mut Objective, text: &str) -> anyhow::Result<()> {
    let (key, value) = text
        .split_once('=')
        .map(|(key, value)| (key.trim(), value.trim()))
        .with_context(|| format!("`{text}` is no option; write it as clip_low=0.2"))?;
    Ok(objective.set_anywhere(key, value)?)
}

/// Lines of a table of words and numbers.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    aligned(rows, Numbers::Left)
}

/// Cells of a table's row.
pub fn row<T: ToString>(cells: impl IntoIterator<Item = T>) -> Vec<String> {
    cells.into_iter().map(|cell| cell.to_string()).collect()
}

/// The positive ones of numbers that must be; names the argument in its error.
fn positive(name: &str, number: f64) -> anyhow::Result<f64> {
    anyhow::ensure!(number.is_finite() && number > 0.0, "{name} is {number}; it must be a number above 0");
    Ok(number)
}
