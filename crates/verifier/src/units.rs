//! Units of measure: names, dimension and size.

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

/// Base dimensions, in the order of [`Unit::dims`].
#[derive(Clone, Copy)]
enum Dim {
    Length,
    Time,
    Mass,
    Money,
    Angle,
    Temperature,
    Current,
    Amount,
}
use Dim::{Amount, Angle, Current, Length, Mass, Money, Temperature, Time};

const DIMS: usize = 8;

/// A product of powers of known units. Words that name no unit ("apples") leave it unknown.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    dims: [i8; DIMS],
    /// Size in base units; currencies other than dollars have no known size and their own name.
    factor: RBig,
    /// Name of a currency or of a unit without a common size.
    kind: &'static str,
    /// The names and powers as they were written, `km·h^{-1}`: other names of the same unit stand for it as well.
    spelling: String,
}

impl Unit {
    pub(crate) fn degree() -> Self {
        named("degree").unwrap_or_else(Unit::none).spelled("°")
    }

    pub(crate) fn none() -> Self {
        Unit { dims: [0; DIMS], factor: RBig::ONE, kind: "", spelling: String::new() }
    }

    pub(crate) fn is_degree(&self) -> bool {
        self.kind == "degree"
    }

    /// Degrees of a temperature, whose scale an answer may leave out.
    pub(crate) fn is_temperature(&self) -> bool {
        matches!(self.kind, "celsius" | "fahrenheit")
    }

    /// The factor that turns a value in `self` to one in `other`; `None` where they measure different things.
    pub(crate) fn to(&self, other: &Unit) -> Option<RBig> {
        (self.dims == other.dims && self.kind == other.kind).then(|| &self.factor / &other.factor)
    }

    /// `self · other^power`
    pub(crate) fn times(mut self, other: &Unit, power: i8) -> Option<Unit> {
        for (mine, theirs) in self.dims.iter_mut().zip(other.dims) {
            *mine = mine.checked_add(theirs.checked_mul(power)?)?;
        }
        self.factor *= other.factor.pow(power as isize);
        if !other.kind.is_empty() {
            self.kind = other.kind;
        }
        if !self.spelling.is_empty() {
            self.spelling.push('·');
        }
        self.spelling.push_str(&other.spelling);
        if power != 1 {
            self.spelling.push_str(&format!("^{{{power}}}"));
        }
        Some(self)
    }

    /// The sign of a currency, which stands before its number.
    pub(crate) fn sign(&self) -> Option<char> {
        self.spelling.chars().next().filter(|sign| !sign.is_alphabetic() && *sign != '°')
    }

    pub(crate) fn spelling(&self) -> &str {
        &self.spelling
    }

    fn spelled(self, spelling: impl Into<String>) -> Self {
        Unit { spelling: spelling.into(), ..self }
    }
}

fn unit(dims: &[(Dim, i8)], numerator: u64, denominator: u64) -> Option<Unit> {
    let mut all = [0; DIMS];
    dims.iter().for_each(|&(dim, power)| all[dim as usize] = power);
    let factor = RBig::from_parts(IBig::from(numerator), UBig::from(denominator));
    Some(Unit { dims: all, factor, kind: "", spelling: String::new() })
}

fn kind(dim: Dim, kind: &'static str) -> Option<Unit> {
    unit(&[(dim, 1)], 1, 1).map(|u| Unit { kind, ..u })
}

/// Energies in a size of their own: nobody compares them with joules exactly.
fn electronvolts(number: u64) -> Option<Unit> {
    unit(&[(Mass, 1), (Length, 2), (Time, -2)], number, 1).map(|u| Unit { kind: "electronvolt", ..u })
}

fn parsecs(number: u64) -> Option<Unit> {
    unit(&[(Length, 1)], number, 1).map(|u| Unit { kind: "parsec", ..u })
}

/// The currency of a sign.
pub(crate) fn currency(sign: char) -> Option<Unit> {
    let unit = match sign {
        '$' => unit(&[(Money, 1)], 1, 1),
        '¢' => unit(&[(Money, 1)], 1, 100),
        '€' => kind(Money, "euro"),
        '£' => kind(Money, "pound sterling"),
        '¥' => kind(Money, "yen"),
        '₹' => kind(Money, "rupee"),
        _ => kind(Money, "other currency"),
    };
    unit.map(|unit| unit.spelled(sign))
}

/// A unit by its name or symbol.
pub(crate) fn named(word: &str) -> Option<Unit> {
    known(word).map(|unit| unit.spelled(word))
}

fn known(word: &str) -> Option<Unit> {
    let lower = word.to_ascii_lowercase();
    let stem = if lower.len() > 3 { lower.strip_suffix('s').unwrap_or(&lower) } else { &lower };
    match word {
        "m" => return unit(&[(Length, 1)], 1, 1),
        "g" => return unit(&[(Mass, 1)], 1, 1000),
        "s" => return unit(&[(Time, 1)], 1, 1),
        "h" => return unit(&[(Time, 1)], 3600, 1),
        "L" | "l" => return unit(&[(Length, 3)], 1, 1000),
        "A" => return unit(&[(Current, 1)], 1, 1),
        "K" => return kind(Temperature, "kelvin"),
        "C" => return kind(Temperature, "celsius"),
        "F" => return kind(Temperature, "fahrenheit"),
        "N" => return unit(&[(Mass, 1), (Length, 1), (Time, -2)], 1, 1),
        "J" => return unit(&[(Mass, 1), (Length, 2), (Time, -2)], 1, 1),
        "W" => return unit(&[(Mass, 1), (Length, 2), (Time, -3)], 1, 1),
        "Omega" => return named("ohm"),
        "AA" | "\\AA" => return named("angstrom"),
        "M_\\odot" => return kind(Mass, "solar mass"),
        // A prefix in front of its unit.
        "mu" => return unit(&[], 1, 1_000_000),
        "V" => return unit(&[(Mass, 1), (Length, 2), (Time, -3), (Current, -1)], 1, 1),
        "Hz" => return unit(&[(Time, -1)], 1, 1),
        "eV" => return electronvolts(1),
        "keV" => return electronvolts(1_000),
        "MeV" => return electronvolts(1_000_000),
        "GeV" => return electronvolts(1_000_000_000),
        "pc" => return parsecs(1),
        "kpc" => return parsecs(1_000),
        "Mpc" => return parsecs(1_000_000),
        "Pa" => return unit(&[(Mass, 1), (Length, -1), (Time, -2)], 1, 1),
        _ => {}
    }
    match stem {
        "meter" | "metre" => unit(&[(Length, 1)], 1, 1),
        "cm" | "cms" | "centimeter" | "centimetre" => unit(&[(Length, 1)], 1, 100),
        "mm" | "millimeter" | "millimetre" => unit(&[(Length, 1)], 1, 1000),
        "km" | "kms" | "kilometer" | "kilometre" => unit(&[(Length, 1)], 1000, 1),
        "nm" | "nanometer" => unit(&[(Length, 1)], 1, 1_000_000_000),
        "micrometer" | "micron" => unit(&[(Length, 1)], 1, 1_000_000),
        "in" | "inch" | "inche" => unit(&[(Length, 1)], 254, 10_000),
        "ft" | "foot" | "feet" => unit(&[(Length, 1)], 3048, 10_000),
        "yd" | "yds" | "yard" => unit(&[(Length, 1)], 9144, 10_000),
        "mi" | "mile" => unit(&[(Length, 1)], 1_609_344, 1000),
        "mph" => unit(&[(Length, 1), (Time, -1)], 44_704, 100_000),
        "kph" | "kmh" => unit(&[(Length, 1), (Time, -1)], 1000, 3600),
        "second" | "sec" | "secs" => unit(&[(Time, 1)], 1, 1),
        "ms" | "millisecond" => unit(&[(Time, 1)], 1, 1000),
        "minute" | "min" | "mins" => unit(&[(Time, 1)], 60, 1),
        "hour" | "hr" | "hrs" => unit(&[(Time, 1)], 3600, 1),
        "day" => unit(&[(Time, 1)], 86_400, 1),
        "week" => unit(&[(Time, 1)], 604_800, 1),
        "month" => kind(Time, "month"),
        "year" | "yr" | "yrs" => kind(Time, "year"),
        "kg" | "kgs" | "kilogram" | "kilo" => unit(&[(Mass, 1)], 1, 1),
        "gram" => unit(&[(Mass, 1)], 1, 1000),
        "mg" | "milligram" => unit(&[(Mass, 1)], 1, 1_000_000),
        "lb" | "lbs" | "pound" => unit(&[(Mass, 1)], 45_359_237, 100_000_000),
        "oz" | "ounce" => unit(&[(Mass, 1)], 45_359_237, 1_600_000_000),
        "ton" => kind(Mass, "ton"),
        "ml" | "milliliter" | "millilitre" | "cc" => unit(&[(Length, 3)], 1, 1_000_000),
        "liter" | "litre" => unit(&[(Length, 3)], 1, 1000),
        "gallon" | "gal" => unit(&[(Length, 3)], 3_785_411_784, 1_000_000_000_000),
        "acre" => unit(&[(Length, 2)], 40_468_564_224, 10_000_000),
        "dollar" | "usd" | "buck" => unit(&[(Money, 1)], 1, 1),
        "cent" | "penny" | "pennie" => unit(&[(Money, 1)], 1, 100),
        "euro" | "eur" => kind(Money, "euro"),
        "rupee" => kind(Money, "rupee"),
        "yen" => kind(Money, "yen"),
        "degree" | "deg" => kind(Angle, "degree"),
        "radian" | "rad" | "rads" => kind(Angle, "radian"),
        "celsiu" | "celsius" => kind(Temperature, "celsius"),
        "fahrenheit" => kind(Temperature, "fahrenheit"),
        "kelvin" => kind(Temperature, "kelvin"),
        "erg" => unit(&[(Mass, 1), (Length, 2), (Time, -2)], 1, 10_000_000),
        "angstrom" => unit(&[(Length, 1)], 1, 10_000_000_000),
        "atm" => unit(&[(Mass, 1), (Length, -1), (Time, -2)], 101_325, 1),
        "ohm" => unit(&[(Mass, 1), (Length, 2), (Time, -3), (Current, -2)], 1, 1),
        "coulomb" => unit(&[(Current, 1), (Time, 1)], 1, 1),
        "tesla" => unit(&[(Mass, 1), (Time, -2), (Current, -1)], 1, 1),
        "ghz" => unit(&[(Time, -1)], 1_000_000_000, 1),
        "joule" => unit(&[(Mass, 1), (Length, 2), (Time, -2)], 1, 1),
        "newton" => unit(&[(Mass, 1), (Length, 1), (Time, -2)], 1, 1),
        "watt" => unit(&[(Mass, 1), (Length, 2), (Time, -3)], 1, 1),
        "kw" | "kilowatt" => unit(&[(Mass, 1), (Length, 2), (Time, -3)], 1000, 1),
        "volt" => unit(&[(Mass, 1), (Length, 2), (Time, -3), (Current, -1)], 1, 1),
        "ampere" | "amp" => unit(&[(Current, 1)], 1, 1),
        "mol" | "mols" | "mole" => unit(&[(Amount, 1)], 1, 1),
        "khz" => unit(&[(Time, -1)], 1000, 1),
        "mhz" => unit(&[(Time, -1)], 1_000_000, 1),
        "kj" => unit(&[(Mass, 1), (Length, 2), (Time, -2)], 1000, 1),
        "kpa" => unit(&[(Mass, 1), (Length, -1), (Time, -2)], 1000, 1),
        _ => None,
    }
}

/// Units that are written in plain text and are no product of variables.
pub(crate) fn is_plain_unit(word: &str) -> bool {
    word.len() >= 2 && !matches!(word, "min" | "sec" | "as" | "in") && named(word).is_some()
}
