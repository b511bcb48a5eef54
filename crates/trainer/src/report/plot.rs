//! SVG: a frame with two axes, and what is drawn in it. Sizes are units of a view box that the page scales.

use super::axis::Scale;
use super::series::Summary;
use crate::markup::escape;

/// Width of a drawing.
pub(super) const WIDTH: f64 = 420.0;
/// Height of a drawing.
pub(super) const HEIGHT: f64 = 250.0;
/// Width of a character of the tick labels.
const CHARACTER: f64 = 8.0;

/// A drawing with its axes.
pub(super) struct Frame {
    pub x: Scale,
    pub y: Scale,
    left: f64,
    svg: String,
}

const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;
const RIGHT: f64 = 14.0;

impl Frame {
    /// Axes with their numbers and labels; `what` says aloud what the drawing shows.
    pub fn new(what: &str, x: Scale, x_label: &str, y: Scale, y_label: &str) -> Self {
        Self::framed(what, (x, x_label), (y, y_label), y.ticks())
    }

    fn framed(what: &str, (x, x_label): (Scale, &str), (y, y_label): (Scale, &str), ticks: Vec<(f64, String)>) -> Self {
        let widest = ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1);
        let left = if ticks.is_empty() { RIGHT } else { (widest as f64 * CHARACTER + 10.0).max(30.0) };
        let mut frame = Self { x, y, left, svg: String::new() };
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        frame.svg.push_str(&format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\" data-frame=\"{left:.1} {right:.1} {}\">",
            escape(what),
            match x {
                Scale::Linear { low, high, .. } | Scale::Symmetric { low, high, .. } => format!("{low} {high}"),
                // The hover line needs places that are proportional.
                Scale::Log { low, high } => format!("{} {} log", low.ln(), high.ln()),
            }
        ));
        for (value, label) in ticks {
            let at = frame.place_y(value);
            frame.svg.push_str(&format!(
                "<path class=\"grid\" d=\"M{left:.1} {at:.1}H{right:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                left - 6.0,
                at + 4.0
            ));
        }
        for (value, label) in frame.x.ticks() {
            let at = frame.place_x(value);
            // The last label must not leave the drawing.
            let anchor = if at > right - 8.0 { "end" } else { "middle" };
            let nudged = if anchor == "end" { at + RIGHT - 2.0 } else { at };
            frame.svg.push_str(&format!(
                "<path class=\"axis\" d=\"M{at:.1} {bottom:.1}v4\"/><text x=\"{nudged:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{label}</text>",
                bottom + 16.0
            ));
        }
        frame.svg.push_str(&format!(
            "<path class=\"axis\" d=\"M{left:.1} {TOP}V{bottom:.1}H{right:.1}\"/>\
             <text class=\"label\" x=\"2\" y=\"13\">{}</text>\
             <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            escape(&format!("{y_label}{}", frame.y.remark())),
            (left + right) / 2.0,
            HEIGHT - 6.0,
            escape(&format!("{x_label}{}", frame.x.remark())),
        ));
        frame
    }

    /// A frame for horizontal bars: no numbers on the y axis, whose places are rows.
    pub fn bars(what: &str, x: Scale, x_label: &str, y: Scale) -> Self {
        Self::framed(what, (x, x_label), (y, "run"), Vec::new())
    }

    fn place_x(&self, value: f64) -> f64 {
        self.left + self.x.place(value) * (WIDTH - RIGHT - self.left)
    }

    fn place_y(&self, value: f64) -> f64 {
        let bottom = HEIGHT - BOTTOM;
        bottom - self.y.place(value) * (bottom - TOP)
    }

    /// A line through the means; places without a value interrupt it, a lone value is a dot.
    pub fn line(&mut self, class: &str, points: &[(f64, Option<Summary>)]) {
        let (mut path, mut lone) = (String::new(), String::new());
        for (index, (x, summary)) in points.iter().enumerate() {
            let Some(summary) = summary else { continue };
            let begins = index == 0 || points[index - 1].1.is_none();
            let ends = points.get(index + 1).is_none_or(|next| next.1.is_none());
            let (x, y) = (self.place_x(*x), self.place_y(summary.mean));
            match (begins, ends) {
                (true, true) => lone.push_str(&format!("M{x:.1} {y:.1}h0")),
                (true, false) => path.push_str(&format!("M{x:.1} {y:.1}")),
                (false, _) => path.push_str(&format!("L{x:.1} {y:.1}")),
            }
        }
        for (kind, path) in [("line", path), ("line lone", lone)] {
            if !path.is_empty() {
                self.svg.push_str(&format!("<path class=\"{kind} {class}\" d=\"{path}\"/>"));
            }
        }
    }

    /// The range around a line, where there is one.
    pub fn band(&mut self, class: &str, points: &[(f64, Option<Summary>)]) {
        for stretch in points.split(|(_, summary)| summary.is_none()) {
            let known: Vec<(f64, Summary)> =
                stretch.iter().filter_map(|(x, summary)| Some((*x, (*summary)?))).collect();
            if known.len() < 2 || !known.iter().any(|(_, summary)| summary.is_wide()) {
                continue;
            }
            let upper: Vec<(f64, f64)> = known.iter().map(|(x, summary)| (*x, summary.high)).collect();
            let lower: Vec<(f64, f64)> = known.iter().map(|(x, summary)| (*x, summary.low)).collect();
            self.area(&format!("band {class}"), &lower, &upper);
        }
    }

    /// The area between two lines.
    pub fn area(&mut self, class: &str, lower: &[(f64, f64)], upper: &[(f64, f64)]) {
        let mut path = String::new();
        for (index, (x, y)) in upper.iter().chain(lower.iter().rev()).enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            path.push_str(&format!("{command}{:.1} {:.1}", self.place_x(*x), self.place_y(*y)));
        }
        self.svg.push_str(&format!("<path class=\"{class}\" d=\"{path}Z\"/>"));
    }

    /// A level across the drawing.
    pub fn level(&mut self, class: &str, value: f64) {
        let at = self.place_y(value);
        self.svg.push_str(&format!(
            "<path class=\"line {class}\" d=\"M{:.1} {at:.1}H{:.1}\"/>",
            self.left,
            WIDTH - RIGHT
        ));
    }

    /// A line down the drawing, with what it says to who points at it.
    pub fn upright(&mut self, class: &str, value: f64, what: &str) {
        let at = self.place_x(value);
        self.svg.push_str(&format!(
            "<path class=\"mark {class}\" d=\"M{at:.1} {TOP}V{:.1}\"><title>{}</title></path>",
            HEIGHT - BOTTOM,
            escape(what)
        ));
    }

    /// Dots, in one path.
    pub fn dots(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (x, y) in points {
            path.push_str(&format!("M{:.1} {:.1}h0", self.place_x(x), self.place_y(y)));
        }
        if !path.is_empty() {
            self.svg.push_str(&format!("<path class=\"dots {class}\" d=\"{path}\"/>"));
        }
    }

    /// A bar from `low` to `high` on the x axis, in the place `y` with the height `thick` (both in units of the y axis).
    pub fn bar(&mut self, class: &str, low: f64, high: f64, y: f64, thick: f64) {
        let (left, right) = (self.place_x(low), self.place_x(high));
        let (top, bottom) = (self.place_y(y + thick / 2.0), self.place_y(y - thick / 2.0));
        self.svg.push_str(&format!(
            "<path class=\"{class}\" d=\"M{left:.1} {top:.1}H{right:.1}V{bottom:.1}H{left:.1}Z\"/>"
        ));
    }

    /// A text in the drawing.
    pub fn note(&mut self, x: f64, y: f64, text: &str) {
        let (x, y) = (self.place_x(x), self.place_y(y));
        self.svg.push_str(&format!("<text class=\"label\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 2.0, escape(text)));
    }

    /// The drawing.
    pub fn finish(mut self) -> String {
        self.svg.push_str("</svg>");
        self.svg
    }
}
