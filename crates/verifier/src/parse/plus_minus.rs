//! `a ± b` becomes its two values.

use crate::budget::{Budget, Outcome};
use crate::expr::{Arena, Id, Node};
use crate::form::{Form, Value};

/// Replaces every form that holds `±` by the list of its two signs. Signs of one form go together.
pub(super) fn expand(form: Form, arena: &mut Arena, budget: &mut Budget) -> Outcome<Form> {
    match form {
        Form::List(items) => Ok(Form::List(expand_all(items, arena, budget)?)),
        Form::Set(items) => Ok(Form::Set(expand_all(items, arena, budget)?)),
        form => Ok(match both(form, arena, budget)? {
            (one, None) => one,
            (plus, Some(minus)) => Form::List(vec![plus, minus]),
        }),
    }
}

fn expand_all(items: Vec<Form>, arena: &mut Arena, budget: &mut Budget) -> Outcome<Vec<Form>> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        let (plus, minus) = both(item, arena, budget)?;
        all.push(plus);
        all.extend(minus);
    }
    Ok(all)
}

fn both(form: Form, arena: &mut Arena, budget: &mut Budget) -> Outcome<(Form, Option<Form>)> {
    if !holds(&form, arena) {
        return Ok((form, None));
    }
    let plus = signed(&form, true, arena, budget)?;
    let minus = signed(&form, false, arena, budget)?;
    Ok((plus, Some(minus)))
}

fn holds(form: &Form, arena: &Arena) -> bool {
    match form {
        Form::Value(value) => {
            arena.rational(value.id).is_none() && arena.any(value.id, |n| matches!(n, Node::PlusMinus(..)))
        }
        Form::Chain(sides, _) => sides.iter().any(|side| holds(side, arena)),
        Form::Group { items, .. } | Form::Vector(items) => items.iter().any(|item| holds(item, arena)),
        _ => false,
    }
}

fn signed(form: &Form, plus: bool, arena: &mut Arena, budget: &mut Budget) -> Outcome<Form> {
    let all = |items: &[Form], arena: &mut Arena, budget: &mut Budget| {
        items.iter().map(|item| signed(item, plus, arena, budget)).collect::<Outcome<Vec<_>>>()
    };
    Ok(match form {
        Form::Value(value) => Form::Value(Value { id: with_sign(value.id, plus, arena, budget)?, ..value.clone() }),
        Form::Chain(sides, relations) => Form::Chain(all(sides, arena, budget)?, relations.clone()),
        Form::Group { closed, items } => Form::Group { closed: *closed, items: all(items, arena, budget)? },
        Form::Vector(items) => Form::Vector(all(items, arena, budget)?),
        other => other.clone(),
    })
}

fn with_sign(id: Id, plus: bool, arena: &mut Arena, budget: &mut Budget) -> Outcome<Id> {
    arena.rebuild(id, budget, |arena, node, budget| match *node {
        Node::PlusMinus(a, b, flip) if plus != flip => arena.add(a, b, budget).map(Some),
        Node::PlusMinus(a, b, _) => arena.sub(a, b, budget).map(Some),
        _ => Ok(None),
    })
}
