//! Line plots as SVG: panels of curves with axes, units and a legend, written by hand and to the same bytes everywhere.
//!
//! ```
//! use surefoot_trainer::plot::{Axis, Line, Panel, Sheet, Stroke};
//!
//! let line = Line { name: "ratio".into(), points: vec![(0.5, 0.5), (2.0, 2.0)], stroke: Stroke::of(0) };
//! let panel = Panel {
//!     title: "identity".into(),
//!     x: Axis::log("r", 0.5, 2.0),
//!     y: Axis::linear("r", 0.0, 2.0),
//!     lines: vec![line],
//!     marks: vec![],
//! };
//! let sheet = Sheet { title: "An example".into(), note: String::new(), columns: 1, panels: vec![panel] };
//! assert!(sheet.to_svg().starts_with("<svg xmlns"));
//! ```

mod axis;
mod svg;

pub use axis::{Axis, Scale};

/// A page of panels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// Above the panels.
    pub title: String,
    /// Below the title: how to read it.
    pub note: String,
    /// Panels side by side.
    pub columns: usize,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
}

/// One pair of axes with its curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above the axes.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The curves, later ones on top.
    pub lines: Vec<Line>,
    /// Single points with a text beside them.
    pub marks: Vec<(f64, f64, String)>,
}

/// A curve. What lies outside of the axes is cut off; a point that is not finite interrupts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// In the legend. Lines of the sheet with the same name and stroke share one entry; without a name there is none.
    pub name: String,
    /// The points in drawing order.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub stroke: Stroke,
}

/// Colour and dashes of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// As `#1f77b4`.
    pub colour: &'static str,
    /// Lengths of dashes and gaps; empty for a solid line.
    pub dashes: &'static str,
    /// In pixels.
    pub width: f64,
}

/// Colours that stay apart for most eyes, also in print (Okabe and Ito 2008, without the yellow).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
/// With the colours, 21 lines that can be told apart.
const DASHES: [&str; 3] = ["", "7 3", "2 3"];

impl Stroke {
    /// The stroke of the `index`-th line of a panel.
    pub const fn of(index: usize) -> Self {
        Stroke {
            colour: COLOURS[index % COLOURS.len()],
            dashes: DASHES[index / COLOURS.len() % DASHES.len()],
            width: 1.8,
        }
    }

    /// A thin grey line to compare with.
    pub const GUIDE: Self = Stroke { colour: "#999999", dashes: "4 3", width: 1.0 };
}
