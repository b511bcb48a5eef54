//! What a page says of runs that resumed, ended early, sampled ahead, or do not compare.

use std::fs;
use std::path::Path;

use surefoot_trainer::config::{Config, Purpose};
use surefoot_trainer::run_folder::rollouts::{self, Sample};

use crate::{ended, tiny_config};

/// A run folder with these lines of metrics, and the configuration of `sets`.
fn folder(at: &Path, name: &str, sets: &[&str], lines: &[String]) {
    let run = at.join(name);
    fs::create_dir_all(run.join("rollouts")).unwrap();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_string()).collect();
    let text = "[model]\npath = \"m\"\n[data]\ntrain = \"task:addition\"\n[reward]\nname = \"exact\"\n";
    let config = Config::from_text("c.toml".as_ref(), text, &sets, Purpose::Train).unwrap();
    fs::write(run.join("config.toml"), config.to_toml()).unwrap();
    fs::write(run.join("metrics.jsonl"), lines.join("\n") + "\n").unwrap();
}

fn page(at: &Path, arguments: &[&str]) -> (String, String) {
    let arguments = [&["report", "-o", "page.html"], arguments].concat();
    let (code, _, stderr) = ended(at, &arguments);
    assert_eq!(code, 0, "{stderr}");
    (fs::read_to_string(at.join("page.html")).unwrap(), stderr)
}

fn figure<'a>(page: &'a str, name: &str) -> &'a str {
    let figure = page.split(&format!("<figure id=\"{name}\"")).nth(1);
    figure.unwrap_or_else(|| panic!("no figure {name}")).split("</figure>").next().unwrap()
}

fn reward(step: u64, value: f64) -> String {
    format!("{{\"step\":{step},\"reward/mean\":{value}}}")
}

#[test]
fn a_step_is_shown_with_the_objective_that_it_was_trained_with() {
    let at = tempfile::tempdir().unwrap();
    tiny_config(at.path());
    let sets = ["--set", "train.steps=2", "--set", "optimizer.learning_rate=2e-4", "--set", "rollout.prompts=8"];
    assert_eq!(ended(at.path(), &[&["train", "tiny.toml"], &sets[..]].concat()).0, 0);
    let multiplier = |step: usize| -> f64 {
        let text = fs::read_to_string(at.path().join("runs/tiny/metrics.jsonl")).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().nth(step - 1).unwrap()).unwrap();
        line["update/multiplier_max"].as_f64().unwrap()
    };
    let sets = ["--set", "objective.name=grpo", "--set", "train.steps=4"];
    let (code, _, stderr) = ended(at.path(), &[&["train", "--resume", "runs/tiny"], &sets[..]].concat());
    assert_eq!(code, 0, "{stderr}");
    let (code, stdout, stderr) = ended(at.path(), &["replay", "runs/tiny", "--objective", "dapo", "--format", "json"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("are in each step those that it was trained with"), "{stderr}");
    let rows: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut compared = Vec::new();
    for step in 1..=4usize {
        let row = rows.iter().find(|row| row["step"] == step && row["own"] == true).unwrap();
        assert_eq!(row["objective"], "mhpo → grpo");
        if let Some(found) = row["stats"]["multiplier/max"].as_f64() {
            assert!((found - multiplier(step)).abs() < 1e-9, "step {step}: {found} {}", multiplier(step));
            compared.push(step);
        }
    }
    assert!(compared.iter().any(|step| *step < 3) && compared.iter().any(|step| *step > 2), "{compared:?}");
    // Against all objectives, neither is left out: each is the run's own in some steps alone.
    let (code, stdout, _) =
        ended(at.path(), &["replay", "runs/tiny", "--objective", "mhpo", "--objective", "grpo", "--format", "json"]);
    assert!(code == 0 && stdout.contains("\"objective\":\"mhpo\"") && stdout.contains("\"objective\":\"grpo\""));
    // What is left are the steps before the change, whose multipliers are MHPO's: below its bound, where GRPO's are 1 and more.
    for step in 3..=4 {
        fs::remove_file(at.path().join(format!("runs/tiny/rollouts/step-{step:06}.parquet"))).unwrap();
    }
    let (page, _) = page(at.path(), &["runs/tiny"]);
    assert!(
        page.contains("<td>mhpo → grpo</td>") && page.contains("A vertical line is a resume that changed settings.")
    );
    assert!(figure(&page, "reward").contains("<title>tiny: settings changed after step 2: objective.name"));
    // The multipliers of the step that is shown are those of its own metrics: the greatest one has a bin that is not empty.
    let (_, step) = figure(&page, "multipliers").split_once("</i>tiny, step ").unwrap();
    let step: usize = step.split('<').next().unwrap().parse().unwrap();
    let greatest = multiplier(step);
    let rows = figure(&page, "multipliers").split("<tr data-x=").skip(1).filter(|row| !row.contains("<td>0</td></tr>"));
    let last = rows.last().unwrap().split("<td>").nth(1).unwrap();
    let low: f64 = last.split(['–', ' ']).next().unwrap().parse().unwrap();
    assert!(low <= greatest && greatest < low + 0.4, "step {step}: {greatest} and {last}");
}

#[test]
fn a_run_that_a_detector_ended_says_so() {
    let at = tempfile::tempdir().unwrap();
    let lines: Vec<String> =
        [0.5, 0.4, 0.0, 0.0, 0.0].iter().zip(1..).map(|(value, step)| reward(step, *value)).collect();
    folder(at.path(), "run", &["stop.reward_min=0.1", "train.steps=9"], &lines);
    let (page, stderr) = page(at.path(), &["run"]);
    assert!(stderr.contains("run: ended early by stop.reward_min: reward/mean is 0.0000 in step 5"), "{stderr}");
    assert!(
        page.contains("<td>5 of 9, ended by stop.reward_min</td>") && page.contains("ended early by stop.reward_min")
    );
}

#[test]
fn runs_that_do_not_compare_are_told_and_others_are_not() {
    let at = tempfile::tempdir().unwrap();
    let evaluated = |step: u64| vec![format!("{{\"step\":{step},\"eval/avg\":0.5}}")];
    let model = |name: &str, weights: &str| {
        fs::create_dir_all(at.path().join(name)).unwrap();
        fs::write(at.path().join(name).join("config.json"), "{}").unwrap();
        fs::write(at.path().join(name).join("model.safetensors"), weights).unwrap();
    };
    model("a-model", "the same");
    model("b-model", "the same");
    model("demo-2-model", "others");
    let eval = ["eval.data=task:addition", "eval.every=1"];
    let with =
        |name: &str, sets: &[&str], step: u64| folder(at.path(), name, &[&eval[..], sets].concat(), &evaluated(step));
    with("a", &["model.path=a-model"], 1);
    with("b", &["model.path=b-model"], 1);
    with("c", &["model.path=demo-2-model"], 1);
    with("d", &["model.path=a-model", "eval.samples=2"], 1);
    with("e", &["model.path=a-model", "prompt.system=Think."], 1);
    let stderr = |runs: &[&str]| page(at.path(), runs).1;
    // The models of a shell's `*` are no runs, and the same weights are one model wherever they lie.
    assert_eq!(stderr(&["a", "b", "a-model", "b-model"]), "");
    assert!(stderr(&["a", "c"]).contains("start from different models"));
    assert!(
        stderr(&["a", "d"])
            .contains("are evaluated differently, so their evaluations do not compare: eval.samples is 2")
    );
    assert!(stderr(&["a", "e"]).contains("different tasks, so their curves do not compare: prompt.system is"));
    // A run without an evaluation is not evaluated differently.
    folder(at.path(), "f", &["model.path=a-model"], &[reward(1, 0.5)]);
    assert_eq!(stderr(&["a", "f"]), "");
}

#[test]
fn seconds_are_those_that_a_step_took() {
    let at = tempfile::tempdir().unwrap();
    // Sampling takes longer than the step, which waits half a second for it.
    let ahead = "{\"step\":1,\"time/rollout\":3.0,\"time/reward\":1.0,\"time/wait\":0.5,\"time/update\":1.0,\"time/eval\":0.25,\"time/step\":2.0}";
    folder(at.path(), "ahead", &[], &["{\"step\":0,\"eval/avg\":0.1,\"time/eval\":7}".into(), ahead.into()]);
    let sft = "{\"step\":1,\"sft/loss\":2.5,\"update/grad_norm\":1.5,\"time/step\":2.0}";
    folder(at.path(), "sft", &[], &[sft.into()]);
    let (page, _) = page(at.path(), &["ahead", "sft"]);
    let timing = figure(&page, "timing");
    let cells = "<td>ahead</td><td>0.5000 (25%)</td><td>0 (0%)</td><td>0 (0%)</td><td>1.000 (50%)</td><td>0.2500 (12%)</td><td>0 (0%)</td><td>0.2500 (12%)</td>";
    assert!(timing.contains(cells), "{timing}");
    assert!(
        timing.contains("<td>sft</td><td>0 (0%)</td><td>0 (0%)</td><td>0 (0%)</td><td>2.000 (100%)</td>"),
        "{timing}"
    );
    // Fine-tuning has a loss and a norm, and no update of it was skipped.
    let runs = page.split("<h2>Runs</h2>").nth(1).unwrap().split("</section>").next().unwrap();
    let row = runs.split("<td>sft</td>").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(runs.contains("<th>loss, first tenth</th>") && row.contains("<td>2.500</td><td>2.500</td>"), "{row}");
    assert!(row.contains("<td>1.500</td><td>0</td>"), "{row}");
}

#[test]
fn regions_of_one_step_are_seen_and_gaps_are_none() {
    let at = tempfile::tempdir().unwrap();
    let line = |step: u64| {
        format!(
            "{{\"step\":{step},\"update/region_ln\":0.1,\"update/region_lp\":0.1,\"update/region_hn\":0.1,\"update/region_hp\":0.1,\"reward/mean\":0}}"
        )
    };
    let lines = |steps: &[u64]| -> Vec<String> {
        (1..=9).map(|step| if steps.contains(&step) { line(step) } else { reward(step, 0.0) }).collect()
    };
    folder(at.path(), "one", &[], &lines(&[4]));
    folder(at.path(), "gap", &[], &lines(&[1, 2, 3, 7, 8, 9]));
    folder(at.path(), "none", &[], &lines(&[]));
    let (page, _) = page(at.path(), &["one", "gap", "none"]);
    let regions = figure(&page, "regions");
    let panels: Vec<&str> = regions.split("<div class=\"panel\">").skip(1).collect();
    assert_eq!(panels.len(), 2, "a run without regions has no drawing");
    let areas = |panel: &str| -> Vec<String> {
        panel.split("class=\"area r0\" d=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_string()).collect()
    };
    let one = areas(panels[0]);
    let x = |path: &str| -> Vec<f64> {
        path.split(['M', 'L', 'Z']).filter_map(|point| point.split(' ').next()?.parse().ok()).collect()
    };
    assert!(one.len() == 1 && x(&one[0])[1] - x(&one[0])[0] > 10.0, "{one:?}");
    assert_eq!(areas(panels[1]).len(), 2, "steps 4 to 6 are not known");
    // The values under the pointer are those of the drawing.
    assert!(
        regions.contains("<th data-drawing=\"0\">one, LN</th>")
            && regions.contains("<th data-drawing=\"1\">gap, HP</th>")
    );
    assert!(regions.contains("<td>4</td>") && !regions.contains("<td>5</td>"), "{regions}");
}

/// The reward falls after step 3, whose last mini-batch went far; step 5 has more tokens outside of the bounds.
#[test]
fn the_step_that_broke_a_run_is_shown_from_within() {
    let at = tempfile::tempdir().unwrap();
    let values = [0.8, 0.9, 0.8, 0.0, 0.0, 0.0];
    let line = |(value, step): (&f64, u64)| {
        let middle = if step == 5 { 0.1 } else { 0.9 };
        format!("{{\"step\":{step},\"reward/mean\":{value},\"update/region_m\":{middle}}}")
    };
    folder(at.path(), "run", &[], &values.iter().zip(1..).map(line).collect::<Vec<_>>());
    for step in 1..=6 {
        let sample = |row: u64, mini_batch: u32, reach: f32| Sample {
            step,
            row,
            mini_batch,
            completion: format!("step {step} row {row}"),
            verdict: "wrong".into(),
            advantage: 1.0,
            tokens: vec![1; 4],
            logp_old: vec![-1.0; 4],
            logp: vec![-1.0 + reach; 4],
            ..Sample::default()
        };
        let far = if step == 3 { 3.0 } else { 0.1 };
        let mut samples: Vec<Sample> = (0..8).map(|row| sample(row, u32::from(row >= 4), 0.0)).collect();
        samples[6] = sample(6, 1, far);
        samples[7] = sample(7, 1, far);
        rollouts::write(&at.path().join(format!("run/rollouts/step-{step:06}.parquet")), &samples).unwrap();
    }
    let (page, _) = page(at.path(), &["run"]);
    let within = figure(&page, "within");
    assert!(
        within.contains("run, step 3</li>") && within.contains("<td>1</td><td>1.000</td><td>1.000</td><td>1.000</td>")
    );
    assert!(within.contains("<td>2</td><td>1.000</td><td>20.1</td><td>1.000</td>"), "{within}");
    // Of that step, the sample that went farthest comes first.
    assert!(
        page.contains(
            "step 3, row 6, sample 0; reward not judged, advantage 1.000, ratios 20.1 to 20.1 (mini-batch 2)"
        )
    );
    assert!(page.contains("reward fell from 0.9000 (step 2) to 0, since step 4"));
    // Other steps' tokens are where they were.
    assert!(figure(&page, "scatter").contains("<h4>run, step 5</h4>"));
}

#[test]
fn legends_know_runs_from_objectives() {
    let at = tempfile::tempdir().unwrap();
    tiny_config(at.path());
    assert_eq!(ended(at.path(), &["train", "tiny.toml", "--set", "log.run_dir=\"grpo\""]).0, 0);
    let (page, _) = page(at.path(), &["grpo", "--all"]);
    assert!(page.contains("<figure id=\"cosine\" data-of=\"objective\">") && page.contains("<figure id=\"reward\">"));
    let multipliers = figure(&page, "multipliers");
    assert!(multipliers.contains("<li><i class=\"key line c0\" data-key=\"grpo\"></i>grpo, step"), "{multipliers}");
}

/// A reward that compares no answers: nobody knows what is right, and no column of zeros says that nothing is.
#[test]
fn a_reward_without_verdicts_has_no_correct_answers() {
    let at = tempfile::tempdir().unwrap();
    let at = at.path();
    tiny_config(at);
    let sets = ["--set", "reward.name=overlong", "--set", "train.steps=1"];
    let (code, _, stderr) = ended(at, &[&["train", "tiny.toml"], &sets[..]].concat());
    assert!(code == 0 && stderr.contains("\n1 step in ") && !stderr.contains("correct"), "{stderr}");
    let metrics = fs::read_to_string(at.join("runs/tiny/metrics.jsonl")).unwrap();
    assert!(metrics.contains("reward/mean") && !metrics.contains("reward/correct"), "{metrics}");
    let study = "config = \"tiny.toml\"\nobjectives = [\"grpo\"]\nseeds = [1]\nset = [\"reward.name=overlong\"]\n";
    fs::write(at.join("s.toml"), study).unwrap();
    let score = |text: &str| {
        fs::write(at.join("s.toml"), text).unwrap();
        ended(at, &["study", "s.toml", "--table"]).2
    };
    assert!(score(study).contains("Score: reward/mean"));
    assert!(score(&study.replace("overlong", "exact")).contains("Score: reward/correct"));
}

/// Where every completion is masked, no update was made, and so none had a rate.
#[test]
fn a_step_without_updates_has_no_learning_rate() {
    let at = tempfile::tempdir().unwrap();
    tiny_config(at.path());
    let sets = ["rollout.max_new_tokens=1", "update.truncated=mask", "train.steps=1", "eval.max_new_tokens=1"];
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let (code, _, stderr) = ended(at.path(), &[&["train", "tiny.toml"], &sets[..]].concat());
    assert_eq!(code, 0, "{stderr}");
    let metrics = fs::read_to_string(at.path().join("runs/tiny/metrics.jsonl")).unwrap();
    assert!(metrics.contains("update/skipped_steps") && !metrics.contains("update/learning_rate"), "{metrics}");
    // An option that is there twice has no value.
    let (code, _, stderr) = ended(at.path(), &["replay", "runs/tiny", "--objective", "mhpo,bound=1,bound=2"]);
    assert!(code != 0 && stderr.contains("`bound` is there twice"), "{stderr}");
}

#[test]
fn long_names_keep_their_ends() {
    let at = tempfile::tempdir().unwrap();
    let name = |seed: u32| format!("{}-seed-{seed}", "long".repeat(20));
    (1..=2).for_each(|seed| folder(at.path(), &name(seed), &[], &[reward(1, 0.5)]));
    let (page, _) = page(at.path(), &[&name(1), &name(2)]);
    for seed in 1..=2 {
        let (name, legend) = (name(seed), figure(&page, "reward"));
        assert!(legend.contains(&format!("data-key=\"{name}\"></i><span title=\"{name}\">")), "{legend}");
        assert!(legend.contains(&format!("…glonglonglong-seed-{seed}</span>")), "{legend}");
    }
}
