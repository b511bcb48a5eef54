//! `surefoot data make`

use std::io::Write;

use surefoot_trainer::tasks::{self, Task, TaskSpec};

use crate::args::{Make, Style};
use crate::exit::Exit;
use crate::output;

/// Writes the rows of a task.
pub fn make(args: &Make) -> anyhow::Result<Exit> {
    let spec = resolve(args)?;
    let mut stdout = output::stdout();
    for (problem, answer) in spec.rows() {
        writeln!(stdout, "{}", serde_json::json!({ "problem": problem, "answer": answer }))?;
    }
    stdout.flush()?;
    Ok(Exit::Done)
}

fn resolve(args: &Make) -> anyhow::Result<TaskSpec> {
    let style = match args.style {
        Style::Words => tasks::Style::Words,
        Style::Plain => tasks::Style::Plain,
    };
    let Make { rows, seed, min_digits, digits, numbers, .. } = *args;
    let spec = TaskSpec { rows, seed, min_digits, digits, numbers, style, ..TaskSpec::new(&args.task)? };
    spec.check()?;
    Ok(spec)
}

/// The tasks, for the help.
pub fn tasks_help() -> String {
    let lines: Vec<String> = Task::ALL.iter().map(|(_, name, about)| format!("  {name:<15} {about}")).collect();
    format!(
        "Tasks:\n{}\n\nIn a configuration: data.train = \"task:addition,rows=1000,seed=0,digits=3\"",
        lines.join("\n")
    )
}
