//! Unicode spellings.

use super::token::{Bracket, NamedSet, Rel, Tok};
use crate::expr::Constant;

/// The token that a character outside ASCII stands for.
pub(super) fn token(glyph: char) -> Option<Tok> {
    Some(match glyph {
        '−' | '–' | '—' | '‐' | '‑' | '﹣' | '\u{ff0d}' => Tok::Minus,
        '\u{ff0b}' => Tok::Plus,
        '×' | '·' | '⋅' | '∙' | '✕' | '•' | '∗' | '\u{ff0a}' => Tok::Star,
        '÷' | '∕' | '⁄' | '\u{ff0f}' => Tok::Slash,
        '√' => Tok::Sqrt,
        '∛' => Tok::CubeRoot,
        'π' | '𝜋' => Tok::Constant(Constant::Pi),
        'ℯ' => Tok::Constant(Constant::E),
        'ⅈ' => Tok::Constant(Constant::I),
        '∞' => Tok::Constant(Constant::Infinity),
        '≤' | '⩽' | '≦' => Tok::Rel(Rel::LessEqual),
        '≥' | '⩾' | '≧' => Tok::Rel(Rel::GreaterEqual),
        '≠' => Tok::Rel(Rel::NotEqual),
        '≈' | '≃' | '≅' => Tok::Rel(Rel::Approx),
        '≡' => Tok::Rel(Rel::Equiv),
        '∈' => Tok::Rel(Rel::In),
        '\u{ff1d}' => Tok::Rel(Rel::Equal),
        '\u{ff1c}' => Tok::Rel(Rel::Less),
        '\u{ff1e}' => Tok::Rel(Rel::Greater),
        '∪' | '⋃' => Tok::Cup,
        '∩' | '⋂' => Tok::Cap,
        '∖' => Tok::SetMinus,
        '∣' => Tok::Mid,
        '±' => Tok::PlusMinus,
        '∓' => Tok::MinusPlus,
        '°' | 'º' | '˚' => Tok::Degree,
        '′' | '’' | '‘' | 'ʹ' => Tok::Prime,
        '\u{ff05}' | '٪' => Tok::Percent,
        '€' | '£' | '¥' | '₹' | '₩' | '₽' | '¢' | '$' => Tok::Currency(glyph),
        '…' | '⋯' => Tok::Ellipsis,
        '∫' | '∬' | '∭' | '∮' => Tok::Integral,
        '→' | '⟶' => Tok::To,
        '∧' => Tok::Comma,
        '∨' => Tok::Semicolon,
        '∑' => Tok::Sum,
        '∏' => Tok::Product,
        '∅' => Tok::Set(NamedSet::Empty),
        'ℝ' => Tok::Set(NamedSet::Reals),
        'ℤ' => Tok::Set(NamedSet::Integers),
        'ℕ' => Tok::Set(NamedSet::Naturals),
        'ℚ' => Tok::Set(NamedSet::Rationals),
        'ℂ' => Tok::Set(NamedSet::Complexes),
        '∠' | '△' | '▵' => Tok::Figure,
        '⌊' => Tok::Open(Bracket::Floor),
        '⌋' => Tok::Close(Bracket::Floor),
        '⌈' => Tok::Open(Bracket::Ceil),
        '⌉' => Tok::Close(Bracket::Ceil),
        '⟨' | '〈' => Tok::Open(Bracket::Angle),
        '⟩' | '〉' => Tok::Close(Bracket::Angle),
        '\u{ff08}' => Tok::Open(Bracket::Round),
        '\u{ff09}' => Tok::Close(Bracket::Round),
        '\u{ff0c}' | '、' => Tok::Comma,
        '\u{ff1a}' => Tok::Colon,
        '\u{ff1b}' => Tok::Semicolon,
        _ => return None,
    })
}

/// Superscript characters and the ASCII that they raise.
pub(super) fn superscript(glyph: char) -> Option<char> {
    Some(match glyph {
        '⁰' => '0',
        '¹' => '1',
        '²' => '2',
        '³' => '3',
        '⁴' => '4',
        '⁵' => '5',
        '⁶' => '6',
        '⁷' => '7',
        '⁸' => '8',
        '⁹' => '9',
        '⁺' => '+',
        '⁻' => '-',
        '⁽' => '(',
        '⁾' => ')',
        'ⁿ' => 'n',
        'ⁱ' => 'i',
        _ => return None,
    })
}

/// Subscript characters and the ASCII that they lower.
pub(super) fn subscript(glyph: char) -> Option<char> {
    Some(match glyph {
        '₀'..='₉' => char::from_digit(glyph as u32 - '₀' as u32, 10)?,
        'ₙ' => 'n',
        'ₐ' => 'a',
        'ₓ' => 'x',
        'ᵢ' => 'i',
        'ₖ' => 'k',
        'ₘ' => 'm',
        _ => return None,
    })
}

/// Numerator and denominator of a fraction character.
pub(super) fn fraction(glyph: char) -> Option<(u32, u32)> {
    Some(match glyph {
        '½' => (1, 2),
        '⅓' => (1, 3),
        '⅔' => (2, 3),
        '¼' => (1, 4),
        '¾' => (3, 4),
        '⅕' => (1, 5),
        '⅖' => (2, 5),
        '⅗' => (3, 5),
        '⅘' => (4, 5),
        '⅙' => (1, 6),
        '⅚' => (5, 6),
        '⅐' => (1, 7),
        '⅛' => (1, 8),
        '⅜' => (3, 8),
        '⅝' => (5, 8),
        '⅞' => (7, 8),
        '⅑' => (1, 9),
        '⅒' => (1, 10),
        _ => return None,
    })
}

/// Greek letters as the names that their commands have.
pub(super) fn greek(glyph: char) -> Option<&'static str> {
    const LOWER: [&str; 25] = [
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
        "xi", "omicron", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    ];
    const UPPER: [(char, &str); 11] = [
        ('Γ', "Gamma"),
        ('Δ', "Delta"),
        ('Θ', "Theta"),
        ('Λ', "Lambda"),
        ('Ξ', "Xi"),
        ('Σ', "Sigma"),
        ('Φ', "Phi"),
        ('Ψ', "Psi"),
        ('Ω', "Omega"),
        ('ϕ', "phi"),
        ('µ', "mu"),
    ];
    if ('α'..='ω').contains(&glyph) {
        return LOWER.get(glyph as usize - 'α' as usize).copied();
    }
    UPPER.iter().find(|(g, _)| *g == glyph).map(|(_, name)| *name)
}
