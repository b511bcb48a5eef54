//! Rewards: the built-in ones, and a user's program that works, crashes, hangs or prints rubbish.
#![allow(clippy::unwrap_used)]

use surefoot_trainer::config::choice::{AnswerFormat, RewardName};
use surefoot_trainer::config::{Config, Purpose, Reward};
use surefoot_trainer::reward::{Judged, Rewarder, Sample, Verdict};

/// Greatest number of tokens of a completion.
const LIMIT: usize = 100;

fn score(config: &Reward, pairs: &[(&str, &str)]) -> Judged {
    let samples: Vec<Sample<'_>> = pairs
        .iter()
        .map(|(gold, completion)| Sample { problem: "p", gold, columns: None, completion, tokens: 3 })
        .collect();
    Rewarder::new(config, LIMIT, 2).unwrap().score(&samples).unwrap()
}

fn named(name: RewardName) -> Reward {
    Reward { name: vec![name], ..Reward::default() }
}

#[test]
fn mathematics_is_judged() {
    let pairs = [("72", r"so \boxed{72}"), ("1/2", "the answer is 0.5"), ("72", "it is 71"), ("72", r"so \boxed{7")];
    let judged = score(&named(RewardName::Math), &pairs);
    assert_eq!(judged.rewards(), [1.0, 1.0, 0.0, 0.0].map(Some));
    let counts = judged.counts();
    assert_eq!((counts.correct, counts.wrong, counts.unparseable), (2, 1, 1), "{judged:?}");
    assert_eq!(score(&named(RewardName::MathPm1), &pairs).rewards(), [1.0, 1.0, -1.0, -1.0].map(Some));
}

#[test]
fn a_gold_answer_that_cannot_be_read_is_no_zero() {
    let judged = score(&named(RewardName::Math), &[("", "72"), ("", "7")]);
    assert_eq!(judged.outcomes[0].reward, None);
    assert_eq!(judged.counts().gold_unparseable, 2, "{judged:?}");
}

#[test]
fn what_nobody_can_work_out_is_wrong_against_a_number() {
    let hopeless = r"\boxed{\sum_{k=1}^{\infty} \sin k}";
    let judged =
        score(&named(RewardName::MathPm1), &[("72", hopeless), (r"\$5.40", hopeless), (r"\sqrt{2}", hopeless)]);
    assert_eq!(judged.rewards(), [Some(-1.0), Some(-1.0), None], "{judged:?}");
    assert_eq!(judged.counts().over_budget, 3, "{judged:?}");
}

#[test]
fn a_form_earns_its_bonus_and_strict_asks_for_it() {
    let name = vec![RewardName::Math, RewardName::Format];
    let bonus = Reward { name, weights: vec![1.0, 0.25], format: AnswerFormat::Boxed, ..Reward::default() };
    let pairs = [("72", r"\boxed{72}"), ("72", "72"), ("72", r"\boxed{71}"), ("72", r"\boxed{72")];
    let judged = score(&bonus, &pairs);
    assert_eq!(judged.rewards()[..3], [1.25, 1.0, 0.25].map(Some));
    assert_eq!(judged.outcomes.iter().map(|o| o.formatted).collect::<Vec<_>>(), [true, false, true, false].map(Some));
    let strict = Reward { format: AnswerFormat::Boxed, strict: true, ..named(RewardName::Math) };
    assert_eq!(score(&strict, &pairs).rewards(), [1.0, 0.0, 0.0, 0.0].map(Some));
}

#[test]
fn the_template_of_thought_and_answer_earns_its_bonus() {
    let name = vec![RewardName::MathPm1, RewardName::Format];
    let config = Reward { name, weights: vec![1.0, 0.5], format: AnswerFormat::ThinkAnswer, ..Reward::default() };
    let pairs = [
        ("72", "<think>8 times 9</think><answer>72</answer>"),
        ("72", "<think>8 times 9</think> <answer>71</answer>"),
        ("72", "<think>8 times 9</think><answer>72</answer> Good."),
        ("72", "<think>8 times 9<answer>72</answer>"),
        ("72", "so 71"),
    ];
    assert_eq!(score(&config, &pairs).rewards(), [1.5, -0.5, 1.0, -1.0, -1.0].map(Some));
}

/// What the presets of `[prompt]` ask for earns the reward, and the same answer in another form does not.
#[test]
fn presets_fit_their_strict_rewards() {
    let of = |preset: &str| {
        let text = format!("[model]\npath = \"m\"\n[data]\ntrain = \"d\"\n[prompt]\npreset = \"{preset}\"\n");
        Config::from_text("run.toml".as_ref(), &text, &[], Purpose::Train).unwrap()
    };
    let cpgd = "<think>Since $1 + 1 = 2$, so the answer is 2. </think><answer>The answer is $\\boxed{2}$ </answer>";
    let boxed = "So it is \\boxed{2}.";
    let pairs = [("2", cpgd), ("2", boxed), ("2", "So it is 2.")];
    assert!(of("cpgd").prompt.system.contains(cpgd), "the example of the prompt");
    assert_eq!(score(&of("cpgd").reward, &pairs).rewards(), [1.0, 0.0, 0.0].map(Some));
    assert_eq!(score(&of("dgpo").reward, &pairs).rewards(), [1.0, 1.0, 0.0].map(Some));
    assert_eq!(score(&of("none").reward, &pairs).rewards(), [1.0, 1.0, 1.0].map(Some));
}

#[test]
fn a_long_completion_pays_for_its_last_tokens() {
    // DAPO eq. 13 with L_max = 100 and L_cache = 20: 0 up to 80 tokens, then (80 - length) / 20, and -1 beyond 100.
    let name = vec![RewardName::Exact, RewardName::Overlong];
    for (buffer, weights, expected) in [
        (0, vec![], [1.0, 1.0, 0.5, 0.0]),
        (40, vec![1.0, 2.0], [1.0, 0.0, -0.5, -1.0]),
        (100, vec![1.0, 0.1], [0.94, 0.92, 0.91, 0.9]),
    ] {
        let config = Reward { name: name.clone(), weights, overlong_buffer: buffer, ..Reward::default() };
        let sample = |tokens| Sample { problem: "p", gold: "1", columns: None, completion: "1", tokens };
        let judged = Rewarder::new(&config, LIMIT, 2).unwrap().score(&[60, 80, 90, 100].map(sample)).unwrap();
        for (reward, expected) in judged.rewards().into_iter().flatten().zip(expected) {
            assert!((reward - expected).abs() < 1e-6, "{reward} instead of {expected} with a buffer of {buffer}");
        }
        assert_eq!(judged.counts().correct, 4);
    }
}

#[test]
fn texts_and_countdown_are_judged() {
    assert_eq!(score(&named(RewardName::Exact), &[("46", " 46\n"), ("46", "046")]).rewards(), [1.0, 0.0].map(Some));
    assert_eq!(
        score(&named(RewardName::Countdown), &[("(3+5)*2", "2*(3+5)"), ("(3+5)*2", "16")]).rewards(),
        [1.0, 0.0].map(Some)
    );
}

#[cfg(unix)]
mod program {
    use std::path::Path;
    use std::time::Instant;

    use super::*;

    fn program(script: &str) -> Reward {
        let command = ["sh", "-c", script].map(String::from).to_vec();
        Reward {
            command,
            workers: 3,
            timeout_seconds: 0.5,
            start_seconds: 1.5,
            max_error_share: 1.0,
            ..named(RewardName::Command)
        }
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
        assert_eq!(judged.rewards(), (0..20).map(|index| Some(index as f32)).collect::<Vec<_>>());
        assert_eq!(judged.counts().scored, 20);
    }

    /// As samples that are drawn ahead and an evaluation do, with one program that both wait for.
    #[test]
    fn two_that_ask_at_once_both_get_their_rewards() {
        let rewarder = Rewarder::new(&program(&answering("sleep 0.01")), LIMIT, 2).unwrap();
        let completions: Vec<String> = (0..20).map(|index| format!("c{index}")).collect();
        let sample = |completion| Sample { problem: "p", gold: "1", columns: None, completion, tokens: 3 };
        let samples: Vec<Sample<'_>> = completions.iter().map(|text| sample(text.as_str())).collect();
        std::thread::scope(|scope| {
            let ask = || scope.spawn(|| rewarder.judge(&samples, samples.len()));
            for asked in [ask(), ask(), ask()] {
                let judged = asked.join().unwrap();
                assert_eq!(judged.counts().scored, 20, "{:?}", judged.first_failure());
            }
        });
    }

    #[test]
    fn a_crash_loses_nothing() {
        // Each process ends after three answers; the sample that it took is tried again.
        let judged = run(&answering("n=$((n+1)); [ $n -gt 3 ] && exit 1"));
        assert_eq!(judged.rewards(), (0..20).map(|index| Some(index as f32)).collect::<Vec<_>>());
    }

    #[test]
    fn a_program_that_always_crashes_is_an_error_for_each_sample() {
        let judged = run("exit 3");
        assert_eq!(judged.counts().failed, 20);
        let note = &judged.outcomes[0].note;
        assert_eq!(note, "the reward program ended (exit status: 3) without an answer");
        assert_eq!(judged.first_failure(), Some(note.as_str()));
        assert!(judged.outcomes.iter().all(|outcome| outcome.reward.is_none()));
    }

    #[test]
    fn a_hang_costs_its_timeout_and_one_sample() {
        let started = Instant::now();
        let judged = run(&answering(r#"case $line in *\"c15\"*) sleep 60;; esac"#));
        assert_eq!((judged.counts().scored, judged.counts().failed), (19, 1));
        assert_eq!(judged.outcomes[15].verdict, Verdict::Failed);
        // 2 s where the process had not answered before.
        let note = &judged.outcomes[15].note;
        assert!(["500ms", "2s"].iter().any(|time| note.ends_with(&format!("no answer within {time}"))), "{note}");
        assert!(started.elapsed().as_secs() < 20, "the process that hung was waited for");
    }

    #[test]
    fn a_slow_start_is_waited_for_and_a_slow_answer_is_not() {
        let judged = run(&format!("sleep 1; {}", answering(":")));
        assert_eq!(judged.counts().scored, 20, "{:?}", judged.first_failure());
        let config = Reward { start_seconds: 0.0, ..program(&format!("sleep 2; {}", answering(":"))) };
        let judged = score(&config, &[("1", "c1"), ("1", "c2")]);
        assert_eq!(judged.counts().failed, 2);
        assert_eq!(judged.first_failure(), Some("the reward program gave no answer within 500ms"));
    }

    #[test]
    fn a_process_that_is_killed_is_replaced() {
        // Each process kills itself once, as the system does when memory ends, in the middle of a line.
        let kill = r#"n=$((n+1)); [ $n -eq 3 ] && { printf '{"id": '; kill -9 $$; }"#;
        let judged = run(&answering(kill));
        assert_eq!(judged.rewards(), (0..20).map(|index| Some(index as f32)).collect::<Vec<_>>());
        let judged = run("kill -9 $$");
        assert_eq!(judged.counts().failed, 20);
        assert!(judged.outcomes[7].note.contains("ended (signal: 9 (SIGKILL)) without"), "{}", judged.outcomes[7].note);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let judged = score(&program("cat /dev/zero"), &[("1", "c1")]);
        assert_eq!(judged.counts().failed, 1);
        assert!(judged.first_failure().unwrap().starts_with("the reward program answered \"\\0"), "{judged:?}");
    }

    #[test]
    fn a_program_that_fails_goes_with_the_other_rewards() {
        let name = vec![RewardName::Math, RewardName::Command];
        let script = answering(r#"case $line in *\"c1\"*) echo '{"id": 0, "error": "no idea"}'; continue;; esac"#);
        let config = Reward { name, weights: vec![1.0, 0.5], ..program(&script) };
        let judged = score(&config, &[("1", "c1"), ("c4", "c4")]);
        // The first has no reward at all, not the 0 of its wrong answer.
        assert_eq!(judged.outcomes[0].reward, None);
        assert_eq!((judged.outcomes[0].verdict, judged.outcomes[1].verdict), (Verdict::Failed, Verdict::Correct));
        assert_eq!(judged.outcomes[1].reward, Some(3.0));
    }

    #[test]
    fn a_hopeless_program_is_not_asked_to_the_end() {
        let config = Reward { max_error_share: 0.1, start_seconds: 0.0, ..program("sleep 60") };
        let sample = Sample { problem: "p", gold: "1", columns: None, completion: "c", tokens: 1 };
        let started = Instant::now();
        let message = Rewarder::new(&config, LIMIT, 1).unwrap().score(&[sample; 300]).unwrap_err().to_string();
        assert!(message.contains("gave no answer within 500ms"), "{message}");
        // 31 failures by three processes, not 300.
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
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

    /// The blocks of Python of docs/rewards.md: a program, and two other functions for it.
    fn documented() -> Vec<String> {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rewards.md");
        let page = std::fs::read_to_string(page).unwrap();
        page.split("```python\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_string()).collect()
    }

    /// Rewards of `completions` for one row with `columns`, by a program of docs/rewards.md and these `my_rewards`.
    fn by_python(source: &str, my_rewards: &str, columns: &str, completions: &[&str]) -> Judged {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reward.py");
        std::fs::write(&path, source).unwrap();
        std::fs::write(folder.path().join("my_rewards.py"), my_rewards).unwrap();
        let command = vec!["python3".to_string(), path.to_string_lossy().into_owned()];
        let waits = Reward { command, timeout_seconds: 30.0, start_seconds: 60.0, ..program("") };
        let sample = |completion| Sample { problem: "p", gold: "", columns: Some(columns), completion, tokens: 3 };
        let samples: Vec<_> = completions.iter().copied().map(sample).collect();
        Rewarder::new(&waits, LIMIT, 2).unwrap().score(&samples).unwrap()
    }

    #[test]
    fn the_programs_of_the_page_work() {
        if std::process::Command::new("python3").arg("--version").output().is_err() {
            println!("skipped the programs of docs/rewards.md: python3 is not there");
            return;
        }
        let blocks = documented();
        let [program, trl, verl] = &blocks[..] else { panic!("three blocks of Python, found {}", blocks.len()) };
        let row = r#"{"prompt": "Name a planet and a moon.", "words": ["Mars", "Phobos"]}"#;
        let judged = by_python(program, "", row, &["Mars has Phobos", "Mars, »naïve«\n", "none"]);
        assert_eq!(judged.rewards(), [1.0, 0.5, 0.0].map(Some), "{judged:?}");
        let judged = by_python(program, "", "{}", &["Mars"]);
        assert_eq!(judged.first_failure(), Some("the reward program says: KeyError: 'words'"));
        let (opening, rest) = program.split_once("def reward").unwrap();
        let (_, serving) = rest.split_once("\n\n\n").unwrap();
        let with = |function: &str| format!("{opening}{function}\n\n{serving}");
        let function = "def accuracy_reward(prompts, completions, solution, **kwargs):\n    print('noise')\n    \
                        texts = [c if isinstance(c, str) else c[0]['content'] for c in completions]\n    \
                        return [float(t == s) + 10 * isinstance(p, list) for t, s, p in zip(texts, solution, prompts)]\n";
        let texts = by_python(&with(trl), function, r#"{"prompt": "p", "solution": "4"}"#, &["4", "5"]);
        assert_eq!(texts.rewards(), [1.0, 0.0].map(Some), "{texts:?}");
        let row = r#"{"prompt": [{"role": "user", "content": "p"}], "solution": "4"}"#;
        assert_eq!(by_python(&with(trl), function, row, &["4", "5"]).rewards(), [11.0, 10.0].map(Some));
        let function = "def compute_score(data_source, solution_str, ground_truth, extra_info=None):\n    \
                        return {'score': (solution_str == ground_truth) * extra_info['index'], 'acc': 1}\n";
        let row = r#"{"data_source": "d", "reward_model": {"ground_truth": "4"}, "extra_info": {"index": 7}}"#;
        assert_eq!(by_python(&with(verl), function, row, &["4", "5"]).rewards(), [7.0, 0.0].map(Some));
    }

    /// What stands in a request, as the page says.
    #[test]
    fn a_request_is_one_line_with_the_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests");
        let config = Reward { workers: 1, ..program(&format!("tee {path:?} | {}", answering(":"))) };
        let columns = Some(r#"{"extra_info":{"index":7},"text":"a\nb"}"#);
        let samples = [("4", columns), ("", None)].map(|(gold, columns)| Sample {
            problem: "two\nlines",
            gold,
            columns,
            completion: "c1",
            tokens: 3,
        });
        let judged = Rewarder::new(&config, LIMIT, 1).unwrap().score(&samples).unwrap();
        assert_eq!(judged.counts().scored, 2, "{judged:?}");
        // `tee` answers before it writes its file.
        let mut requests = std::fs::read_to_string(&path).unwrap();
        for _ in 0..1000 {
            if requests.lines().count() == 2 && requests.ends_with('\n') {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
            requests = std::fs::read_to_string(&path).unwrap();
        }
        let requests: Vec<serde_json::Value> =
            requests.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let common = |id, answer: serde_json::Value, columns: serde_json::Value| {
            serde_json::json!({
                "id": id, "problem": "two\nlines", "answer": answer, "completion": "c1", "tokens": 3, "columns": columns
            })
        };
        let row = serde_json::json!({"extra_info": {"index": 7}, "text": "a\nb"});
        assert_eq!(requests, [common(0, "4".into(), row), common(1, serde_json::Value::Null, serde_json::json!({}))]);
    }

    #[test]
    fn too_many_failures_stop_the_run() {
        let config = Reward { max_error_share: 0.4, ..program("exit 3") };
        let sample = Sample { problem: "p", gold: "1", columns: None, completion: "c", tokens: 1 };
        let message = Rewarder::new(&config, LIMIT, 1).unwrap().score(&[sample; 4]).unwrap_err().to_string();
        assert!(
            message.starts_with("4 of 4 rewards failed, more than reward.max_error_share = 0.4 allows"),
            "{message}"
        );
        let config = Reward { command: vec!["/nowhere/judge".into()], ..program("") };
        let message = Rewarder::new(&config, LIMIT, 1).unwrap_err().to_string();
        assert!(message.starts_with("cannot start the reward program `/nowhere/judge`: No such file"), "{message}");
    }
}
