//! Lists, set operations, relations and ratios: everything above sums.

use super::{Parser, Part};
use crate::budget::Outcome;
use crate::expr::Id;
use crate::form::{Decimal, Form, Value};
use crate::lex::token::{Bracket, NamedSet, Rel, Tok};
use dashu_ratio::RBig;

impl Parser<'_> {
    /// Items with commas, semicolons, "and" or "or" between them.
    pub(super) fn list(&mut self) -> Outcome<Form> {
        let mut items = Vec::new();
        loop {
            while self.separator() {}
            // `]a, b[` begins with a closing bracket.
            let outward = self.tok() == Tok::Close(Bracket::Square) && self.depth == 0 && items.is_empty();
            // `x, & x > 0 \\`: in a row of cases a comma may end its cell.
            let cell_ends = self.depth > 0 && matches!(self.tok(), Tok::Ampersand | Tok::Row | Tok::End);
            if cell_ends && !items.is_empty() || matches!(self.tok(), Tok::End0 | Tok::Close(_)) && !outward {
                break;
            }
            let joint = self.at > 0 && self.lexed.tokens[self.at - 1].tok == Tok::Word;
            let item = self.item()?;
            // "Hence, 72": words of introduction are no answer.
            if let [Form::Text(text)] = &items[..]
                && matches!(text.as_str(), "hence" | "thus" | "so" | "therefore" | "then" | "finally" | "consequently")
            {
                items.clear();
            }
            // "Yes, it is"
            let repeats = matches!(&items[..], [Form::Text(first)] if matches!(first.as_str(), "yes" | "no"))
                && matches!(&item, Form::Text(rest) if ["it ", "they ", "there "].iter().any(|word| rest.starts_with(word)));
            // "72 clips in April and May": words behind a number add nothing to it.
            let idle = matches!(item, Form::Text(_) | Form::Date(_))
                && matches!(items.last(), Some(Form::Value(_) | Form::Chain(..)));
            if !(joint && idle || repeats) {
                items.push(item);
            }
            if !self.separator() {
                break;
            }
        }
        without_ranges_of_parameters(&mut items);
        match items.len() {
            0 => Ok(Form::List(items)),
            1 => Ok(items.remove(0)),
            _ => Ok(Form::List(items)),
        }
    }

    fn separator(&mut self) -> bool {
        let found = match self.tok() {
            Tok::Comma | Tok::Semicolon => true,
            Tok::Word => matches!(self.word(), "or" | "and" | "Or" | "And" | "OR" | "AND" | "as" | "respectively"),
            // Line breaks separate items outside of matrices.
            Tok::Row => self.depth == 0,
            _ => false,
        };
        self.at += usize::from(found);
        found
    }

    /// One item of a list, with the words around it.
    fn item(&mut self) -> Outcome<Form> {
        if let Some(form) = self.words_only()? {
            return Ok(form);
        }
        self.leading_words()?;
        let form = self.set_operations()?;
        self.tail(form)
    }

    fn set_operations(&mut self) -> Outcome<Form> {
        let mut in_braces = self.tok() == Tok::Open(Bracket::Brace);
        let mut left = self.relation()?;
        loop {
            let operator = self.tok();
            match operator {
                Tok::Cup | Tok::Cap | Tok::SetMinus => self.next(),
                Tok::Minus if matches!(left, Form::Named(_) | Form::Set(_)) => self.next(),
                _ => return Ok(left),
            }
            let braced = self.tok() == Tok::Open(Bracket::Brace);
            let right = as_set(self.relation()?, braced);
            left = match (operator, as_set(left, std::mem::take(&mut in_braces))) {
                (Tok::Cup, Form::Union(mut parts)) => {
                    parts.push(right);
                    Form::Union(parts)
                }
                (Tok::Cup, left) => Form::Union(vec![left, right]),
                (Tok::Cap, Form::Intersection(mut parts)) => {
                    parts.push(right);
                    Form::Intersection(parts)
                }
                (Tok::Cap, left) => Form::Intersection(vec![left, right]),
                (_, left) => Form::Difference(Box::new(left), Box::new(right)),
            };
        }
    }

    pub(super) fn relation(&mut self) -> Outcome<Form> {
        let mut sides = Vec::new();
        let mut relations = Vec::new();
        if let Tok::Rel(Rel::Approx | Rel::Equal) = self.tok() {
            self.next();
        }
        sides.push(self.ratio()?);
        loop {
            let relation = match self.tok() {
                Tok::Rel(relation) => relation,
                Tok::Word if self.is_verb() && self.token(1).tok != Tok::End0 => Rel::Equal,
                _ => break,
            };
            self.next();
            if relation == Rel::In {
                let range = self.nested(Self::set_operations)?;
                sides.push(range);
                relations.push(relation);
                break;
            }
            // `=-`, `= ±`: signs belong to the sum. An unfinished `x =` is an error there.
            sides.push(self.ratio()?);
            relations.push(relation);
        }
        if relations.last() == Some(&Rel::Equiv) && self.modulus_ahead() {
            return self.residue(sides);
        }
        if relations.is_empty() {
            return match sides.pop() {
                Some(side) => Ok(side),
                None => self.error("an expression"),
            };
        }
        Ok(Form::Chain(sides, relations))
    }

    fn is_verb(&self) -> bool {
        matches!(self.word(), "is" | "equals" | "equal" | "are")
    }

    /// `a : b`, `a to b`.
    fn ratio(&mut self) -> Outcome<Form> {
        let first = self.operand()?;
        let is_ratio = |p: &Self| match p.tok() {
            Tok::Colon => p.curly == 0 || p.depth == 0,
            Tok::Word => p.word() == "to" && matches!(p.token(1).tok, Tok::Number(_)),
            _ => false,
        };
        if !is_ratio(self) {
            return Ok(first);
        }
        let Form::Value(first) = first else { return Ok(first) };
        let mut parts = vec![first];
        while is_ratio(self) {
            self.next();
            match self.operand()? {
                Form::Value(value) => parts.push(value),
                _ => return self.error("a number behind \":\""),
            }
        }
        Ok(Form::Ratio(parts, None))
    }

    /// A sum, as a form.
    fn operand(&mut self) -> Outcome<Form> {
        let start = self.at;
        let (degrees, based) = (std::mem::take(&mut self.degrees), std::mem::take(&mut self.based));
        let part = self.sum()?;
        let form = match part {
            Part::Form(form) => form,
            Part::Value(id) => {
                let unit = self.degrees.then(crate::units::Unit::degree);
                let percent = self.at > start && self.lexed.tokens[self.at - 1].tok == Tok::Percent;
                let decimal = self.decimal(id, start);
                Form::Value(Value { id, unit, percent, decimal, based: self.based })
            }
        };
        (self.degrees, self.based) = (degrees, based);
        Ok(form)
    }

    /// The precision of the one decimal between token `start` and here, if it makes the whole value up to a power of ten.
    fn decimal(&mut self, id: Id, start: usize) -> Option<Decimal> {
        let value = self.arena.rational(id)?;
        let numbers = self.lexed.tokens[start..self.at].iter().filter_map(|token| match token.tok {
            Tok::Number(index) => Some(&self.lexed.numbers[index as usize]),
            _ => None,
        });
        let mut decimals = numbers.filter(|n| n.places.is_some());
        let written = decimals.next()?;
        if decimals.next().is_some() {
            return None;
        }
        let ten = RBig::from(10);
        let places = written.places.unwrap_or(0).min(10_000);
        let ulp = ten.pow(written.exponent as isize - places as isize);
        if written.value.is_zero() {
            return value.is_zero().then_some(Decimal { ulp, digits: written.digits });
        }
        if self.at - start == 1 && written.value == *value {
            return Some(Decimal { ulp, digits: written.digits });
        }
        let mut scale = value / &written.value;
        if scale < RBig::ZERO {
            scale = -scale;
        }
        // Beyond 10^700 nothing is looked for.
        if crate::expr::bits(&scale) > 2_400 {
            return None;
        }
        let shift = scale.clone();
        for _ in 0..700 {
            if scale.is_one() {
                return Some(Decimal { ulp: ulp * shift, digits: written.digits });
            }
            if !scale.is_int() && !scale.numerator().is_one() {
                return None;
            }
            scale = if scale.is_int() { scale / &ten } else { scale * &ten };
        }
        None
    }
}

/// `{1,3} \cup {2,4}`: plain braces that take part in a set operation were meant as a set's, which elsewhere only group.
fn as_set(form: Form, in_braces: bool) -> Form {
    match form {
        Form::List(items) if in_braces => Form::Set(items),
        Form::Value(_) if in_braces => Form::Set(vec![form]),
        form => form,
    }
}

/// Leaves out `k \in \mathbb{Z}` behind what has the parameter k: that it is a whole number is understood.
fn without_ranges_of_parameters(items: &mut Vec<Form>) {
    let range = |item: &Form| {
        matches!(item, Form::Chain(sides, relations) if relations[..] == [Rel::In]
            && matches!(sides[..], [_, Form::Named(NamedSet::Integers | NamedSet::Naturals)]))
    };
    // So is that the argument of a function is a real one.
    let everywhere = |item: &Form| {
        matches!(item, Form::Chain(sides, relations) if relations[..] == [Rel::In]
            && matches!(sides[..], [_, Form::Named(NamedSet::Reals)]))
    };
    let equation = |item: &Form| matches!(item, Form::Chain(_, relations) if relations[..] == [Rel::Equal]);
    if items.first().is_some_and(|first| !range(first)) {
        items.retain(|item| !range(item));
    }
    if items.len() == 2 && equation(&items[0]) && everywhere(&items[1]) {
        items.truncate(1);
    }
}
