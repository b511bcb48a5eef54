//! What a person sees: aligned lines, a summary that says what was learned, warnings that fit.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::{Arc, Mutex};

use surefoot_trainer::config::choice::Best;
use surefoot_trainer::config::{Config, Purpose};
use surefoot_trainer::journey::{Ending, Outcome};
use surefoot_trainer::metrics::definition::*;
use surefoot_trainer::metrics::{Metric, Record};
use surefoot_trainer::progress::{Progress, Terminal, evaluation, header_of, row, summary, warnings};

fn record(step: u64, values: &[(Metric, f64)]) -> Record {
    let mut record = Record::new(step);
    values.iter().for_each(|(metric, value)| record.set(*metric, *value));
    record
}

/// A run whose reward rises from 0.2 to 0.8.
fn run(extra: &[(Metric, f64)]) -> Vec<Record> {
    let step = |index: u64| {
        let share = 0.2 + 0.6 * index as f64 / 19.0;
        let mut values = vec![
            (REWARD_MEAN, share),
            (REWARD_CORRECT, share),
            (ROLLOUT_ENTROPY, 0.9 - 0.3 * share),
            (ROLLOUT_LENGTH_MEAN, 120.0),
            (TIME_STEP, 1.5),
            (ROLLOUT_TOKENS, 4096.0),
        ];
        values.extend_from_slice(extra);
        record(index + 1, &values)
    };
    (0..20).map(step).collect()
}

#[test]
fn lines_are_aligned() {
    let first =
        record(7, &[(REWARD_MEAN, 0.25), (UPDATE_GRAD_NORM, 1234.5), (TIME_STEP, 12.34), (UPDATE_RATIO_MAX, 1.07)]);
    let lines = [header_of(&first), row(&first), row(&record(8, &[]))];
    assert_eq!(
        lines[..2],
        [
            " step  reward entropy  length grad norm max ratio sampled/s trained/s     time",
            "    7  0.2500       -       -      1.2k     1.070         -         -   12.3 s",
        ]
    );
    assert!(lines[0].len() <= 80, "{}", lines[0]);
    assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{lines:#?}");
    let sft = record(1, &[(SFT_LOSS, 2.5), (UPDATE_LEARNING_RATE, 2e-5)]);
    assert!(header_of(&sft).contains("loss") && !header_of(&sft).contains("reward"));
    assert_eq!(header_of(&sft).len(), row(&sft).len());
}

#[test]
fn the_summary_says_what_was_learned_and_what_is_next() {
    let mut config = Config::defaults(Purpose::Train);
    let outcome = |records, checkpoint: Option<&str>, best: Option<(&str, f64)>| Outcome {
        ending: Ending::Finished,
        records,
        run: "runs/a".into(),
        checkpoint: checkpoint.map(Into::into),
        best: best.map(|(path, score)| (path.into(), score)),
    };
    let text = summary(&config, &outcome(run(&[]), Some("runs/a/checkpoints/step-20"), None));
    for part in [
        "20 steps in 30.0 s, 81.9k tokens sampled",
        "reward     0.2158 →   0.7842",
        "correct     21.6% →    78.4%",
        "surefoot generate --model runs/a/checkpoints/step-20",
        "surefoot train --resume runs/a --set train.steps=200",
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    assert!(!text.contains("warning"), "{text}");
    let best = Some(("runs/a/checkpoints/step-8", 0.75));
    config.checkpoint.best = Best::EvalAvg;
    let text = summary(&config, &outcome(run(&[]), Some("runs/a/checkpoints/step-20"), best));
    assert!(
        text.contains("best checkpoint: step-8 (eval/avg 0.7500)\n")
            && text.contains("--model runs/a/checkpoints/step-8 ")
    );
    let empty = summary(&config, &outcome(Vec::new(), None, None));
    assert!(empty.contains("0 steps") && !empty.contains("NaN"), "{empty}");
}

#[test]
fn warnings_come_when_they_are_due() {
    let mut config = Config::defaults(Purpose::Train);
    let due = |extra: &[(Metric, f64)], config: &Config| warnings(&run(extra), config);
    assert!(
        due(&[(ROLLOUT_TRUNCATED, 0.2), (REWARD_GROUPS_WITHOUT_SIGNAL, 0.4), (UPDATE_SKIPPED_STEPS, 0.0)], &config)
            .is_empty()
    );
    for (metric, value, part) in [
        (ROLLOUT_TRUNCATED, 0.5, "50% of the completions were cut at rollout.max_new_tokens = 2048"),
        (REWARD_GROUPS_WITHOUT_SIGNAL, 0.9, "90% of the groups have equal rewards"),
        (REWARD_UNPARSEABLE, 0.7, "in 70% of the completions no answer could be read"),
        (REWARD_OVER_BUDGET, 1.0 / 512.0, "20 completions were beyond the verifier's budget"),
        (REWARD_UNJUDGED, 1.0 / 512.0, "20 completions could not be judged"),
        (UPDATE_SKIPPED_STEPS, 1.0, "updates were skipped in 20 steps (first in step 1)"),
    ] {
        let found = due(&[(metric, value)], &config);
        assert!(found.len() == 1 && found[0].contains(part), "{part:?}: {found:?}");
    }
    // Of twice as many groups half were discarded, and a share is of all.
    config.rollout.resample_rounds = 3;
    let found = due(&[(REWARD_UNJUDGED, 1.0 / 512.0), (ROLLOUT_DISCARDED, 0.5)], &config);
    assert!(found[0].starts_with("40 completions could not be judged: they have no advantage"), "{found:?}");
    config.rollout.resample_rounds = 0;
    config.rollout.top_p = 0.9;
    assert!(due(&[], &config)[0].contains("top-p, top-k or min-p"));
    let mut collapsed = run(&[]);
    collapsed.iter_mut().skip(10).for_each(|record| record.set(ROLLOUT_ENTROPY, 0.01));
    assert!(warnings(&collapsed, &Config::defaults(Purpose::Train))[0].contains("entropy fell from"));
}

/// Fewer steps than a window took all: the mean of the first window has hardly seen what was there.
#[test]
fn a_collapse_is_said_and_no_harder_problems_are_asked_for() {
    let mut config = Config::defaults(Purpose::Train);
    config.rollout.prompts = 32;
    let fallen = |rewards: &[f64]| -> Vec<Record> {
        let values = |reward: f64| {
            [
                (REWARD_MEAN, reward),
                (REWARD_STD, (reward * (1.0 - reward)).sqrt()),
                (REWARD_GROUPS_WITHOUT_SIGNAL, if reward < 0.1 { 1.0 } else { 0.2 }),
                (ROLLOUT_ENTROPY, if reward < 0.1 { 0.001 } else { 0.5 }),
            ]
        };
        rewards.iter().zip(1..).map(|(reward, step)| record(step, &values(*reward))).collect()
    };
    let mut rewards = vec![0.0; 60];
    (rewards[0], rewards[1]) = (0.48, 0.014);
    let records = fallen(&rewards);
    let found = warnings(&records, &config);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("reward fell from 0.4800 (step 1) to 0, since step 2; lower"), "{found:?}");
    assert!(found[1].starts_with("entropy fell from 0.5000 (step 1) to 0.001"), "{found:?}");
    let outcome = Outcome { ending: Ending::Finished, records, run: "runs/a b".into(), checkpoint: None, best: None };
    let text = summary(&config, &outcome);
    assert!(
        !text.contains("--resume") && text.contains("surefoot train 'runs/a b/config.toml' --set 'log.run_dir="),
        "{text}"
    );
    // What chance may do, and a run that came back, are none.
    config.rollout.prompts = 4;
    assert!(warnings(&fallen(&[0.5, 0.4, 0.6, 0.2]), &config).is_empty());
    assert!(warnings(&fallen(&[0.48, 0.1, 0.3, 0.6]), &config).is_empty());
    // A later best counts as well, and its steps are named.
    config.rollout.prompts = 64;
    let mut rewards: Vec<f64> = (0..20).map(|step| 0.2 + 0.03 * f64::from(step)).collect();
    rewards.extend([0.15; 10]);
    assert!(
        warnings(&fallen(&rewards), &config)[0]
            .starts_with("reward fell from 0.7400 (steps 18–20) to 0.1500, since step 21")
    );
}

#[test]
fn an_evaluation_has_a_line_of_its_own() {
    let mut config = Config::defaults(Purpose::Train);
    config.eval.every = 10;
    let evaluated = |step, avg| record(step, &[(EVAL_AVG, avg), (EVAL_PASS, 0.75), (TIME_EVAL, 2.0)]);
    assert_eq!(evaluation(&evaluated(0, 0.45)).unwrap(), "    0 evaluation: eval/avg 0.4500, eval/pass 0.7500 (2.0 s)");
    assert_eq!(evaluation(&record(1, &[])), None);
    let kept = Kept::default();
    let terminal = Terminal { sink: Box::new(kept.clone()), interactive: false, colour: false };
    let mut progress = Progress::new(terminal, 20, 0);
    let mut records = vec![evaluated(0, 0.45)];
    records.extend(run(&[]));
    records[20].set(EVAL_AVG, 0.8);
    records.iter().for_each(|record| progress.step(record));
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    // The starting model, a header, twenty steps, and the evaluation after the last.
    assert_eq!(text.lines().count(), 23, "{text}");
    assert!(text.starts_with("    0 evaluation: ") && text.ends_with("   20 evaluation: eval/avg 0.8000\n"), "{text}");
    let outcome = Outcome { ending: Ending::Finished, records, run: "r".into(), checkpoint: None, best: None };
    let text = summary(&config, &outcome);
    assert!(text.contains("  eval/avg    45.0% →    80.0% (step 0 → step 20)\n"), "{text}");
    // Step 0 is none of the steps that means are of.
    assert!(text.contains("20 steps in 30.0 s") && text.contains("reward     0.2158 →   0.7842"), "{text}");
    let one = Outcome {
        ending: Ending::Finished,
        records: run(&[])[..1].to_vec(),
        run: "r".into(),
        checkpoint: None,
        best: None,
    };
    assert!(summary(&config, &one).contains("\n1 step in 1.5 s"));
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_pipe_gets_plain_lines_and_nothing_else() {
    let kept = Kept::default();
    let terminal = Terminal { sink: Box::new(kept.clone()), interactive: false, colour: false };
    let mut progress = Progress::new(terminal, 20, 0);
    progress.phase("rollout");
    run(&[]).iter().for_each(|record| progress.step(record));
    progress.warning("look at this");
    progress.finish();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 22, "{text}");
    assert!(text.ends_with("warning: look at this\n") && !text.contains('\x1b') && !text.contains('\r'));
}
