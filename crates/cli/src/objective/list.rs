//! `surefoot objective list`

use serde_json::{Value as Json, json};
use surefoot_trainer::objectives::{Objective, Setting, Value, recipes};

use super::{row, table};
use crate::args::{Format, List};
use crate::exit::Exit;
use crate::output;

/// Prints every objective.
pub fn run(args: &List) -> anyhow::Result<Exit> {
    match args.format {
        Format::Table => {
            let mut rows = vec![row(["key", "paper", "aggregation", "advantages", "options"])];
            for recipe in recipes() {
                let options: Vec<String> = own_settings(recipe.key)?
                    .iter()
                    .map(|setting| format!("{}={}", setting.key, setting.value))
                    .collect();
                rows.push(row([
                    recipe.key,
                    recipe.source,
                    recipe.aggregation.key(),
                    recipe.estimator.key(),
                    &options.join(" "),
                ]));
            }
            output::lines(&table(&rows))?;
        }
        Format::Json => {
            let all: Vec<Json> = recipes()
                .iter()
                .map(|recipe| {
                    let options: Vec<Json> = own_settings(recipe.key)?
                        .iter()
                        .map(|setting| {
                            let default = match &setting.value {
                                Value::Number(number) => json!(number),
                                Value::Text(text) => json!(text),
                            };
                            json!({ "key": setting.key, "default": default, "takes": setting.takes, "about": setting.about })
                        })
                        .collect();
                    Ok(json!({
                        "key": recipe.key,
                        "title": recipe.title,
                        "paper": recipe.source,
                        "aggregation": recipe.aggregation.key(),
                        "advantages": recipe.estimator.key(),
                        "multiplier_bound": recipe.control.multiplier_bound(),
                        "options": options,
                    }))
                })
                .collect::<anyhow::Result<_>>()?;
            output::data(&serde_json::to_string_pretty(&all)?)?;
        }
    }
    Ok(Exit::Done)
}

/// The objective's own options; the aggregation has a column of its own, and every objective takes any.
fn own_settings(key: &str) -> anyhow::Result<Vec<Setting>> {
    let settings = Objective::named(key)?.settings();
    Ok(settings.into_iter().filter(|setting| !Objective::SHARED.contains(&setting.key)).collect())
}
