//! The page around figures and tables.

use super::figure::Figure;
use super::{Report, curves, multipliers, overview, replayed, samples, scatter, settings, shares, within};
use crate::markup::escape;

/// Nothing may be loaded from anywhere, whatever a completion holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// How figures are read.
const HOW: &str = "<p>An underlined name in a legend, when it is chosen, shows its lines alone; below the pointer are the values of the table.</p>";
/// Notices that are shown unfolded.
const NOTICES: usize = 8;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let buckets = report.buckets();
    let title = format!("{} · surefoot report", report.title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<header><h1>{}</h1><p>surefoot {}</p></header>\n<main>\n",
        escape(&title),
        include_str!("page.css"),
        escape(&report.title),
        env!("CARGO_PKG_VERSION"),
    );
    if !report.notices.is_empty() {
        html.push_str(&notices(&report.notices));
    }
    html.push_str(&report.opening);
    if report.is_empty() {
        html.push_str("<p>None of the folders has metrics to show.</p>\n");
    } else {
        section(&mut html, "Runs", &overview::overview(report));
        let mut figures = curves::figures(report, buckets);
        figures.extend(shares::regions(report, buckets));
        figures.extend(within::within(report));
        figures.extend(scatter::scatter(report));
        figures.extend(multipliers::histogram(report));
        figures.extend(shares::timing(report));
        section(&mut html, "Figures", &format!("{HOW}{}", drawn(&figures)));
        section(
            &mut html,
            "Replay: what other objectives would have done",
            &drawn(&replayed::figures(report, buckets)),
        );
        section(&mut html, "Samples", &samples::samples(report));
        section(&mut html, "Configuration", &settings::settings(report));
    }
    html.push_str(&format!("</main>\n<script>\n{}</script>\n</body>\n</html>\n", include_str!("page.js")));
    html
}

/// The notices, each once; what would fill a screen is folded.
fn notices(all: &[String]) -> String {
    let mut once: Vec<&String> = Vec::new();
    for notice in all {
        if !once.contains(&notice) {
            once.push(notice);
        }
    }
    let list = |notices: &[&String]| -> String {
        let items = notices.iter().map(|notice| format!("<li>{}</li>", escape(notice)));
        format!("<ul>{}</ul>", items.collect::<String>())
    };
    let (first, rest) = once.split_at(once.len().min(NOTICES));
    let mut html = format!("<section class=\"notices\" role=\"note\"><h2>To know first</h2>{}", list(first));
    if !rest.is_empty() {
        html.push_str(&format!("<details><summary>{} more</summary>{}</details>", rest.len(), list(rest)));
    }
    html + "</section>\n"
}

fn drawn(figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let drawn: String = figures.iter().map(Figure::html).collect();
    format!("<div class=\"figures\">{drawn}</div>")
}

fn section(html: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        html.push_str(&format!("<section><h2>{title}</h2>{body}</section>\n"));
    }
}
