//! The tokens of an answer.

use dashu_ratio::RBig;

use crate::expr::{Constant, Function};

/// Brackets that open and close a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bracket {
    Round,
    Square,
    /// A LaTeX group, invisible in print.
    Brace,
    /// `\{ … \}`
    Curly,
    Angle,
    Floor,
    Ceil,
}

/// Relations between two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rel {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Approx,
    Equiv,
    In,
}

/// Sets with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedSet {
    Reals,
    Integers,
    Naturals,
    Rationals,
    Complexes,
    Empty,
}

/// Environments of rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environment {
    Matrix,
    Determinant,
    /// Rows and columns, or lines of a formula.
    Array,
    /// Lines of a formula: `aligned` and the like.
    Lines,
    Cases,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tok {
    /// Index into [`Lexed::numbers`].
    Number(u32),
    /// A variable: index into the names.
    Symbol(u32),
    Constant(Constant),
    Function(Function),
    /// A word of text; its letters are the token's bytes.
    Word,
    Plus,
    Minus,
    Star,
    Slash,
    Caret,
    Underscore,
    Open(Bracket),
    Close(Bracket),
    Bar,
    DoubleBar,
    Comma,
    Semicolon,
    Colon,
    Rel(Rel),
    Cup,
    Cap,
    SetMinus,
    Mid,
    PlusMinus,
    MinusPlus,
    Bang,
    Prime,
    Percent,
    Degree,
    Currency(char),
    Ellipsis,
    Frac,
    Binom,
    Choose,
    /// `\over`
    Over,
    Sqrt,
    CubeRoot,
    /// A mark over a letter, such as `\vec`: its name stands at the token's bytes.
    Accent,
    Sum,
    Product,
    Integral,
    /// A letter of an integral's `dx`, with its variable; the parser puts it there.
    Differential(u32),
    Limit,
    /// `\to`
    To,
    Mod,
    Begin(Environment),
    End,
    Ampersand,
    Row,
    Set(NamedSet),
    /// `\angle`, `\triangle`: the letters behind name one thing.
    Figure,
    End0,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Whether space stands before it.
    pub(crate) spaced: bool,
    /// Whether it stands in `\text{…}`.
    pub(crate) text: bool,
}

/// A number as written.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    pub(crate) value: RBig,
    /// Digits behind the point; `None` for a whole number.
    pub(crate) places: Option<u32>,
    /// The power of ten behind `e`.
    pub(crate) exponent: i32,
    /// Significant digits.
    pub(crate) digits: u32,
    /// Nothing but digits, so that `\frac12` may take them one by one.
    pub(crate) plain: bool,
    /// A glyph such as ½.
    pub(crate) vulgar: bool,
}

/// What the lexer makes of one answer.
#[derive(Debug, Default)]
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<Token>,
    pub(crate) numbers: Vec<Number>,
    /// A run like `100,200` was read as one number; it could also be two.
    pub(crate) commas_ambiguous: bool,
}
