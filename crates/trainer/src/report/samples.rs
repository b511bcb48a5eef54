//! Samples with their verdicts.

use super::Report;
use super::text::{short, shortened};
use crate::markup::escape;
use crate::run_folder::rollouts::Sample;

/// Samples that are shown of a step.
const A_STEP: usize = 4;
/// Most characters of a text.
const MOST_CHARACTERS: usize = 2000;

/// A few samples of a step: one of each verdict first, then further problems.
pub(super) fn chosen(samples: Vec<Sample>) -> Vec<Sample> {
    let mut chosen: Vec<Sample> = Vec::new();
    for sample in &samples {
        if chosen.len() < A_STEP && chosen.iter().all(|known| known.verdict != sample.verdict) {
            chosen.push(sample.clone());
        }
    }
    for sample in samples {
        if chosen.len() < A_STEP && chosen.iter().all(|known| known.row != sample.row) {
            chosen.push(sample);
        }
    }
    chosen
}

/// As [`chosen`], with those first whose ratios went farthest from 1.
pub(super) fn farthest_first(mut samples: Vec<Sample>) -> Vec<Sample> {
    let reach = |sample: &Sample| reach(sample).map_or(0.0, |(low, high)| high.max(-low));
    samples.sort_by(|a, b| reach(b).total_cmp(&reach(a)));
    chosen(samples)
}

/// The least and the greatest logarithm of the ratio of its tokens, where an update has read them.
fn reach(sample: &Sample) -> Option<(f64, f64)> {
    let pairs = sample.logp.iter().zip(&sample.logp_old).map(|(new, old)| f64::from(*new) - f64::from(*old));
    let ratios: Vec<f64> = pairs.filter(|ratio| ratio.is_finite()).collect();
    Some((ratios.iter().copied().reduce(f64::min)?, ratios.iter().copied().reduce(f64::max)?))
}

/// The samples of every run, folded away; empty when nothing was recorded.
pub(super) fn samples(report: &Report) -> String {
    let mut html = String::new();
    for group in &report.groups {
        // The first of a study's seeds stands for the others.
        let Some(run) = group.runs.iter().find(|run| !run.samples.is_empty()) else { continue };
        html.push_str(&format!("<details class=\"samples\"><summary>{}</summary>", escape(&group.label)));
        for sample in &run.samples {
            html.push_str(&card(sample));
        }
        html.push_str("</details>");
    }
    html
}

fn card(sample: &Sample) -> String {
    let known = matches!(sample.verdict.as_str(), "correct" | "wrong");
    let verdict = if known { sample.verdict.as_str() } else { "other" };
    let reward = sample.reward.map_or_else(|| "not judged".to_string(), |reward| short(f64::from(reward)));
    let ratios = reach(sample).map_or_else(String::new, |(low, high)| {
        format!(", ratios {} to {} (mini-batch {})", short(low.exp()), short(high.exp()), sample.mini_batch + 1)
    });
    let text = |text: &str| escape(&shortened(text, MOST_CHARACTERS));
    format!(
        "<article><p><b class=\"verdict {verdict}\">{}</b> step {}, row {}, sample {}; reward {reward}, advantage {}{ratios}{}</p>\
         <dl><dt>prompt</dt><dd><pre>{}</pre></dd><dt>completion</dt><dd><pre>{}</pre></dd><dt>gold answer</dt><dd><pre>{}</pre></dd></dl></article>",
        escape(&sample.verdict),
        sample.step,
        sample.row,
        sample.sample,
        short(f64::from(sample.advantage)),
        if sample.truncated { "; cut at the greatest length" } else { "" },
        text(&sample.prompt),
        text(&sample.completion),
        text(&sample.answer),
    )
}

#[cfg(test)]
mod tests {
    use super::{Sample, chosen};

    #[test]
    fn each_verdict_comes_first() {
        let sample = |row, verdict: &str| Sample { row, verdict: verdict.into(), ..Sample::default() };
        let all = vec![
            sample(0, "wrong"),
            sample(0, "wrong"),
            sample(1, "wrong"),
            sample(2, "wrong"),
            sample(2, "correct"),
            sample(3, "wrong"),
        ];
        let verdicts: Vec<(u64, String)> = chosen(all).into_iter().map(|s| (s.row, s.verdict)).collect();
        let expected =
            [(0, "wrong"), (2, "correct"), (1, "wrong"), (3, "wrong")].map(|(row, verdict)| (row, verdict.to_string()));
        assert_eq!(verdicts, expected);
    }
}
