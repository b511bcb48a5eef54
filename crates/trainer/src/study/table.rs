//! The table of a study, as Markdown and as a part of the report.

use super::outcome::{COLLAPSED, SPIKE, is_evaluation};
use super::{Cell, Estimate, Outcome, Plan, State};
use crate::collapse::Collapse;
use crate::metrics::Metric;
use crate::report::{Group, Report, RunData};

/// The table of a study, and the report that draws it.
#[derive(Debug)]
pub struct Table {
    /// One line an objective and setting.
    pub summary: Vec<Vec<String>>,
    /// One line a run.
    pub runs: Vec<Vec<String>>,
    /// What could not be read, and what is not finished.
    pub notices: Vec<String>,
    /// Runs that a detector of `[stop]` ended, and where.
    pub ended: Vec<String>,
    /// Runs whose folders hold something else than the study asks for, which are left out.
    pub others: usize,
    groups: Vec<Group>,
    score: Metric,
    name: String,
}

const SUMMARY: [&str; 8] = ["objective", "runs", "Start", "Best", "Latest", "Δ", "gradient spikes a run", "collapsed"];
const RUNS: [&str; 9] = ["run", "steps", "Start", "Best", "Latest", "Δ", "gradient spikes", "collapsed", "ended early"];
/// What stands where there is no number.
const NONE: &str = "–";

impl Table {
    /// Reads the run folders of a study, and nothing else. Runs that are not finished are named and left out.
    pub fn read(plan: &Plan) -> Self {
        let mut table = Table {
            summary: Vec::new(),
            runs: Vec::new(),
            notices: Vec::new(),
            ended: Vec::new(),
            others: 0,
            groups: Vec::new(),
            score: plan.score,
            name: plan.name.clone(),
        };
        for (row, cells) in plan.rows() {
            table.row(row, &cells);
        }
        table
    }

    fn row(&mut self, row: &str, cells: &[&Cell]) {
        let (mut outcomes, mut runs) = (Vec::new(), Vec::new());
        for cell in cells {
            let ended = match cell.state() {
                Ok(State::Finished) => None,
                Ok(State::Ended(collapse)) => Some(collapse),
                Ok(state) => {
                    let what = if state == State::New { "has not begun" } else { "is not finished" };
                    self.notices.push(format!("{}: {what}; left out", cell.name));
                    continue;
                }
                Err(error) => {
                    self.others += 1;
                    self.notices.push(format!("{}: left out: {error}", cell.name));
                    continue;
                }
            };
            if let Some(Collapse { key, step, .. }) = ended {
                self.ended.push(format!("{}: ended early at step {step} by stop.{key}", cell.name));
            }
            // The first of the seeds stands for the samples and tokens of all.
            let data = if runs.is_empty() { RunData::read(&cell.run) } else { RunData::read_metrics(&cell.run) };
            self.notices.extend(data.notices.iter().map(|notice| format!("{}: {notice}", cell.name)));
            match Outcome::of(&data.records, self.score, cell.config.train.steps, ended) {
                Some(outcome) => {
                    self.runs.push(one(&cell.name, data.records.last().map_or(0, |record| record.step), &outcome));
                    outcomes.push(outcome);
                }
                None => self.notices.push(format!("{}: has no finite {}; left out", cell.name, self.score.name)),
            }
            runs.push(data);
        }
        let estimate = |value: fn(&Outcome) -> Option<f64>| {
            let values: Vec<f64> = outcomes.iter().filter_map(value).collect();
            match Estimate::of(&values) {
                None => NONE.to_string(),
                Some(estimate) if values.len() == outcomes.len() => estimate.text(),
                Some(estimate) => format!("{} ({} of {})", estimate.text(), values.len(), outcomes.len()),
            }
        };
        let collapsed = outcomes.iter().filter(|outcome| outcome.collapsed).count();
        let spikes: Vec<f64> =
            outcomes.iter().filter_map(|outcome| outcome.spikes).map(|spikes| spikes as f64).collect();
        self.summary.push(vec![
            row.to_string(),
            format!("{} of {}", outcomes.len(), cells.len()),
            estimate(|outcome| outcome.start),
            estimate(|outcome| Some(outcome.best)),
            estimate(|outcome| outcome.latest),
            estimate(Outcome::delta),
            match spikes.len() {
                0 => NONE.to_string(),
                runs => format!("{:.1}", spikes.iter().sum::<f64>() / runs as f64),
            },
            format!("{collapsed} of {}", outcomes.len()),
        ]);
        if !runs.is_empty() {
            self.groups.push(Group { label: row.to_string(), runs });
        }
    }

    /// What the columns mean.
    pub fn legend(&self) -> String {
        let score = if is_evaluation(self.score) {
            "Start: the evaluation of the model that a run starts from; Best: its best evaluation, the start included; Latest: its last"
        } else {
            "A score of training, over windows of a tenth of the steps (1 to 10). Start: the first step; Best: the greatest window, or the start; Latest: the last window"
        };
        format!(
            "Mean ± half the 95% interval over seeds (Student's t). Score: {}, {}. {score}; Δ = Latest − Best (MHPO Table 4). Spike: \
             a step whose greatest gradient norm is beyond {SPIKE} times the median of the run's steps with a gradient. Collapsed: \
             ended by a detector of [stop], or Latest below {COLLAPSED} of Best. Latest and Δ are those of the runs that made all their steps.",
            self.score.name, self.score.meaning
        )
    }

    /// The summary as Markdown.
    pub fn markdown(&self) -> String {
        markdown(&SUMMARY, &self.summary)
    }

    /// The whole of `table.md`.
    pub fn document(&self) -> String {
        let mut text = format!("# {}\n\n{}\n{}\n", self.name, self.markdown(), self.legend());
        if !self.notices.is_empty() {
            text.push_str("\n## Left out\n\n");
            self.notices.iter().for_each(|notice| text.push_str(&format!("- {notice}\n")));
        }
        text.push_str(&format!("\n## Runs\n\n{}\nFigures: [report.html](report.html)\n", markdown(&RUNS, &self.runs)));
        text
    }

    /// The report with the table in front; `None` before any run is finished.
    pub fn report(self) -> Option<Report> {
        if self.groups.is_empty() {
            return None;
        }
        let opening = format!(
            "<section><h2>Study</h2>{}<details><summary>Each run on its own</summary>{}</details></section>\n",
            crate::report::table(&SUMMARY, &self.summary, &self.legend()),
            crate::report::table(&RUNS, &self.runs, "")
        );
        Some(Report::of_groups(self.name, self.groups, self.notices, opening))
    }
}

fn one(name: &str, steps: u64, outcome: &Outcome) -> Vec<String> {
    let number = |value: f64| format!("{value:.3}").replace('-', "−");
    let or_none = |value: Option<f64>| value.map_or_else(|| NONE.to_string(), number);
    vec![
        name.to_string(),
        steps.to_string(),
        or_none(outcome.start),
        number(outcome.best),
        or_none(outcome.latest),
        or_none(outcome.delta()),
        outcome.spikes.map_or_else(|| NONE.to_string(), |spikes| spikes.to_string()),
        if outcome.collapsed { "yes" } else { "no" }.to_string(),
        outcome.ended.map_or_else(|| "no".to_string(), |ended| format!("step {}, stop.{}", ended.step, ended.key)),
    ]
}

fn markdown(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.to_vec()) + &format!("|{}\n", "---|".repeat(head.len()));
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}
