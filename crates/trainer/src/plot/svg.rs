//! A sheet as SVG text.

use std::fmt::Write;

use super::axis::text as tick_text;
use super::{Axis, Line, Panel, Sheet, Stroke};
use crate::markup::escape;

/// Sizes in pixels.
const PANEL_WIDTH: f64 = 300.0;
const PANEL_HEIGHT: f64 = 210.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 42.0;
const HEAD: f64 = 26.0;
const NOTE: f64 = 18.0;
const ENTRY_HEIGHT: f64 = 18.0;
const SAMPLE: f64 = 26.0;
/// Of a letter, on average, at the legend's size.
const LETTER: f64 = 6.6;
/// What a point may be off by and be left out.
const TOLERANCE: f64 = 0.1;
/// Sheets of one panel draw it larger.
const SINGLE: f64 = 1.7;

impl Sheet {
    /// The picture.
    pub fn to_svg(&self) -> String {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns);
        let zoom = if columns == 1 { SINGLE } else { 1.0 };
        let (inner_w, inner_h) = (PANEL_WIDTH * zoom, PANEL_HEIGHT * zoom);
        let (cell_w, cell_h) = (LEFT + inner_w + RIGHT, TOP + inner_h + BOTTOM);
        let width = cell_w * columns as f64;
        let head = HEAD + if self.note.is_empty() { 0.0 } else { NOTE };
        let entries = self.entries();
        let legend_rows = legend(&entries, width - LEFT).1;
        let height = head + cell_h * rows as f64 + ENTRY_HEIGHT * legend_rows as f64 + 8.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"14\" font-weight=\"bold\">{}</text>\n",
            escape(&self.title)
        );
        if !self.note.is_empty() {
            push(
                &mut svg,
                format_args!("<text x=\"{LEFT}\" y=\"35\" fill=\"#444444\">{}</text>\n", escape(&self.note)),
            );
        }
        for (number, panel) in self.panels.iter().enumerate() {
            let x = (number % columns) as f64 * cell_w + LEFT;
            let y = head + (number / columns) as f64 * cell_h + TOP;
            Frame { x, y, width: inner_w, height: inner_h, number }.draw(&mut svg, panel);
        }
        let top = head + cell_h * rows as f64 + 8.0;
        for ((name, stroke), (x, row)) in entries.iter().zip(legend(&entries, width - LEFT).0) {
            let (x, y) = (LEFT + x, top + row as f64 * ENTRY_HEIGHT);
            push(&mut svg, format_args!("<path d=\"M{x:.1} {y:.1}h{SAMPLE}\" {}/>\n", drawn(stroke)));
            let (x, y) = (x + SAMPLE + 5.0, y + 4.0);
            push(&mut svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escape(name)));
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The legend's entries: each name once, in order of appearance.
    fn entries(&self) -> Vec<(&str, Stroke)> {
        let mut entries: Vec<(&str, Stroke)> = Vec::new();
        for line in self.panels.iter().flat_map(|panel| &panel.lines) {
            let entry = (line.name.as_str(), line.stroke);
            if !line.name.is_empty() && !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        entries
    }
}

/// Where each entry of the legend stands (offset and row), and how many rows there are.
fn legend(entries: &[(&str, Stroke)], room: f64) -> (Vec<(f64, usize)>, usize) {
    let (mut x, mut row, mut places) = (0.0, 0, Vec::new());
    for (name, _) in entries {
        let width = SAMPLE + 5.0 + LETTER * name.chars().count() as f64 + 14.0;
        if x > 0.0 && x + width > room {
            (x, row) = (0.0, row + 1);
        }
        places.push((x, row));
        x += width;
    }
    (places, if entries.is_empty() { 0 } else { row + 1 })
}

/// The rectangle between the axes of one panel.
struct Frame {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    number: usize,
}

impl Frame {
    fn across(&self, axis: &Axis, value: f64) -> f64 {
        self.x + self.width * axis.place(value)
    }

    fn up(&self, axis: &Axis, value: f64) -> f64 {
        self.y + self.height * (1.0 - axis.place(value))
    }

    fn draw(&self, svg: &mut String, panel: &Panel) {
        let Frame { x, y, width, height, number } = *self;
        let (right, bottom) = (x + width, y + height);
        push(
            svg,
            format_args!(
                "<clipPath id=\"c{number}\"><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/></clipPath>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\n",
                x + width / 2.0,
                y - 8.0,
                escape(&panel.title)
            ),
        );
        for tick in panel.x.ticks() {
            let at = self.across(&panel.x, tick);
            push(
                svg,
                format_args!(
                    "<path d=\"M{at:.1} {y:.1}V{bottom:.1}\" stroke=\"#e6e6e6\"/>\n\
                     <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                    bottom + 14.0,
                    tick_text(tick)
                ),
            );
        }
        for tick in panel.y.ticks() {
            let at = self.up(&panel.y, tick);
            push(
                svg,
                format_args!(
                    "<path d=\"M{x:.1} {at:.1}H{right:.1}\" stroke=\"#e6e6e6\"/>\n\
                     <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                    x - 5.0,
                    at + 4.0,
                    tick_text(tick)
                ),
            );
        }
        push(
            svg,
            format_args!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"none\" stroke=\"#444444\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
                 <text transform=\"translate({:.1} {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n\
                 <g clip-path=\"url(#c{number})\">\n",
                x + width / 2.0,
                bottom + 30.0,
                escape(&panel.x.label),
                x - 36.0,
                y + height / 2.0,
                escape(&panel.y.label)
            ),
        );
        for line in &panel.lines {
            let path = self.path(panel, line);
            if !path.is_empty() {
                push(svg, format_args!("<path d=\"{path}\" {}/>\n", drawn(&line.stroke)));
            }
        }
        svg.push_str("</g>\n");
        for (at_x, at_y, text) in &panel.marks {
            let (at_x, at_y) = (self.across(&panel.x, *at_x), self.up(&panel.y, *at_y));
            push(
                svg,
                format_args!(
                    "<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"3.5\"/>\n<text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                    at_x + 7.0,
                    at_y + 20.0,
                    escape(text)
                ),
            );
        }
    }

    /// The curve as a path, with as few points as show the same; those far outside are moved near.
    fn path(&self, panel: &Panel, line: &Line) -> String {
        let far = 4.0 * self.height;
        let place = |&(x, y): &(f64, f64)| {
            let (x, y) = (self.across(&panel.x, x), self.up(&panel.y, y));
            let within = |value: f64, low: f64, size: f64| value.clamp(low - far, low + size + far);
            (x.is_finite() && y.is_finite()).then(|| (within(x, self.x, self.width), within(y, self.y, self.height)))
        };
        let places: Vec<Option<(f64, f64)>> = line.points.iter().map(place).collect();
        let mut path = String::new();
        for run in places.split(Option::is_none) {
            let run: Vec<(f64, f64)> = run.iter().copied().flatten().collect();
            if let [(x, y)] = run[..] {
                // A point alone would not be seen.
                path += &format!("M{:.1} {y:.1}h4", x - 2.0);
                continue;
            }
            for (index, (x, y)) in simplified(&run).into_iter().enumerate() {
                path += &format!("{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
            }
        }
        path
    }
}

/// Ends and corners of a polyline: what is left out lies within [`TOLERANCE`] of it (Douglas and Peucker 1973).
fn simplified(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut keep = vec![false; points.len()];
    let mut spans = Vec::new();
    if let Some(last) = points.len().checked_sub(1) {
        (keep[0], keep[last]) = (true, true);
        spans.push((0, last));
    }
    while let Some((first, last)) = spans.pop() {
        let away = |at: usize| (distance(points[at], points[first], points[last]), at);
        let farthest = (first + 1..last).map(away).max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, at)) = farthest.filter(|(distance, _)| *distance > TOLERANCE) {
            keep[at] = true;
            spans.extend([(first, at), (at, last)]);
        }
    }
    points.iter().zip(keep).filter(|(_, keep)| *keep).map(|(point, _)| *point).collect()
}

/// Of a point from the segment between two others.
fn distance(point: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((point.0 - from.0) * dx + (point.1 - from.1) * dy) / length } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    (point.0 - from.0 - along * dx).hypot(point.1 - from.1 - along * dy)
}

fn drawn(stroke: &Stroke) -> String {
    let dashes =
        if stroke.dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", stroke.dashes) };
    format!("fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{dashes}", stroke.colour, stroke.width)
}

fn push(svg: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _written = svg.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(points: Vec<(f64, f64)>) -> Sheet {
        let line = Line { name: "a < b".into(), points, stroke: Stroke::of(8) };
        let panel = Panel {
            title: "t".into(),
            x: Axis::linear("x", 0.0, 1.0),
            y: Axis::linear("y", 0.0, 1.0),
            lines: vec![line.clone(), line],
            marks: vec![],
        };
        Sheet { title: "s & t".into(), note: String::new(), columns: 2, panels: vec![panel.clone(), panel] }
    }

    #[test]
    fn names_are_escaped_and_stand_once() {
        let svg = sheet(vec![(0.0, 0.0), (1.0, 1.0)]).to_svg();
        assert_eq!(svg.matches("a &lt; b").count(), 1);
        assert!(svg.contains("s &amp; t") && svg.contains("stroke-dasharray=\"7 3\""));
        assert!(!svg.contains("a < b"));
    }

    #[test]
    fn gaps_repeats_and_extremes() {
        // The frame of the first panel is 300 wide and 210 high, from (52, 54) on.
        let svg = sheet(vec![(0.0, 0.0), (0.0, 0.0), (0.5, f64::NAN), (1.0, 1.0), (1.0, 1e30)]).to_svg();
        assert!(svg.contains("<path d=\"M52.0 264.0L52.0 264.0M352.0 54.0L352.0 -786.0\""), "{svg}");
    }

    #[test]
    fn straight_runs_need_two_points_and_corners_stay() {
        let bend: Vec<(f64, f64)> =
            (0..=100).map(|n| (f64::from(n), if n <= 40 { 0.0 } else { f64::from(n) - 40.0 })).collect();
        assert_eq!(simplified(&bend), [(0.0, 0.0), (40.0, 0.0), (100.0, 60.0)]);
        let arc: Vec<(f64, f64)> =
            (0..=1000).map(|n| (100.0 * (f64::from(n) / 500.0).cos(), 100.0 * (f64::from(n) / 500.0).sin())).collect();
        let few = simplified(&arc);
        assert!(few.len() < 40, "{}", few.len());
        let off = |point| few.windows(2).map(|ends| distance(point, ends[0], ends[1])).fold(f64::INFINITY, f64::min);
        assert!(arc.into_iter().map(off).fold(0.0, f64::max) <= TOLERANCE);
        assert_eq!((simplified(&[]).len(), simplified(&[(1.0, 1.0)]).len()), (0, 1));
    }
}
