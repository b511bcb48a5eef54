//! The page: self-contained, complete, and made of what the run folders hold.

use std::fs;
use std::path::Path;

use surefoot_trainer::run_folder::rollouts::{self, Sample};

use crate::{ended, tiny_config};

/// A run folder with `steps` lines, of rewards `first`, `first + 0.001` ….
fn folder(at: &Path, name: &str, steps: u64, first: f64, task: &str) {
    let run = at.join(name);
    fs::create_dir_all(run.join("rollouts")).unwrap();
    let config = format!("[model]\npath = \"m\"\n[data]\ntrain = \"task:{task}\"\n[train]\nsteps = {steps}\n");
    fs::write(run.join("config.toml"), config).unwrap();
    let line = |step: u64| {
        let reward = first + 0.001 * step as f64;
        let spike = if step == 7 { 321.0 } else { 1.5 };
        format!(
            "{{\"step\":{step},\"reward/mean\":{reward},\"reward/correct\":{reward},\"update/grad_norm\":1.25,\"update/grad_norm_max\":{spike},\
             \"rollout/entropy\":0.5,\"rollout/length_mean\":9,\"rollout/length_max\":12,\"update/kl_k1\":0.01,\"update/kl_k3\":0.02,\
             \"update/ratio_mean\":1.0,\"update/ratio_max\":2.5,\"update/region_ln\":0.05,\"update/region_lp\":0.04,\"update/region_hn\":0.03,\
             \"update/region_hp\":0.02,\"update/region_m\":0.86,\"update/multiplier_mean\":0.26,\"update/multiplier_max\":0.39,\
             \"update/multiplier_bound\":0.3958,\"update/mhpo_zeta_mean\":1.3,\"update/mhpo_zeta_max\":4.5,\
             \"update/mhpo_survival_mean\":0.27,\"update/mhpo_survival_min\":0.01,\"eval/length_mean\":9.5,\"time/rollout\":0.5,\"time/reward\":0.1,\"time/update\":0.3,\"time/step\":1.0}}\n"
        )
    };
    fs::write(run.join("metrics.jsonl"), (1..=steps).map(line).collect::<String>()).unwrap();
}

/// Every part of the page that a figure must have.
fn assert_figures(page: &str, wanted: &[&str]) {
    let figures: Vec<&str> =
        page.split("<figure id=\"").skip(1).map(|part| part.split("</figure>").next().unwrap()).collect();
    for name in wanted {
        assert!(figures.iter().any(|figure| figure.starts_with(&format!("{name}\""))), "no figure {name}");
    }
    for figure in &figures {
        let name = figure.split('"').next().unwrap();
        assert!(figure.contains("<ul class=\"legend\"><li>"), "{name} has no legend");
        assert!(figure.contains("<summary>Table</summary>") && figure.contains("<tbody><tr"), "{name} has no table");
        for svg in figure.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next()) {
            assert!(svg.matches("class=\"label\"").count() >= 2, "{name} has an axis without label");
            assert!(svg.matches("class=\"axis\"").count() >= 3, "{name} has an axis without marks");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name} has places that are no numbers");
        }
    }
    // Nothing of the page comes from elsewhere.
    for outside in ["://", "src=", "@import", "url(", "<link", "//cdn"] {
        assert!(!page.contains(outside), "the page asks for {outside}");
    }
}

#[test]
fn runs_are_overlaid_with_the_table_behind_each_figure() {
    let at = tempfile::tempdir().unwrap();
    folder(at.path(), "one", 12, 0.25, "addition");
    folder(at.path(), "two", 9, 0.5, "addition");
    let (code, stdout, stderr) = ended(at.path(), &["report", "one", "two", "-o", "page.html"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "page.html\n", ""));
    let page = fs::read_to_string(at.path().join("page.html")).unwrap();
    for wanted in [
        &["reward", "correct", "grad-norm", "entropy", "length", "evaluation-length"][..],
        &["kl", "ratio", "multiplier", "hazard", "survival", "regions", "timing"],
    ] {
        assert_figures(&page, wanted);
    }
    // Step 3 of both runs, and step 12, which only one has.
    assert!(page.contains("<tr data-x=\"3\"><td>3</td><td>0.2530</td><td>0.5030</td></tr>"), "{page}");
    assert!(page.contains("<td>12</td><td>0.2620</td><td></td></tr>"), "{page}");
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("<li><i class=\"key line c1\"></i>two</li>"));
    // 0.5 of 1.0 seconds; what is not named is the rest.
    assert!(page.contains("<td>0.5000 (50%)</td><td>0.1000 (10%)</td><td>0.3000 (30%)</td>"), "{page}");
    assert_eq!(ended(at.path(), &["report", "one"]).1, "one/report.html\n");
}

/// A figure of its own shows what each of several rewards was.
#[test]
fn each_reward_has_a_line() {
    let at = tempfile::tempdir().unwrap();
    folder(at.path(), "one", 3, 0.25, "addition");
    folder(at.path(), "two", 3, 0.25, "addition");
    let line = |step: u64| {
        format!(
            "{{\"step\":{step},\"reward/mean\":0.25,\"reward/exact_mean\":0.375,\"reward/overlong_mean\":-0.125}}\n"
        )
    };
    fs::write(at.path().join("two/metrics.jsonl"), (1..=3).map(line).collect::<String>()).unwrap();
    let page = |runs: &[&str]| {
        assert_eq!(ended(at.path(), &[&["report"], runs, &["-o", "page.html"]].concat()).0, 0);
        fs::read_to_string(at.path().join("page.html")).unwrap()
    };
    let several = page(&["one", "two"]);
    assert_figures(&several, &["reward", "rewards"]);
    for shown in
        ["<th>two, exact</th><th>two, overlong</th>", "<td>0.3750</td><td>−0.1250</td>", "reward/overlong_mean"]
    {
        assert!(several.contains(shown), "no {shown} in {several}");
    }
    assert!(!page(&["one"]).contains("<figure id=\"rewards\""));
}

/// More runs than colours: dashes tell them apart, one line each.
#[test]
fn many_runs_are_told_apart() {
    let at = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..11).map(|run| format!("run-{run}")).collect();
    names.iter().for_each(|name| folder(at.path(), name, 5, 0.25, "addition"));
    let runs = names.iter().map(String::as_str);
    let arguments: Vec<&str> = ["report", "-o", "page.html"].into_iter().chain(runs).collect();
    assert_eq!(ended(at.path(), &arguments).0, 0);
    let page = fs::read_to_string(at.path().join("page.html")).unwrap();
    assert_figures(&page, &["reward", "grad-norm"]);
    let figure = page.split("<figure id=\"grad-norm\"").nth(1).unwrap().split("</figure>").next().unwrap();
    let looks: Vec<&str> =
        figure.split("class=\"key line ").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!((looks[0], looks[7], looks[8], looks[10]), ("c0", "c7", "c0 d1", "c2 d1"));
    // One line a run, of the first metric, in the look of its legend; the table has the other metric too.
    let lines: Vec<&str> =
        figure.split("class=\"line ").skip(1).map(|rest| rest.split('"').next().unwrap().trim()).collect();
    assert_eq!(lines, looks);
    assert!(figure.contains("<th>run-10, greatest</th>") && figure.contains("Drawn: mean of the step"), "{figure}");
}

#[test]
fn a_long_report_stays_small_and_keeps_its_spikes() {
    let at = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| folder(at.path(), name, 1000, 0.0, "addition"));
    assert_eq!(ended(at.path(), &["report", "a", "b", "c", "d", "-o", "page.html"]).0, 0);
    let page = fs::read_to_string(at.path().join("page.html")).unwrap();
    assert_figures(&page, &["reward", "grad-norm", "regions"]);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    // Steps 6 to 10: the mean of 0.006 to 0.010, and the spike of step 7.
    assert!(page.contains("<td>6–10</td><td>0.0080 (0.0060–0.0100)</td>"), "no bucket of the reward");
    assert!(page.contains("(1.500–321)"), "the spike is lost");
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_shown() {
    let at = tempfile::tempdir().unwrap();
    folder(at.path(), "good", 5, 0.25, "addition");
    folder(at.path(), "cut", 5, 0.25, "multiplication");
    let metrics = at.path().join("cut/metrics.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1] = "rubbish";
    let text = lines.join("\n");
    fs::write(&metrics, &text[..text.len() - 30]).unwrap();
    fs::write(at.path().join("cut/rollouts/step-000001.parquet"), "PAR1 nonsense").unwrap();
    fs::create_dir(at.path().join("empty")).unwrap();
    let (code, _, stderr) = ended(at.path(), &["report", "good", "cut", "empty", "absent", "-o", "page.html"]);
    let page = fs::read_to_string(at.path().join("page.html")).unwrap();
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(page.matches("there is no folder absent").count(), 1);
    for told in [
        "cut/metrics.jsonl:2: not a line of metrics",
        "cut/metrics.jsonl:5: cut in the middle",
        "step-000001.parquet: ",
        "empty: no metrics to show",
        "there is no folder absent",
        "different tasks",
    ] {
        assert!(stderr.contains(told) && page.contains(told), "{told}: {stderr}");
    }
    assert_figures(&page, &["reward"]);
    // Three of the five steps are left.
    assert!(
        page.contains("<td>4</td><td>0.2540</td><td>0.2540</td>")
            && page.contains("<td>2</td><td>0.2520</td><td></td>")
    );
    let (code, stdout, stderr) = ended(at.path(), &["report", "empty", "absent", "-o", "none.html"]);
    assert!(code == 2 && stdout.is_empty() && stderr.contains("no run to show"), "{stderr}");
    assert!(!at.path().join("none.html").exists());
}

#[test]
fn samples_are_shown_as_text_and_never_run() {
    let at = tempfile::tempdir().unwrap();
    folder(at.path(), "run", 3, 0.25, "addition");
    let sample = Sample {
        step: 3,
        prompt: "<b>2+2".into(),
        completion: "</pre><script>alert(1)</script>\u{1b}".into(),
        answer: "4 & more".into(),
        reward: Some(0.0),
        verdict: "wrong".into(),
        ..Sample::default()
    };
    rollouts::write(&at.path().join("run/rollouts/step-000003.parquet"), &[sample]).unwrap();
    assert_eq!(ended(at.path(), &["report", "run"]).0, 0);
    let page = fs::read_to_string(at.path().join("run/report.html")).unwrap();
    assert!(page.contains("&lt;b&gt;2+2") && page.contains("4 &amp; more") && page.contains("verdict wrong"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}") && page.matches("<script>").count() == 1);
}

#[test]
fn a_real_run_has_the_tokens_that_its_updates_saw() {
    let at = tempfile::tempdir().unwrap();
    tiny_config(at.path());
    let (code, _, stderr) = ended(at.path(), &["train", "tiny.toml"]);
    assert_eq!(code, 0, "{stderr}");
    let mut off_policy = 0;
    for step in 1..=4 {
        let samples = rollouts::read(&at.path().join(format!("runs/tiny/rollouts/step-{step:06}.parquet"))).unwrap();
        assert_eq!(samples.len(), 16);
        for (index, sample) in samples.iter().enumerate() {
            let seen = if sample.advantage == 0.0 { 0 } else { sample.tokens.len() };
            assert_eq!(sample.logp.len(), seen, "step {step}, sample {index}");
            // The first mini-batch is on-policy to the bit, whatever its objective.
            if index < 8 && seen > 0 {
                assert_eq!(sample.logp, sample.logp_old, "step {step}, sample {index}");
            }
            off_policy += usize::from(index >= 8 && seen > 0 && sample.logp != sample.logp_old);
        }
    }
    assert!(off_policy > 0, "no token of the second mini-batches moved");
    assert_eq!(ended(at.path(), &["report", "runs/tiny"]).0, 0);
    let page = fs::read_to_string(at.path().join("runs/tiny/report.html")).unwrap();
    assert_figures(&page, &["reward", "scatter", "multipliers", "regions", "timing"]);
}

#[test]
fn a_replay_is_part_of_the_report() {
    let at = tempfile::tempdir().unwrap();
    tiny_config(at.path());
    assert_eq!(ended(at.path(), &["train", "tiny.toml", "--set", "log.run_dir=\"run\""]).0, 0);
    folder(at.path(), "bare", 4, 0.25, "addition");
    let (code, _, stderr) = ended(at.path(), &["report", "run", "bare", "--all", "-o", "page.html"]);
    assert!(code == 0 && stderr.contains("not replayed: ") && stderr.contains("holds no rollouts"), "{stderr}");
    let page = fs::read_to_string(at.path().join("page.html")).unwrap();
    assert_figures(&page, &["reward", "cosine", "norm", "zeroed", "spread"]);
    let figure = page.split("<figure id=\"zeroed\"").nth(1).unwrap().split("</figure>").next().unwrap();
    for (name, told) in [("mhpo", "mhpo (the run&#39;s)"), ("grpo", "grpo"), ("dgpo", "dgpo"), ("aspo", "aspo")] {
        assert!(figure.contains(&format!("</i>{name}</li>")) && figure.contains(&format!("run: {told}<")), "{name}");
    }
    assert!(figure.contains("<h4>run, trained with mhpo</h4>"));
    // MHPO sets no token's gradient to zero.
    assert!(figure.contains("<td>0</td>"), "{figure}");
}
