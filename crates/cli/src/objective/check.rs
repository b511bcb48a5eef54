//! `surefoot objective check`

use anyhow::Context;
use serde_json::{Value as Json, json};
use surefoot_trainer::objectives::{Finding, Verdict, check_surrogate, recipes};

use super::{parse_of, row, set, table};
use crate::args::{Check, Format};
use crate::exit::Exit;
use crate::output;

/// Checks each objective; wrong is [`Exit::Wrong`].
pub fn run(args: &Check) -> anyhow::Result<Exit> {
    let mut names = args.objectives.clone();
    if names.is_empty() {
        names.extend(recipes().iter().map(|recipe| recipe.key.to_string()));
    }
    let mut checked: Vec<(String, Vec<Finding>)> = Vec::new();
    for name in names {
        let mut objective = parse_of("", &name)?;
        for option in &args.set {
            set(&mut objective, option).with_context(|| format!("--set {option}"))?;
        }
        checked.push((name, check_surrogate(&objective)));
    }
    let failed = checked.iter().flat_map(|(_, findings)| findings).filter(|finding| finding.verdict == Verdict::Fails);
    let failed = failed.count();
    match args.format {
        Format::Table => {
            let mut rows = vec![row(["objective", "check", "", "found"])];
            for (name, findings) in &checked {
                let cells =
                    |finding: &Finding| row([name.as_str(), finding.check, word(finding.verdict), &finding.found]);
                rows.extend(findings.iter().map(cells));
            }
            output::lines(&table(&rows))?;
        }
        Format::Json => {
            let one = |finding: &Finding| json!({ "check": finding.check, "verdict": word(finding.verdict), "found": finding.found });
            let all: Vec<Json> = checked
                .iter()
                .map(|(name, findings)| {
                    json!({ "objective": name, "findings": findings.iter().map(one).collect::<Vec<_>>() })
                })
                .collect();
            output::data(&serde_json::to_string_pretty(&all)?)?;
        }
    }
    if failed > 0 {
        output::note(&format!("{failed} {} failed", if failed == 1 { "check" } else { "checks" }));
        return Ok(Exit::Wrong);
    }
    Ok(Exit::Done)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "ok",
        Verdict::Note => "note",
        Verdict::Fails => "FAILS",
    }
}
