//! `docs/metrics.md`, generated from [`super::METRICS`].

use super::METRICS;

const OPENING: &str = "\
# Metrics

<!-- Generated from crates/trainer/src/metrics/definition.rs by `UPDATE_DOCS=1 cargo test -p surefoot-trainer docs_metrics`. -->

`metrics.jsonl` in the run folder has one line a step: `{\"step\": 1, \"reward/mean\": 0.31, …}`. It is the one source for plots,
reports and tests. A run that is killed and resumed has the same lines as one that was not, except for what depends on the
clock (`time/…`, `…/tokens_per_second`). A value that is not finite is `null`.

Notation: P prompts, G samples a prompt, R a reward, A an advantage, l = logp − logp_old, ratio = exp(l); t runs over the
tokens that are trained, of all updates of the step. An objective's statistic `group/name` of [statistics.md](statistics.md),
which says what to look for, is `update/group_name` here.
";

/// The whole page.
pub fn page() -> String {
    let mut page = OPENING.to_string();
    let mut stage = "";
    for metric in METRICS {
        let this = metric.name.split('/').next().unwrap_or_default();
        if this != stage {
            stage = this;
            page.push_str(&format!("\n## {stage}\n\n| name | unit | meaning | equation |\n|---|---|---|---|\n"));
        }
        let equation = metric.equation.replace('|', "\\|");
        page.push_str(&format!("| `{}` | {} | {} | {equation} |\n", metric.name, metric.unit, metric.meaning));
    }
    page
}
