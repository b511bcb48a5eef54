//! Forms and expressions as text, for people.

use std::fmt::Write;

use crate::expr::{Arena, Constant, Function, Id, Node};
use crate::form::{DayHalf, Form, Value};
use crate::lex::token::{NamedSet, Rel};

/// Longer forms are cut.
const MAX_SHOWN: usize = 400;

/// All readings of one answer, the preferred first.
pub(crate) fn readings(forms: &[Form], arena: &Arena) -> String {
    let mut out = String::new();
    for (at, form) in forms.iter().enumerate() {
        if at > 0 {
            out.push_str("; or ");
        }
        show(form, arena, &mut out);
    }
    if out.len() > MAX_SHOWN {
        let cut = (0..=MAX_SHOWN).rev().find(|&at| out.is_char_boundary(at)).unwrap_or(0);
        out.truncate(cut);
        out.push('…');
    }
    out
}

fn show(form: &Form, arena: &Arena, out: &mut String) {
    if out.len() > MAX_SHOWN {
        return;
    }
    match form {
        Form::Value(value) => show_value(value, arena, out),
        Form::Chain(sides, relations) => {
            for (at, side) in sides.iter().enumerate() {
                if at > 0 {
                    let _ = write!(out, " {} ", relation(relations[at - 1]));
                }
                show(side, arena, out);
            }
        }
        Form::List(items) => joined("", items, "", ", ", arena, out),
        Form::Set(items) => joined("{", items, "}", ", ", arena, out),
        Form::Vector(items) => joined("⟨", items, "⟩", ", ", arena, out),
        Form::Group { closed, items } => {
            joined(if closed.0 { "[" } else { "(" }, items, if closed.1 { "]" } else { ")" }, ", ", arena, out);
        }
        Form::Union(parts) => joined("", parts, "", " ∪ ", arena, out),
        Form::Intersection(parts) => joined("", parts, "", " ∩ ", arena, out),
        Form::Difference(from, taken) => {
            show(from, arena, out);
            out.push_str(" ∖ ");
            show(taken, arena, out);
        }
        Form::Named(set) => out.push_str(match set {
            NamedSet::Reals => "ℝ",
            NamedSet::Integers => "ℤ",
            NamedSet::Naturals => "ℕ",
            NamedSet::Rationals => "ℚ",
            NamedSet::Complexes => "ℂ",
            NamedSet::Empty => "∅",
        }),
        Form::Matrix(rows) => {
            out.push('[');
            for (at, row) in rows.iter().enumerate() {
                joined(if at == 0 { "[" } else { ", [" }, row, "]", ", ", arena, out);
            }
            out.push(']');
        }
        Form::Ratio(parts, half) => {
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    out.push_str(" : ");
                }
                show_value(part, arena, out);
            }
            match half {
                Some(DayHalf::Am) => out.push_str(" a.m."),
                Some(DayHalf::Pm) => out.push_str(" p.m."),
                None => {}
            }
        }
        Form::Residue { value, modulus } => {
            expression(*value, arena, out);
            out.push_str(" mod ");
            expression(*modulus, arena, out);
        }
        Form::Date(date) => {
            let _ = write!(out, "month {}", date.month);
            if let Some(day) = date.day {
                let _ = write!(out, ", day {day}");
            }
            if let Some(year) = date.year {
                let _ = write!(out, ", year {year}");
            }
        }
        Form::Choice(letter) => {
            let _ = write!(out, "choice {letter}");
        }
        Form::Text(text) => {
            let _ = write!(out, "\"{text}\"");
        }
    }
}

fn joined(open: &str, items: &[Form], close: &str, between: &str, arena: &Arena, out: &mut String) {
    out.push_str(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        show(item, arena, out);
    }
    out.push_str(close);
}

fn show_value(value: &Value, arena: &Arena, out: &mut String) {
    expression(value.id, arena, out);
    if value.percent {
        out.push_str(" (from percent)");
    }
    if value.unit.is_some() {
        out.push_str(" (with unit)");
    }
}

fn relation(relation: Rel) -> &'static str {
    match relation {
        Rel::Equal => "=",
        Rel::NotEqual => "≠",
        Rel::Less => "<",
        Rel::LessEqual => "≤",
        Rel::Greater => ">",
        Rel::GreaterEqual => "≥",
        Rel::Approx => "≈",
        Rel::Equiv => "≡",
        Rel::In => "∈",
    }
}

/// Pieces of an expression still to print.
enum Piece {
    Node(Id),
    Text(&'static str),
}

fn expression(id: Id, arena: &Arena, out: &mut String) {
    let mut pieces = vec![Piece::Node(id)];
    while let Some(piece) = pieces.pop() {
        if out.len() > MAX_SHOWN {
            return;
        }
        let id = match piece {
            Piece::Text(text) => {
                out.push_str(text);
                continue;
            }
            Piece::Node(id) => id,
        };
        let mut infix = |a: Id, sign: &'static str, b: Id| {
            pieces.extend([Piece::Text(")"), Piece::Node(b), Piece::Text(sign), Piece::Node(a), Piece::Text("(")]);
        };
        match arena.node(id) {
            Node::Number(value) if crate::expr::bits(value) > 4 * MAX_SHOWN => {
                let _ = write!(out, "number of {} bits", crate::expr::bits(value));
            }
            Node::Number(value) => {
                let _ = write!(out, "{value}");
            }
            Node::Symbol(name) => out.push_str(&arena.names[*name as usize]),
            Node::Constant(constant) => out.push_str(match constant {
                Constant::Pi => "π",
                Constant::E => "e",
                Constant::I => "i",
                Constant::Infinity => "∞",
            }),
            Node::Add(a, b) => infix(*a, " + ", *b),
            Node::Mul(a, b) => infix(*a, "·", *b),
            Node::Div(a, b) => infix(*a, "/", *b),
            Node::Pow(a, b) => infix(*a, "^", *b),
            Node::PlusMinus(a, b, _) => infix(*a, " ± ", *b),
            Node::Neg(a) => pieces.extend([Piece::Node(*a), Piece::Text("−")]),
            Node::Call(function, a) => {
                name(*function, out);
                pieces.extend([Piece::Text(")"), Piece::Node(*a), Piece::Text("(")]);
            }
            Node::Call2(function, a, b) => {
                name(*function, out);
                infix(*a, ", ", *b);
            }
            Node::Apply(function, a) => {
                out.push_str(&arena.names[*function as usize]);
                pieces.extend([Piece::Text(")"), Piece::Node(*a), Piece::Text("(")]);
            }
            Node::Bound { kind, low, high, body, .. } => {
                let debug = format!("{kind:?}");
                out.push_str(&debug.to_lowercase());
                pieces.extend([Piece::Text(")"), Piece::Node(*body), Piece::Text("; ")]);
                pieces.extend([Piece::Node(*high), Piece::Text(" … "), Piece::Node(*low), Piece::Text("(")]);
            }
        }
    }
}

fn name(function: Function, out: &mut String) {
    let debug = format!("{function:?}");
    out.push_str(&debug.to_lowercase());
}
