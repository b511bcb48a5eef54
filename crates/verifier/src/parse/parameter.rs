//! The letter of a whole number that counts solutions: `\\frac{\\pi}{6} + 2k\\pi, k \\in \\mathbb{Z}`.

use crate::lex::token::{NamedSet, Rel, Tok, Token};

/// Whether a letter other than `common` is said to be a whole number, while `common` does not occur; if asked, `common` takes its
/// place.
pub(super) fn rename(tokens: &mut [Token], common: u32, replace: bool) -> bool {
    let declared = tokens.windows(4).find_map(|window| match [window[1].tok, window[2].tok, window[3].tok] {
        [Tok::Symbol(name), Tok::Rel(Rel::In), Tok::Set(NamedSet::Integers | NamedSet::Naturals)] => Some(name),
        _ => None,
    });
    let Some(declared) = declared.filter(|_| tokens.iter().all(|t| t.tok != Tok::Symbol(common))) else {
        return false;
    };
    if replace {
        tokens.iter_mut().filter(|t| t.tok == Tok::Symbol(declared)).for_each(|t| t.tok = Tok::Symbol(common));
    }
    true
}
