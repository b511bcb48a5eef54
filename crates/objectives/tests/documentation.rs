//! The numbers of `docs/objectives.md` are computed here; on a difference the test prints the table as it should be.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::bias::{LeftBias, ce_gppo_printed, closed_form, turns};
use surefoot_objectives::curve::{Quantity, value};
use surefoot_objectives::{Objective, RECIPES};

fn check(table: &str) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/objectives.md")).unwrap();
    assert!(text.contains(table), "docs/objectives.md should hold:\n{table}");
}

#[test]
fn defaults() {
    let mut table = String::from("| key | paper | options | aggregation | advantages |\n|---|---|---|---|---|\n");
    for recipe in RECIPES {
        let objective = Objective::named(recipe.key).unwrap();
        let options: Vec<String> = objective
            .settings()
            .into_iter()
            .filter(|setting| !Objective::SHARED.contains(&setting.key))
            .map(|setting| format!("`{} = {}`", setting.key, setting.value))
            .collect();
        let options = if options.is_empty() { "none".to_owned() } else { options.join(", ") };
        table += &format!(
            "| `{}` | {} | {options} | `{}` | `{}` |\n",
            recipe.key, recipe.source, recipe.aggregation, recipe.estimator
        );
    }
    check(&table);
}

#[test]
fn multipliers() {
    let mut table = String::from(
        "| key | r = 1 | r = ½, A<0 (LN) | r = ½, A>0 (LP) | r = 2, A>0 (HP) | r = 2, A<0 (HN) | r = 10, A<0 | greatest |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for recipe in RECIPES {
        let objective = Objective::named(recipe.key).unwrap();
        // those that differ from grpo in advantages or aggregation alone, and those that go by a token's probability
        if ["dr_grpo", "rloo", "reinforce_plus_plus"].contains(&recipe.key) || objective.control.reads_probability() {
            continue;
        }
        table += &format!("| `{}` |", recipe.key);
        for (ratio, positive) in [(1.0, true), (0.5, false), (0.5, true), (2.0, true), (2.0, false), (10.0, false)] {
            table += &format!(" {:.3} |", value(&objective, Quantity::Multiplier, ratio, positive).unwrap());
        }
        table += &match objective.control.multiplier_bound() {
            Some(bound) => format!(" {bound:.3} |\n"),
            None => " ∞ |\n".to_owned(),
        };
    }
    check(&table);
}

#[test]
fn biases() {
    let ce = LeftBias::Scaled { beta_low: 0.75 };
    let mut table = String::from(
        "| γ | GRPO, ASPO | CISPO, GPPO | CE-GPPO | (as eq. 31 prints it) | DGPO n=1 | DGPO n=2 |\n|---|---|---|---|---|---|---|\n",
    );
    for gamma in [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 100.0] {
        table += &format!(
            "| {gamma} | 1 | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |\n",
            closed_form(LeftBias::Constant, gamma),
            closed_form(ce, gamma),
            ce_gppo_printed(0.75, gamma),
            closed_form(LeftBias::Decayed { decay_low: 1.0 }, gamma),
            closed_form(LeftBias::Decayed { decay_low: 2.0 }, gamma),
        );
    }
    check(&table);
    let two = LeftBias::Decayed { decay_low: 2.0 };
    for (number, turn) in [
        ("up to γ = ", turns(ce, LeftBias::Constant, 100.0)[0]),
        ("than CISPO up to γ = ", turns(two, LeftBias::Constant, 100.0)[0]),
        ("below γ = ", turns(two, ce, 100.0)[0]),
        ("from γ = ", turns(two, ce, 100.0)[1]),
    ] {
        check(&format!("{number}{turn:.2}"));
    }
}
