//! `surefoot report`: one HTML file about one or several runs, that needs nothing else and no network.
//!
//! A report draws [`Group`]s: a run, or the runs of one cell of a study that differ in their seed alone. What cannot be read is
//! told at the top of the page, and the rest is shown.
//!
//! | | |
//! |---|---|
//! | `run.rs`, `tokens.rs` | what a run folder holds |
//! | `series.rs`, `axis.rs`, `plot.rs` | steps thinned, scales, SVG |
//! | `figure.rs` | title, legend, drawing and the table behind it |
//! | `curves.rs`, `shares.rs`, `scatter.rs`, `multipliers.rs`, `within.rs`, `replayed.rs` | the figures |
//! | `overview.rs`, `samples.rs`, `settings.rs` | the tables and texts around them |
//! | `page.rs`, `page.css`, `page.js` | the page |

mod axis;
mod curves;
mod figure;
mod multipliers;
mod overview;
mod page;
mod plot;
mod replayed;
mod run;
mod samples;
mod scatter;
mod series;
mod settings;
mod shares;
mod text;
mod tokens;
mod within;

use std::path::PathBuf;

pub use replayed::Replayed;
pub use run::RunData;
use series::Buckets;

/// Colours that the page tells apart.
const COLOURS: usize = 8;
/// Dash patterns: with the colours, so many lines can be told apart.
const DASHES: usize = 4;

/// Class of the `index`-th of several lines: a colour, and a dash pattern from the second round through the colours on.
fn line_class(index: usize) -> String {
    match index / COLOURS % DASHES {
        0 => format!("c{}", index % COLOURS),
        dash => format!("c{} d{dash}", index % COLOURS),
    }
}

/// Runs that are drawn as one: a line is their mean, the band around it their range.
#[derive(Debug)]
pub struct Group {
    /// Its name in the legends.
    pub label: String,
    /// Its runs.
    pub runs: Vec<RunData>,
}

impl Group {
    fn last_step(&self) -> u64 {
        self.runs.iter().flat_map(|run| run.records.last()).map(|record| record.step).max().unwrap_or(0)
    }
}

/// What a page shows.
#[derive(Debug)]
pub struct Report {
    /// Title of the page.
    pub title: String,
    /// The groups, each with a colour of its own.
    pub groups: Vec<Group>,
    /// What a reader must know: what could not be read, what cannot be compared.
    pub notices: Vec<String>,
    /// HTML that stands before the figures, as a study's table.
    pub opening: String,
    /// What other objectives would have done with the tokens of runs.
    pub replays: Vec<Replayed>,
}

/// A table as HTML, with a note above it.
pub fn table(head: &[&str], rows: &[Vec<String>], note: &str) -> String {
    let head = head.iter().map(|name| (*name).to_string()).collect();
    let rows = rows.iter().map(|cells| (None, cells.clone())).collect();
    figure::Table { head, rows, note: note.to_string(), ..figure::Table::default() }.html()
}

impl Report {
    /// A report on these run folders, each a group of its own. Folders without anything to show are left out with a notice.
    pub fn of_runs(folders: &[PathBuf]) -> Self {
        let mut notices = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        let read: Vec<RunData> = folders.iter().map(|folder| RunData::read(folder)).collect();
        let some = read.iter().any(|run| !run.records.is_empty());
        for (folder, run) in folders.iter().zip(read) {
            // The demo writes its model beside the run, and `runs/*` names both.
            if some && run.is_model {
                continue;
            }
            notices.extend(run.notices.iter().map(|notice| format!("{}: {notice}", run.name)));
            if !run.records.is_empty() {
                let taken = groups.iter().any(|group| group.label == run.name);
                let label = if taken { folder.display().to_string() } else { run.name.clone() };
                groups.push(Group { label, runs: vec![run] });
            }
        }
        let title = match groups.as_slice() {
            [one] => one.label.clone(),
            several => format!("{} runs", several.len()),
        };
        Self { title, groups, notices, opening: String::new(), replays: Vec::new() }.compared()
    }

    /// A report on groups that the caller put together; `notices` come first.
    pub fn of_groups(title: String, groups: Vec<Group>, notices: Vec<String>, opening: String) -> Self {
        Self { title, groups, notices, opening, replays: Vec::new() }.compared()
    }

    /// What the page calls the run in `folder`.
    pub fn label(&self, folder: &std::path::Path) -> String {
        let group = self.groups.iter().find(|group| group.runs.iter().any(|run| run.path == folder));
        group.map_or_else(|| folder.display().to_string(), |group| group.label.clone())
    }

    /// Whether the page shows the run in `folder`.
    pub fn shows(&self, folder: &std::path::Path) -> bool {
        self.groups.iter().any(|group| group.runs.iter().any(|run| run.path == folder))
    }

    /// Adds what makes a comparison misleading.
    fn compared(mut self) -> Self {
        self.notices.extend(settings::different_tasks(&self.groups));
        if self.groups.len() > COLOURS * DASHES {
            self.notices.push(format!(
                "more than {} runs: lines look alike; a name in a legend, when it is chosen, shows its own",
                COLOURS * DASHES
            ));
        }
        self
    }

    /// Whether there is anything to draw.
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.runs.iter().all(|run| run.records.is_empty()))
    }

    /// The page.
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// Whether there are so many runs that a figure has room for one line of each.
    fn is_crowded(&self) -> bool {
        self.groups.len() > COLOURS
    }

    fn buckets(&self) -> Buckets {
        let buckets = Buckets::new(self.groups.iter().map(Group::last_step).max().unwrap_or(0));
        let mut records = self.groups.iter().flat_map(|group| &group.runs).flat_map(|run| &run.records);
        if records.any(|record| record.step == 0) { buckets.with_zero() } else { buckets }
    }
}
