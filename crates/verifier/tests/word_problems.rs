//! What GSM8K and AIME runs need: every way in which models give a number.
#![allow(clippy::unwrap_used)]

use surefoot_verifier::{Format, Mode, Options, Rule, Verdict, extract, verify};

fn correct(gold: &str, answer: &str) {
    let report = verify(gold, answer, &Options::default());
    assert!(report.verdict.is_correct(), "{gold:?} against {answer:?}\n{report}");
}

fn not_correct(gold: &str, answer: &str) {
    let report = verify(gold, answer, &Options::default());
    assert!(!report.verdict.is_correct(), "{gold:?} against {answer:?}\n{report}");
}

#[test]
fn numbers_in_all_spellings() {
    for answer in [
        "72",
        r"\boxed{72}",
        r"so $\boxed{72}$ clips",
        "#### 72",
        "48/2 = 24\n48+24 = 72\n#### 72",
        "The answer is 72.",
        "The final answer is: $72$.",
        "**Answer:** 72",
        "The answer is\n\n72",
        "Natalia sold 72 clips in total.",
        "She sold 48 + 24 = 72 clips altogether in April and May.",
        "<think>5 and 6</think>The answer is 72.",
        "<think>maybe 5</think><answer>72</answer>",
        "72.0",
        "$72",
        "144/2",
        r"\frac{144}{2}",
        "Therefore the total is $24+48=72$.",
        "the answer is seventy two",
    ] {
        correct("72", answer);
    }
    correct("72", "72 apples");
    correct("#### 72", "72");
    correct("48+24 = 72\n#### 72", r"\boxed{72}");
    correct("1000000", "$1,000,000");
    correct("1,234", "The answer is 1234.");
    correct("10", r"\boxed{10\%}");
    correct("0.5", "1/2");
    correct("033", "33");
}

#[test]
fn other_numbers_do_not_pass() {
    for answer in
        ["73", "7.2", "-72", "5 or 72", r"\boxed{72} or \boxed{73}", r"\boxed{7", "72 = 73", "not 72 but 73", ""]
    {
        not_correct("72", answer);
    }
    not_correct("72", "Is it 72?");
    not_correct("72", "<think>72");
    not_correct("72", "<answer>72");
    not_correct("72", "The answer is 5. No, the answer is 72.");
    not_correct("72", r"\boxed{72} and then #### 73");
    assert!(matches!(
        verify("72", "I do not know", &Options::default()).verdict,
        Verdict::Wrong | Verdict::Unparseable { .. }
    ));
}

#[test]
fn the_rule_is_reported() {
    let rule = |text| extract(text, Mode::Lenient).unwrap().rule;
    assert_eq!(rule(r"x \boxed{1}"), Rule::Boxed);
    assert_eq!(rule("<answer>1</answer>"), Rule::AnswerTag);
    assert_eq!(rule("a\n#### 1"), Rule::Hashes);
    assert_eq!(rule("so the answer is 1"), Rule::FinalAnswer);
    assert_eq!(rule("1"), Rule::Whole);
    assert_eq!(rule("First we add.\nThen $x=1$."), Rule::MathSpan);
    assert_eq!(rule("First we add.\nThen we have 1 left."), Rule::LastNumber);
}

#[test]
fn strict_mode_takes_its_format_alone() {
    let strict = |format| Options { mode: Mode::Strict(format), ..Options::default() };
    let judge = |format, text: &str| verify("72", text, &strict(format)).verdict;
    assert!(judge(Format::Boxed, r"it is \boxed{72}").is_correct());
    assert!(matches!(judge(Format::Boxed, "the answer is 72"), Verdict::Unparseable { .. }));
    assert!(judge(Format::ThinkAnswer, "<think>a</think>\n<answer>72</answer>").is_correct());
    assert!(matches!(judge(Format::ThinkAnswer, "<answer>72</answer>"), Verdict::Unparseable { .. }));
    assert!(matches!(
        judge(Format::ThinkAnswer, "<think>a</think><answer>72</answer> bye"),
        Verdict::Unparseable { .. }
    ));
    assert!(judge(Format::Answer, "hm <answer>72</answer>").is_correct());
    assert!(judge(Format::Hashes, "hm\n#### 72").is_correct());
    assert!(matches!(judge(Format::Hashes, "#### 72\nhm"), Verdict::Unparseable { .. }));
}
