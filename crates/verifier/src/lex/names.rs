//! Words and commands with a meaning.

use super::token::{Bracket, Environment, NamedSet, Rel, Tok};
use crate::expr::{Constant, Function};

/// A function written as a plain word or as a command of that name.
pub(super) fn function(word: &str) -> Option<Function> {
    Some(match word {
        "sin" => Function::Sin,
        "cos" => Function::Cos,
        "tan" | "tg" => Function::Tan,
        "cot" | "ctg" => Function::Cot,
        "sec" => Function::Sec,
        "csc" | "cosec" => Function::Csc,
        "arcsin" | "asin" => Function::Asin,
        "arccos" | "acos" => Function::Acos,
        "arctan" | "atan" | "arctg" => Function::Atan,
        "arccot" | "acot" => Function::Acot,
        "arcsec" | "asec" => Function::Asec,
        "arccsc" | "acsc" => Function::Acsc,
        "sinh" => Function::Sinh,
        "cosh" => Function::Cosh,
        "tanh" => Function::Tanh,
        "arsinh" | "arcsinh" | "asinh" => Function::Asinh,
        "arcosh" | "arccosh" | "acosh" => Function::Acosh,
        "artanh" | "arctanh" | "atanh" => Function::Atanh,
        "ln" => Function::Ln,
        "log" => Function::Log,
        "lg" => Function::Log10,
        "exp" => Function::Exp,
        "abs" => Function::Abs,
        "floor" => Function::Floor,
        "ceil" | "ceiling" => Function::Ceil,
        "max" => Function::Max,
        "min" => Function::Min,
        "gcd" => Function::Gcd,
        "lcm" => Function::Lcm,
        "Re" => Function::Re,
        "Im" => Function::Im,
        "sgn" | "sign" => Function::Sign,
        "det" => Function::Det,
        "cis" => Function::Cis,
        _ => return None,
    })
}

/// Plain words that mean something other than a function.
pub(super) fn word(word: &str) -> Option<Tok> {
    Some(match word {
        "pi" | "Pi" => Tok::Constant(Constant::Pi),
        "inf" | "infinity" | "infty" | "oo" | "Infinity" => Tok::Constant(Constant::Infinity),
        "sqrt" | "Sqrt" => Tok::Sqrt,
        "cbrt" => Tok::CubeRoot,
        "binom" | "binomial" => Tok::Binom,
        "frac" => Tok::Frac,
        "mod" => Tok::Mod,
        "choose" => Tok::Choose,
        _ => return None,
    })
}

/// Greek letters, by command or plain name.
pub(crate) fn is_greek(word: &str) -> bool {
    const GREEK: [&str; 47] = [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "omicron",
        "rho",
        "varrho",
        "sigma",
        "varsigma",
        "tau",
        "upsilon",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Sigma",
        "Upsilon",
        "Phi",
        "Psi",
        "Omega",
        "hbar",
        "ell",
        "partial",
        "nabla",
        "aleph",
        "imath",
        "jmath",
        "odot",
        "star",
    ];
    GREEK.contains(&word)
}

/// What a command such as `\cdot` becomes.
pub(super) enum Command {
    Token(Tok),
    /// A space of some width.
    Space,
    /// Nothing at all, not even a space: `\!`, `\left`, `\displaystyle`.
    Nothing,
    /// Its argument is text.
    Text,
    /// Its argument is upright letters: a unit, a word or a function's name.
    Upright,
    /// Its argument is skipped.
    Skip,
    /// `\left` and `\right`: a full stop behind them is no bracket.
    Side,
    Unknown,
}

pub(super) fn command(name: &str) -> Command {
    use Command::{Nothing, Side, Skip, Space, Text, Token, Upright};
    if let Some(function) = function(name) {
        return Token(Tok::Function(function));
    }
    Token(match name {
        "frac" | "dfrac" | "tfrac" | "cfrac" | "nicefrac" | "sfrac" => Tok::Frac,
        "sqrt" | "surd" => Tok::Sqrt,
        "binom" | "dbinom" | "tbinom" => Tok::Binom,
        "choose" => Tok::Choose,
        "over" => Tok::Over,
        "pi" => Tok::Constant(Constant::Pi),
        "infty" | "infin" => Tok::Constant(Constant::Infinity),
        "cdot" | "times" | "ast" | "cdotp" | "bullet" => Tok::Star,
        "div" => Tok::Slash,
        "pm" => Tok::PlusMinus,
        "mp" => Tok::MinusPlus,
        "le" | "leq" | "leqslant" | "leqq" => Tok::Rel(Rel::LessEqual),
        "ge" | "geq" | "geqslant" | "geqq" => Tok::Rel(Rel::GreaterEqual),
        "lt" => Tok::Rel(Rel::Less),
        "gt" => Tok::Rel(Rel::Greater),
        "ne" | "neq" => Tok::Rel(Rel::NotEqual),
        "approx" | "simeq" | "sim" | "thickapprox" | "approxeq" | "cong" => Tok::Rel(Rel::Approx),
        "equiv" => Tok::Rel(Rel::Equiv),
        "in" | "isin" => Tok::Rel(Rel::In),
        "cup" | "bigcup" => Tok::Cup,
        "cap" | "bigcap" => Tok::Cap,
        "setminus" | "smallsetminus" | "backslash" => Tok::SetMinus,
        "mid" | "vert" | "lvert" | "rvert" => {
            if name == "mid" {
                Tok::Mid
            } else {
                Tok::Bar
            }
        }
        "Vert" | "lVert" | "rVert" | "|" => Tok::DoubleBar,
        "lfloor" => Tok::Open(Bracket::Floor),
        "rfloor" => Tok::Close(Bracket::Floor),
        "lceil" => Tok::Open(Bracket::Ceil),
        "rceil" => Tok::Close(Bracket::Ceil),
        "langle" => Tok::Open(Bracket::Angle),
        "rangle" => Tok::Close(Bracket::Angle),
        "{" | "lbrace" => Tok::Open(Bracket::Curly),
        "}" | "rbrace" => Tok::Close(Bracket::Curly),
        "lbrack" => Tok::Open(Bracket::Square),
        "rbrack" => Tok::Close(Bracket::Square),
        "lparen" => Tok::Open(Bracket::Round),
        "rparen" => Tok::Close(Bracket::Round),
        "prime" => Tok::Prime,
        "%" => Tok::Percent,
        "circ" | "degree" | "deg" => Tok::Degree,
        "$" | "textdollar" => Tok::Currency('$'),
        "pounds" => Tok::Currency('£'),
        "euro" => Tok::Currency('€'),
        "ldots" | "dots" | "cdots" | "dotsc" | "dotsb" => Tok::Ellipsis,
        "sum" => Tok::Sum,
        "prod" => Tok::Product,
        "int" | "iint" | "iiint" | "oint" => Tok::Integral,
        "lim" => Tok::Limit,
        "bmod" | "mod" | "pmod" => Tok::Mod,
        "emptyset" | "varnothing" => Tok::Set(NamedSet::Empty),
        "angle" | "measuredangle" | "triangle" | "odot" | "overarc" | "wideparen" => Tok::Figure,
        "vec" | "hat" | "widehat" | "bar" | "overline" | "tilde" | "widetilde" | "dot" | "ddot" | "underline"
        | "overrightarrow" | "mathcal" | "mathscr" | "mathfrak" | "mathbb" => Tok::Accent,
        "AA" => Tok::Word,
        "vee" | "lor" => Tok::Semicolon,
        "colon" => Tok::Colon,
        "and" | "wedge" | "land" => Tok::Comma,
        "to" | "rightarrow" | "longrightarrow" => Tok::To,
        "," | ";" | ":" | ">" | " " | "quad" | "qquad" | "enspace" | "thinspace" | "space" | "nobreakspace"
        | "hfill" | "\n" | "\t" => return Space,
        "!" | "displaystyle" | "textstyle" | "scriptstyle" | "limits" | "nolimits" | "big" | "Big" | "bigg"
        | "Bigg" | "bigl" | "bigr" | "Bigl" | "Bigr" | "biggl" | "biggr" | "Biggl" | "Biggr" | "middle" | "mathbf"
        | "boldsymbol" | "bm" | "boxed" | "fbox" | "framebox" | "mathit" | "mathnormal" | "mathop" | "mathstrut"
        | "strut" | "ensuremath" | "boldmath" | "rm" | "bf" | "it" | "normalsize" | "large" | "Large" | "small"
        | "huge" | "Huge" | "LARGE" | "tiny" | "footnotesize" | "scriptsize" | "therefore" | "checkmark"
        | "blacksquare" | "qed" | "phantomsection" | "mathsf" | "mathtt" | "cancel" | "protect" => return Nothing,
        "left" | "right" => return Side,
        "text" | "mbox" | "hbox" | "textbf" | "textit" | "textrm" | "textnormal" | "texttt" | "textsf" | "emph"
        | "textsc" | "textup" | "mathchoice" => return Text,
        "mathrm" | "operatorname" | "unit" | "si" | "mathring" => return Upright,
        "phantom" | "hphantom" | "vphantom" | "hspace" | "vspace" | "label" | "tag" | "color" | "textcolor"
        | "hskip" | "mathrel" => return Skip,
        _ => return Command::Unknown,
    })
}

/// Environments by name; others are unknown.
pub(super) fn environment(name: &str) -> Option<Environment> {
    Some(match name.trim_end_matches('*') {
        "pmatrix" | "bmatrix" | "matrix" | "smallmatrix" | "Bmatrix" => Environment::Matrix,
        "vmatrix" => Environment::Determinant,
        "array" => Environment::Array,
        "aligned" | "align" | "alignat" | "alignedat" | "gathered" | "gather" | "split" | "equation" | "eqnarray"
        | "multline" | "multlined" | "flalign" => Environment::Lines,
        "cases" | "dcases" | "rcases" => Environment::Cases,
        _ => return None,
    })
}

/// Words of two or three letters that are never products of variables.
pub(super) fn is_short_word(word: &str) -> bool {
    const SHORT: [&str; 34] = [
        "is", "to", "the", "are", "an", "of", "in", "by", "at", "we", "so", "or", "and", "if", "for", "per", "as",
        "on", "be", "it", "The", "let", "all", "any", "not", "no", "No", "yes", "Yes", "AM", "PM", "am", "pm", "his",
    ];
    SHORT.contains(&word)
}
