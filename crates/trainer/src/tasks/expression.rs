//! Exact value of an expression of whole numbers with `+ - * /` and brackets.

/// A fraction in lowest terms with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fraction {
    top: i128,
    bottom: i128,
}

/// Brackets within brackets, more than which no answer needs: the parser is recursive.
const DEEPEST: usize = 32;

impl Fraction {
    pub(super) fn new(top: i128, bottom: i128) -> Option<Self> {
        let (mut a, mut b) = (top.checked_abs()?, bottom.checked_abs()?);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        (bottom != 0).then(|| Fraction { top: top / a * bottom.signum(), bottom: bottom.abs() / a })
    }

    pub(super) fn whole(number: i64) -> Self {
        Fraction { top: i128::from(number), bottom: 1 }
    }

    pub(super) fn apply(self, sign: char, other: Self) -> Option<Self> {
        let cross = |s: Self, o: Self| s.top.checked_mul(o.bottom);
        match sign {
            '+' => {
                Self::new(cross(self, other)?.checked_add(cross(other, self)?)?, self.bottom.checked_mul(other.bottom)?)
            }
            '-' => {
                Self::new(cross(self, other)?.checked_sub(cross(other, self)?)?, self.bottom.checked_mul(other.bottom)?)
            }
            '*' => Self::new(self.top.checked_mul(other.top)?, self.bottom.checked_mul(other.bottom)?),
            _ => Self::new(cross(self, other)?, self.bottom.checked_mul(other.top)?),
        }
    }

    /// The value as a whole number, if it is one.
    pub(super) fn as_whole(self) -> Option<i64> {
        (self.bottom == 1).then(|| i64::try_from(self.top).ok()).flatten()
    }
}

/// Value of `text` and the numbers that stand in it; `None` when it is no such expression.
pub(super) fn evaluate(text: &str) -> Option<(Fraction, Vec<i64>)> {
    let plain = text
        .replace(['×', '·'], "*")
        .replace('÷', "/")
        .replace("\\times", "*")
        .replace("\\cdot", "*")
        .replace("\\div", "/");
    let letters: Vec<char> = plain.chars().filter(|c| !c.is_whitespace()).collect();
    let mut parser = Parser { letters: &letters, at: 0, numbers: Vec::new(), depth: 0 };
    let value = parser.sum()?;
    (parser.at == letters.len()).then_some((value, parser.numbers))
}

struct Parser<'a> {
    letters: &'a [char],
    at: usize,
    numbers: Vec<i64>,
    depth: usize,
}

impl Parser<'_> {
    fn next_of(&mut self, wanted: &[char]) -> Option<char> {
        let letter = *self.letters.get(self.at)?;
        wanted.contains(&letter).then(|| {
            self.at += 1;
            letter
        })
    }

    fn sum(&mut self) -> Option<Fraction> {
        let mut value = self.product()?;
        while let Some(sign) = self.next_of(&['+', '-']) {
            value = value.apply(sign, self.product()?)?;
        }
        Some(value)
    }

    fn product(&mut self) -> Option<Fraction> {
        let mut value = self.factor()?;
        while let Some(sign) = self.next_of(&['*', '/']) {
            value = value.apply(sign, self.factor()?)?;
        }
        Some(value)
    }

    fn factor(&mut self) -> Option<Fraction> {
        if self.next_of(&['(']).is_some() {
            self.depth += 1;
            if self.depth > DEEPEST {
                return None;
            }
            let value = self.sum()?;
            self.next_of(&[')'])?;
            self.depth -= 1;
            return Some(value);
        }
        let start = self.at;
        while self.letters.get(self.at).is_some_and(char::is_ascii_digit) {
            self.at += 1;
        }
        let number: i64 = self.letters[start..self.at].iter().collect::<String>().parse().ok()?;
        self.numbers.push(number);
        Some(Fraction::whole(number))
    }
}
