//! Brackets, sets, matrices and cases.

use super::{Parser, Part};
use crate::budget::Outcome;
use crate::expr::{Function, Id};
use crate::form::{Form, Value};
use crate::lex::token::{Bracket, Environment, Rel, Tok};

/// Tokens of an interval's two entries.
const MAX_ENTRIES: usize = 64;

impl Parser<'_> {
    /// Everything from an opening bracket to the one that closes it.
    pub(super) fn group(&mut self, open: Bracket) -> Outcome<Part> {
        self.next();
        let bars = std::mem::take(&mut self.bars);
        let curly = self.curly;
        // `{x | x > 0}` in plain text
        let condition = matches!(self.tok(), Tok::Symbol(_))
            && matches!(self.token(1).tok, Tok::Bar | Tok::Mid | Tok::Colon | Tok::Rel(Rel::In));
        let close = open;
        let open = if open == Bracket::Brace && condition { Bracket::Curly } else { open };
        self.curly = if open == Bracket::Curly { curly + 1 } else { 0 };
        let opens_outwards = matches!(open, Bracket::Round | Bracket::Square) && self.outward_end_ahead();
        let outward = std::mem::replace(&mut self.outward, opens_outwards);
        let inside = self.inside(open);
        self.outward = outward;
        self.curly = curly;
        self.bars = bars;
        let (form, separated) = inside?;
        let fits = close;
        let close = match self.tok() {
            Tok::Close(close) => close,
            // `[a, b[` ends before b, as `[a, b)` does.
            Tok::Open(Bracket::Square) if opens_outwards => Bracket::Round,
            // `\left\{\begin{array}…\end{array}\right.` has no closing bracket.
            _ if open == Bracket::Curly && matches!(form, Form::Matrix(_) | Form::List(_)) && self.before_is_end() => {
                return Ok(Part::Form(form));
            }
            _ => return self.error("a closing bracket"),
        };
        let fits = match fits {
            Bracket::Round | Bracket::Square => matches!(close, Bracket::Round | Bracket::Square),
            other => close == other,
        };
        if !fits {
            return self.error("the bracket that closes the group");
        }
        self.next();
        self.closed(open, close, form, separated)
    }

    /// Whether the two entries that begin here end with an opening bracket: `[a, b[`.
    fn outward_end_ahead(&self) -> bool {
        let (mut open, mut commas) = (0, 0);
        for ahead in 0..MAX_ENTRIES {
            match self.token(ahead).tok {
                Tok::Open(Bracket::Square) if open == 0 && commas == 1 => {
                    let behind = self.token(ahead + 1).tok;
                    return matches!(
                        behind,
                        Tok::End0 | Tok::Cup | Tok::Cap | Tok::SetMinus | Tok::Close(_) | Tok::Word
                    );
                }
                Tok::Open(_) => open += 1,
                Tok::Close(_) if open > 0 => open -= 1,
                Tok::Comma | Tok::Semicolon if open == 0 => commas += 1,
                Tok::Close(_) | Tok::End0 => return false,
                _ => {}
            }
        }
        false
    }

    fn before_is_end(&self) -> bool {
        self.at > 0 && self.lexed.tokens[self.at - 1].tok == Tok::End
    }

    /// The content of a group, and whether commas separate it.
    fn inside(&mut self, open: Bracket) -> Outcome<(Form, bool)> {
        let start = self.at;
        let form = self.list()?;
        let separated = self.lexed.tokens[start..self.at].iter().any(|t| matches!(t.tok, Tok::Comma | Tok::Semicolon))
            && matches!(form, Form::List(_));
        if open != Bracket::Curly && matches!(self.tok(), Tok::Choose | Tok::Over) {
            return Ok((self.over(form)?, false));
        }
        if open == Bracket::Curly && matches!(self.tok(), Tok::Bar | Tok::Mid | Tok::Colon) {
            // {x | x > 2}: the condition is the set.
            self.next();
            let condition = self.list()?;
            return Ok((condition, false));
        }
        Ok((form, separated))
    }

    /// `{a \over b}` and `{n \choose k}`, behind their upper part.
    pub(super) fn over(&mut self, top: Form) -> Outcome<Form> {
        let fraction = self.tok() == Tok::Over;
        self.next();
        let Form::Value(top) = top else { return self.error("a number before \\over or \\choose") };
        let bottom = self.expression()?;
        let id = if fraction {
            self.arena.div(top.id, bottom, self.budget)?
        } else {
            self.arena.call2(Function::Binomial, top.id, bottom, self.budget)?
        };
        Ok(Form::Value(Value::of(id)))
    }

    fn closed(&mut self, open: Bracket, close: Bracket, form: Form, separated: bool) -> Outcome<Part> {
        let closed = (open == Bracket::Square, close == Bracket::Square);
        // `(5m) + 3`: what is calculated with has variables; as a length of 5 metres it would lose its unit here.
        let measured = |value: &Value| value.unit.as_ref().is_some_and(|unit| !unit.is_degree());
        if self.reading.letter_units && matches!(&form, Form::Value(value) if measured(value)) {
            return self.error("a number without a unit");
        }
        Ok(match (open, form) {
            (Bracket::Floor | Bracket::Ceil, Form::Value(value)) => {
                let function = if open == Bracket::Floor { Function::Floor } else { Function::Ceil };
                Part::Value(self.arena.call(function, value.id, self.budget)?)
            }
            (Bracket::Curly, Form::List(items)) => Part::Form(Form::Set(items)),
            (Bracket::Curly, form @ (Form::Chain(..) | Form::Matrix(_))) => Part::Form(form),
            (Bracket::Curly, form) => Part::Form(Form::Set(vec![form])),
            (Bracket::Angle, Form::List(items)) => Part::Form(Form::Vector(items)),
            (Bracket::Brace, Form::List(items)) if items.is_empty() => {
                return self.error("something between \"{\" and \"}\"");
            }
            (Bracket::Brace, form @ Form::List(_)) => Part::Form(form),
            (Bracket::Square, Form::List(items)) if separated && closed.1 => match rows_of(&items) {
                Some(rows) => Part::Form(Form::Matrix(rows)),
                None => Part::Form(Form::Group { closed, items }),
            },
            (_, Form::List(items)) if separated => Part::Form(Form::Group { closed, items }),
            (Bracket::Round, Form::List(items)) if items.is_empty() => {
                return self.error("something between \"(\" and \")\"");
            }
            (_, Form::Value(value)) if closed.0 == closed.1 => {
                // Units and signs around the group are decided by what stands in it.
                self.degrees |= value.unit.as_ref().is_some_and(crate::units::Unit::is_degree);
                self.based |= value.based;
                Part::Value(value.id)
            }
            (_, form) if closed.0 == closed.1 => Part::Form(form),
            _ => return self.error("two entries of an interval"),
        })
    }

    /// `]a, b[` and its halves.
    pub(super) fn outward_interval(&mut self) -> Outcome<Part> {
        self.next();
        let outer = std::mem::replace(&mut self.outward, true);
        let inside = self.list();
        self.outward = outer;
        let inside = inside?;
        let closed_right = match self.tok() {
            Tok::Open(Bracket::Square) => false,
            Tok::Close(Bracket::Square) => true,
            _ => return self.error("the end of an interval"),
        };
        self.next();
        match inside {
            Form::List(items) if items.len() == 2 => {
                Ok(Part::Form(Form::Group { closed: (false, closed_right), items }))
            }
            _ => self.error("two entries of an interval"),
        }
    }

    /// A matrix, or the branches of cases.
    pub(super) fn environment(&mut self) -> Outcome<Form> {
        let array = self.tok() == Tok::Begin(Environment::Array);
        let lines = self.lines_of_a_formula();
        self.next();
        let mut rows = vec![Vec::new()];
        let mut continued = Vec::new();
        loop {
            match self.tok() {
                Tok::End => {
                    self.next();
                    break;
                }
                Tok::End0 => return self.error("\\end of the environment"),
                Tok::Row => {
                    self.next();
                    rows.push(Vec::new());
                }
                Tok::Ampersand => self.next(),
                Tok::Comma => self.next(),
                _ => {
                    continued.push(self.tok() == Tok::Rel(Rel::Equal) && lines);
                    let cell = self.list()?;
                    if let Some(row) = rows.last_mut() {
                        row.push(cell);
                    }
                    if !matches!(self.tok(), Tok::Ampersand | Tok::Row | Tok::End) {
                        return self.error("\"&\", \"\\\\\" or \\end");
                    }
                }
            }
        }
        rows.retain(|row| !row.is_empty());
        if lines {
            return self.chained(rows.into_iter().flatten().collect(), &continued);
        }
        let equations = rows.iter().all(|row| row.len() == 1 && matches!(row[0], Form::Chain(..)));
        if rows.is_empty() {
            return self.error("a row");
        }
        // `\begin{array}{c} 18 \end{array}` is a number in a frame.
        if let (true, [row]) = (array, &mut rows[..])
            && row.len() == 1
        {
            return Ok(row.remove(0));
        }
        // A system of equations is a list of them.
        if equations {
            return Ok(Form::List(rows.into_iter().flatten().collect()));
        }
        Ok(Form::Matrix(rows))
    }

    /// Whether the environment here holds lines of a formula, which `&` only aligns; takes these signs away.
    fn lines_of_a_formula(&mut self) -> bool {
        let Tok::Begin(kind) = self.tok() else { return false };
        let mut open = 0;
        let mut signs = Vec::new();
        for at in self.at..self.lexed.tokens.len() {
            match self.lexed.tokens[at].tok {
                Tok::Begin(_) => open += 1,
                Tok::End if open == 1 => break,
                Tok::End => open -= 1,
                Tok::Ampersand if open == 1 => signs.push(at),
                _ => {}
            }
        }
        let relation = |at: &usize| {
            let beside = [at.checked_sub(1), at.checked_add(1)];
            beside.into_iter().flatten().any(|at| matches!(self.lexed.tokens[at].tok, Tok::Rel(_)))
        };
        let lines = match kind {
            Environment::Lines => true,
            Environment::Array => !signs.is_empty() && signs.iter().all(relation),
            Environment::Matrix | Environment::Determinant | Environment::Cases => false,
        };
        if lines {
            let mut at = 0;
            self.lexed.tokens.retain(|_| {
                at += 1;
                signs.binary_search(&(at - 1)).is_err()
            });
        }
        lines
    }

    /// Lines of a formula, of which those that begin with "=" go on with the one before.
    fn chained(&mut self, lines: Vec<Form>, continued: &[bool]) -> Outcome<Form> {
        let mut all: Vec<Form> = Vec::with_capacity(lines.len());
        for (line, continues) in lines.into_iter().zip(continued) {
            let before = if *continues { all.pop() } else { None };
            let Some(before) = before else {
                all.push(line);
                continue;
            };
            let mut whole = match before {
                Form::Chain(sides, relations) => (sides, relations),
                other => (vec![other], Vec::new()),
            };
            whole.1.push(Rel::Equal);
            match line {
                Form::Chain(sides, relations) => {
                    whole.0.extend(sides);
                    whole.1.extend(relations);
                }
                other => whole.0.push(other),
            }
            all.push(Form::Chain(whole.0, whole.1));
        }
        match all.len() {
            1 => Ok(all.remove(0)),
            _ => Ok(Form::List(all)),
        }
    }

    /// A matrix times a number.
    pub(super) fn scaled(&mut self, rows: Vec<Vec<Form>>, factor: Id) -> Outcome<Form> {
        let mut scaled = Vec::with_capacity(rows.len());
        for row in rows {
            let mut cells = Vec::with_capacity(row.len());
            for cell in row {
                let Form::Value(value) = cell else { return self.error("a matrix of numbers") };
                cells.push(Form::Value(Value::of(self.arena.mul(factor, value.id, self.budget)?)));
            }
            scaled.push(cells);
        }
        Ok(Form::Matrix(scaled))
    }
}

/// The rows of `[[1, 2], [3, 4]]`.
fn rows_of(items: &[Form]) -> Option<Vec<Vec<Form>>> {
    let rows = items.iter().map(|item| match item {
        Form::Group { closed: (true, true), items } => Some(items.clone()),
        _ => None,
    });
    let rows: Vec<Vec<Form>> = rows.collect::<Option<_>>()?;
    rows.windows(2).all(|pair| pair[0].len() == pair[1].len()).then_some(rows)
}
