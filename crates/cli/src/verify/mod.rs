//! `surefoot verify`

mod rows;

use std::time::Duration;

use surefoot_trainer::verifier::{Boxes, Format, Mode, Options, Verdict, verify};

use crate::args::{Form, SeveralBoxes, Verify};
use crate::exit::Exit;
use crate::output;

/// Compares one pair, or every row of stdin.
pub fn run(args: &Verify) -> anyhow::Result<Exit> {
    let options = resolve(args);
    let (Some(gold), Some(answer)) = (&args.gold, &args.answer) else {
        return rows::run(&options, args.explain, args.max_line_bytes);
    };
    let report = verify(gold, answer, &options);
    output::data(&if args.explain { report.to_string() } else { report.verdict.to_string() })?;
    Ok(match report.verdict {
        Verdict::Correct => Exit::Done,
        Verdict::Wrong => Exit::Wrong,
        Verdict::Unparseable { .. } => Exit::Unparseable,
        Verdict::OverBudget => Exit::OverBudget,
    })
}

fn resolve(args: &Verify) -> Options {
    let format = args.strict.map(|form| match form {
        Form::Boxed => Format::Boxed,
        Form::ThinkAnswer => Format::ThinkAnswer,
        Form::Answer => Format::Answer,
        Form::Hashes => Format::Hashes,
    });
    let boxes = match args.boxes {
        SeveralBoxes::Agree => Boxes::Agree,
        SeveralBoxes::Last => Boxes::Last,
        SeveralBoxes::Joined => Boxes::Joined,
    };
    let mode = format.map_or(Mode::Lenient, Mode::Strict);
    Options { mode, boxes, deadline: Some(Duration::from_millis(args.budget_ms)), ..Options::default() }
}
