//! Rewards: the built-in ones, and a user's program that works, crashes, hangs or prints rubbish.
#![allow(clippy::unwrap_used)]

use surefoot_trainer::config::Reward;
use surefoot_trainer::config::choice::AnswerFormat;
use surefoot_trainer::reward::{Judged, RewardError, Rewarder, Sample, Verdict};

fn score(config: &Reward, pairs: &[(&str, &str)]) -> Judged {
    let samples: Vec<Sample<'_>> =
        pairs.iter().map(|(gold, completion)| Sample { problem: "p", gold, completion }).collect();
    Rewarder::new(config, 2).unwrap().score(&samples).unwrap()
}

fn named(name: &str) -> Reward {
    Reward { name: name.into(), ..Reward::default() }
}

#[test]
fn mathematics_is_judged() {
    let pairs = [("72", r"so \boxed{72}"), ("1/2", "the answer is 0.5"), ("72", "it is 71"), ("72", r"so \boxed{7")];
    let judged = score(&named("math"), &pairs);
    assert_eq!(judged.rewards(4), [1.0, 1.0, 0.0, 0.0]);
    let counts = judged.counts();
    assert_eq!((counts.correct, counts.wrong, counts.unparseable), (2, 1, 1), "{judged:?}");
    assert_eq!(score(&named("math_pm1"), &pairs).rewards(4), [1.0, 1.0, -1.0, -1.0]);
}

#[test]
fn a_gold_answer_that_cannot_be_read_is_no_zero() {
    let judged = score(&named("math"), &[("", "72"), ("", "7")]);
    assert_eq!(judged.outcomes[0].reward, None);
    assert_eq!(judged.counts().gold_unparseable, 2, "{judged:?}");
}

#[test]
fn a_form_earns_its_bonus_and_strict_asks_for_it() {
    let bonus = Reward { format: AnswerFormat::Boxed, format_bonus: 0.25, ..named("math") };
    let pairs = [("72", r"\boxed{72}"), ("72", "72"), ("72", r"\boxed{71}"), ("72", r"\boxed{72")];
    let judged = score(&bonus, &pairs);
    assert_eq!(judged.rewards(4)[..3], [1.25, 1.0, 0.25]);
    assert_eq!(judged.outcomes.iter().map(|o| o.formatted).collect::<Vec<_>>(), [true, false, true, false].map(Some));
    let strict = Reward { format: AnswerFormat::Boxed, strict: true, ..named("math") };
    assert_eq!(score(&strict, &pairs).rewards(4), [1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn texts_and_countdown_are_judged() {
    assert_eq!(score(&named("exact"), &[("46", " 46\n"), ("46", "046")]).rewards(2), [1.0, 0.0]);
    assert_eq!(score(&named("countdown"), &[("(3+5)*2", "2*(3+5)"), ("(3+5)*2", "16")]).rewards(2), [1.0, 0.0]);
    assert!(matches!(Rewarder::new(&named("maths"), 1), Err(RewardError::Unknown { .. })));
}

#[cfg(unix)]
mod program {
    use std::time::Instant;

    use super::*;

    fn program(script: &str) -> Reward {
        let command = ["sh", "-c", script].map(String::from).to_vec();
        Reward { command, workers: 3, timeout_seconds: 0.5, max_error_share: 1.0, ..named("command") }
    }

    /// Twenty samples of which the program sees the completion.
    fn run(script: &str) -> Judged {
        let completions: Vec<String> = (0..20).map(|index| format!("c{index}")).collect();
        let pairs: Vec<(&str, &str)> = completions.iter().map(|text| ("1", text.as_str())).collect();
        score(&program(script), &pairs)
    }

    /// Answers each line with its id and the number in the completion as reward; `$1` runs before, with the line in `$line`.
    fn answering(before: &str) -> String {
        format!(
            r#"while read -r line; do {before}
id=${{line#*\"id\":}}; id=${{id%%,*}}; reward=${{line##*\"c}}; reward=${{reward%%\"*}}
echo "{{\"id\": $id, \"reward\": $reward}}"; done"#
        )
    }

    #[test]
    fn every_sample_gets_its_own_reward() {
        let judged = run(&answering(":"));
        assert_eq!(judged.rewards(20), (0..20).map(|index| index as f32).collect::<Vec<_>>());
        assert_eq!(judged.counts().scored, 20);
    }

    #[test]
    fn a_crash_loses_nothing() {
        // Each process ends after three answers; the sample that it took is tried again.
        let judged = run(&answering("n=$((n+1)); [ $n -gt 3 ] && exit 1"));
        assert_eq!(judged.rewards(20), (0..20).map(|index| index as f32).collect::<Vec<_>>());
    }

    #[test]
    fn a_program_that_always_crashes_is_an_error_for_each_sample() {
        let judged = run("exit 3");
        assert_eq!(judged.counts().failed, 20);
        assert!(judged.outcomes[0].note.contains("ended without an answer"), "{}", judged.outcomes[0].note);
        assert!(judged.outcomes.iter().all(|outcome| outcome.reward.is_none()));
    }

    #[test]
    fn a_hang_costs_its_timeout_and_one_sample() {
        let started = Instant::now();
        let judged = run(&answering(r#"case $line in *\"c5\"*) sleep 60;; esac"#));
        assert_eq!((judged.counts().scored, judged.counts().failed), (19, 1));
        assert_eq!(judged.outcomes[5].verdict, Verdict::Failed);
        assert!(judged.outcomes[5].note.contains("no answer within 500ms"), "{}", judged.outcomes[5].note);
        assert!(started.elapsed().as_secs() < 20, "the process that hung was waited for");
    }

    #[test]
    fn rubbish_and_wrong_numbers_are_shown() {
        let judged = run(&answering(r#"case $line in *\"c5\"*) echo rubbish; continue;; esac"#));
        assert_eq!((judged.counts().scored, judged.counts().failed), (19, 1));
        assert!(
            judged.outcomes[5].note.contains(r#"answered "rubbish" instead of {"id": 5"#),
            "{}",
            judged.outcomes[5].note
        );
        let judged = run(r#"while read -r line; do echo '{"id": 99, "reward": 1}'; done"#);
        assert_eq!(judged.counts().failed, 20);
        let judged = run(
            r#"while read -r line; do id=${line#*\"id\":}; echo "{\"id\": ${id%%,*}, \"error\": \"no idea\"}"; done"#,
        );
        assert!(judged.outcomes[3].note.ends_with("says: no idea"), "{}", judged.outcomes[3].note);
    }

    #[test]
    fn a_large_completion_that_is_not_read_does_not_block() {
        let long = "x".repeat(1 << 20);
        let judged = score(&program("sleep 60"), &[("1", &long)]);
        assert_eq!(judged.counts().failed, 1);
    }

    #[test]
    fn too_many_failures_stop_the_run() {
        let config = Reward { max_error_share: 0.4, ..program("exit 3") };
        let sample = Sample { problem: "p", gold: "1", completion: "c" };
        let message = Rewarder::new(&config, 1).unwrap().score(&[sample; 4]).unwrap_err().to_string();
        assert!(
            message.starts_with("4 of 4 rewards failed, more than reward.max_error_share = 0.4 allows"),
            "{message}"
        );
        let config = Reward { command: vec!["/nowhere/judge".into()], ..program("") };
        let message = Rewarder::new(&config, 1).unwrap_err().to_string();
        assert!(message.starts_with("cannot start the reward program `/nowhere/judge`: No such file"), "{message}");
    }
}
