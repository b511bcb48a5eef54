//! A figure: title, what it shows, legend, drawing, and the table behind it.

use super::text::cut;
use crate::markup::escape;

/// Characters of a run's name that a legend has room for.
const LONG: usize = 40;

/// How a legend shows an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A coloured line.
    Line,
    /// A line in the colour of the text, to tell solid, dashed and dotted apart.
    Style,
    /// A coloured area or dot.
    Area,
}

/// What a legend tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub mark: Mark,
    pub class: String,
    pub name: String,
    /// What is drawn, where the name says more than that.
    pub key: Option<String>,
}

impl Entry {
    pub fn new(mark: Mark, class: &str, name: &str) -> Self {
        Self { mark, class: class.to_string(), name: name.to_string(), key: None }
    }
}

/// What the lines of a figure are: equal names of different things are not the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lines {
    #[default]
    Runs,
    Objectives,
}

/// A figure of the page.
pub(super) struct Figure {
    /// Its name in the page.
    pub id: &'static str,
    pub title: String,
    /// What it shows, with its equation where it has one.
    pub about: String,
    pub lines: Lines,
    /// What is told apart.
    pub legend: Vec<Entry>,
    /// One drawing, or one a run with its name.
    pub drawings: Vec<(Option<String>, String)>,
    pub table: Table,
}

/// The numbers behind a figure.
#[derive(Default)]
pub(super) struct Table {
    pub head: Vec<String>,
    /// Place on the x axis, where rows have one, and the cells.
    pub rows: Vec<(Option<f64>, Vec<String>)>,
    /// Of the columns after the first, the drawing that each belongs to; empty where all belong to every one.
    pub drawing_of: Vec<usize>,
    /// What must be known to read it.
    pub note: String,
}

impl Figure {
    /// The figure as HTML.
    pub fn html(&self) -> String {
        let wide = if self.drawings.len() > 1 { " class=\"wide\"" } else { "" };
        let lines = if self.lines == Lines::Objectives { " data-of=\"objective\"" } else { "" };
        let mut html = format!(
            "<figure id=\"{}\"{wide}{lines}><figcaption><h3>{}</h3><p>{}</p></figcaption><ul class=\"legend\">",
            self.id,
            escape(&self.title),
            prose(&self.about)
        );
        for Entry { mark, class, name, key } in &self.legend {
            let kind = match mark {
                Mark::Line => "key line",
                Mark::Style => "key style",
                Mark::Area => "key area",
            };
            let long = *mark == Mark::Line && name.chars().count() > LONG;
            let key = key.as_ref().or(long.then_some(name));
            let key = key.map_or_else(String::new, |key| format!(" data-key=\"{}\"", escape(key)));
            let name = match long {
                true => format!("<span title=\"{}\">{}</span>", escape(name), escape(&cut(name, LONG))),
                false => escape(name),
            };
            html.push_str(&format!("<li><i class=\"{kind} {class}\"{key}></i>{name}</li>"));
        }
        html.push_str("</ul><div class=\"drawings\">");
        for (name, svg) in &self.drawings {
            match name {
                Some(name) => html.push_str(&format!("<div class=\"panel\"><h4>{}</h4>{svg}</div>", escape(name))),
                None => html.push_str(&format!("<div class=\"panel\">{svg}</div>")),
            }
        }
        html.push_str("</div><details><summary>Table</summary>");
        html.push_str(&self.table.html());
        html.push_str("</details></figure>");
        html
    }
}

/// Text with the keys that stand between backticks as code.
fn prose(text: &str) -> String {
    let parts: Vec<String> = text.split('`').map(escape).collect();
    let shown = |(index, part): (usize, &String)| {
        // A last backtick without a partner is one.
        let closed = index + 1 < parts.len();
        match index % 2 {
            1 if closed => format!("<code>{part}</code>"),
            1 => format!("`{part}"),
            _ => part.clone(),
        }
    };
    parts.iter().enumerate().map(shown).collect()
}

impl Table {
    /// The table as HTML.
    pub fn html(&self) -> String {
        let mut html = String::new();
        if !self.note.is_empty() {
            html.push_str(&format!("<p>{}</p>", escape(&self.note)));
        }
        html.push_str("<div class=\"scroll\"><table><thead><tr>");
        for (column, name) in self.head.iter().enumerate() {
            match column.checked_sub(1).and_then(|column| self.drawing_of.get(column)) {
                Some(drawing) => html.push_str(&format!("<th data-drawing=\"{drawing}\">{}</th>", escape(name))),
                None => html.push_str(&format!("<th>{}</th>", escape(name))),
            }
        }
        html.push_str("</tr></thead><tbody>");
        for (place, cells) in &self.rows {
            match place {
                Some(place) => html.push_str(&format!("<tr data-x=\"{place}\">")),
                None => html.push_str("<tr>"),
            }
            for cell in cells {
                html.push_str(&format!("<td>{}</td>", escape(cell)));
            }
            html.push_str("</tr>");
        }
        html.push_str("</tbody></table></div>");
        html
    }
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn keys_are_shown_as_code() {
        assert_eq!(prose("a `b.c` < `d`"), "a <code>b.c</code> &lt; <code>d</code>");
        assert_eq!(prose("a ` b"), "a ` b");
    }
}
