//! Functions that are put together of pieces: other forms of them pass, and what agrees with them on some pieces alone does not.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use surefoot_verifier::{Options, verify};

/// A function, forms that equal it everywhere, and others that equal it only here and there.
#[derive(Debug)]
struct Known {
    gold: String,
    same: Vec<String>,
    other: Vec<String>,
}

fn known(gold: String, same: Vec<String>, other: Vec<String>) -> Known {
    Known { gold, same, other }
}

fn functions() -> impl Strategy<Value = Known> {
    prop_oneof![
        (1i64..3_000).prop_map(|c| known(
            format!("|x-{c}|"),
            vec![format!("|{c}-x|"), format!("\\max(x-{c}, {c}-x)"), format!("\\sqrt{{(x-{c})^2}}")],
            vec![format!("x-{c}"), format!("{c}-x"), format!("|x-{}|", c + 1), format!("|x+{c}|"), format!("|x|-{c}")],
        )),
        (-900i64..900).prop_map(|c| known(
            format!("\\max(x, {c})"),
            vec![
                format!("\\frac{{x+({c})+|x-({c})|}}{{2}}"),
                format!("{c}+\\max(x-({c}), 0)"),
                format!("-\\min(-x, -({c}))")
            ],
            vec!["x".into(), c.to_string(), format!("\\max(x, {})", c + 1), format!("\\min(x, {c})")],
        )),
        (2i64..3_000).prop_map(|k| known(
            format!("\\lfloor \\frac{{n}}{{{k}}} \\rfloor"),
            vec![
                format!("\\frac{{n - (n \\bmod {k})}}{{{k}}}"),
                format!("\\lceil \\frac{{n-{}}}{{{k}}} \\rceil", k - 1),
                format!("\\lfloor \\frac{{n+{k}}}{{{k}}} \\rfloor - 1"),
            ],
            vec![
                "0".into(),
                format!("\\frac{{n}}{{{k}}}"),
                format!("\\lfloor \\frac{{n-1}}{{{k}}} \\rfloor"),
                format!("\\lceil \\frac{{n}}{{{k}}} \\rceil"),
                format!("\\lceil \\frac{{n}}{{{k}}} \\rceil - 1"),
            ],
        )),
        (1i64..900).prop_map(|c| known(
            format!("\\lfloor x \\rfloor + {c}"),
            vec![format!("\\lfloor x + {c} \\rfloor"), format!("{c} - \\lceil -x \\rceil")],
            vec![format!("x + {c}"), format!("\\lceil x \\rceil + {c}"), format!("\\lceil x \\rceil + {}", c - 1)],
        )),
        (2i64..40).prop_map(|k| known(
            format!("\\binom{{n}}{{{k}}}"),
            vec![
                format!("\\frac{{n}}{{{k}}} \\binom{{n-1}}{{{}}}", k - 1),
                format!("\\binom{{n-1}}{{{k}}} + \\binom{{n-1}}{{{}}}", k - 1),
            ],
            vec!["0".into(), format!("\\binom{{n}}{{{}}}", k + 1), format!("\\binom{{n-1}}{{{k}}}")],
        )),
        (2i64..900).prop_map(|k| known(
            format!("\\gcd(n, {k})"),
            vec![format!("\\gcd(n+{k}, {k})"), format!("\\frac{{{k}n}}{{\\operatorname{{lcm}}(n, {k})}}")],
            vec!["1".into(), k.to_string(), format!("\\gcd(n+1, {k})")],
        )),
        (2i64..3_000).prop_map(|k| known(
            format!("n \\bmod {k}"),
            vec![format!("n - {k}\\lfloor \\frac{{n}}{{{k}}} \\rfloor"), format!("(n+{k}) \\bmod {k}")],
            vec!["n".into(), "0".into(), format!("(n+1) \\bmod {k}"), format!("n \\bmod {}", k + 1)],
        )),
        (2i64..30).prop_map(|k| known(
            format!("\\lfloor \\log_{{{k}}} n \\rfloor"),
            vec![
                format!("\\lfloor \\log_{{{k}}} ({k}n) \\rfloor - 1"),
                format!("\\lfloor \\frac{{\\ln n}}{{\\ln {k}}} \\rfloor")
            ],
            vec![format!("\\lceil \\log_{{{k}}} n \\rceil - 1"), format!("\\log_{{{k}}} n"), "0".into(), "1".into()],
        )),
        (1i64..900).prop_map(|c| known(
            format!("\\ln(x-{c})"),
            vec![format!("-\\ln\\frac{{1}}{{x-{c}}}"), format!("\\frac12 \\ln((x-{c})^2)")],
            vec![format!("\\ln(x-{})", c + 1), format!("\\ln(x+{c})"), c.to_string()],
        )),
        (1i64..900).prop_map(|c| known(
            format!("\\sqrt{{x^2-{}}}", c * c),
            vec![format!("\\sqrt{{x-{c}}}\\sqrt{{x+{c}}}"), format!("\\sqrt{{(x-{c})(x+{c})}}")],
            vec![
                format!("x-{c}"),
                c.to_string(),
                format!("-\\sqrt{{x^2-{}}}", c * c),
                format!("\\sqrt{{x^2+{}}}", c * c)
            ],
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn other_forms_pass_and_near_misses_do_not(Known { gold, same, other } in functions()) {
        let options = Options { deadline: None, ..Options::default() };
        for answer in &same {
            let report = verify(&gold, answer, &options);
            prop_assert!(report.verdict.is_correct(), "{report}");
        }
        for answer in &other {
            let report = verify(&gold, answer, &options);
            prop_assert!(!report.verdict.is_correct(), "{report}");
        }
    }
}
