//! `surefoot objective`: what it prints, and what it says to bad input. Expected numbers are those of the papers, or worked out
//! beside the test.
#![allow(clippy::unwrap_used, reason = "tests")]

mod call;

use call::surefoot;
use serde_json::{Value, json};

fn eval(options: &[&str], stdin: &str) -> Vec<Value> {
    let (code, stdout, stderr) = surefoot(&[&["objective", "eval"], options].concat(), stdin);
    assert_eq!((code, stderr.as_str()), (0, ""));
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refused(options: &[&str], stdin: &str) -> String {
    let (code, stdout, stderr) = surefoot(&[&["objective"], options].concat(), stdin);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

fn close(value: &Value, expected: f64, tolerance: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - expected).abs() <= tolerance, "{value}, expected {expected}");
}

/// A line with one token for each ratio.
fn line(group: &str, ratios: &[f64], advantage: &Value) -> String {
    let logp: Vec<f64> = ratios.iter().map(|ratio| ratio.ln() - 2.0).collect();
    let old = vec![-2.0; ratios.len()];
    json!({ "group": group, "logp": logp, "logp_old": old, "advantage": advantage }).to_string() + "\n"
}

#[test]
fn list_names_every_objective_once() {
    let (code, table, _) = surefoot(&["objective", "list"], "");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((code, lines.len()), (0, 23));
    let words =
        |line: &str| line.split("  ").map(str::trim).filter(|w| !w.is_empty()).map(str::to_string).collect::<Vec<_>>();
    assert_eq!(words(lines[0]), ["key", "paper", "aggregation", "advantages", "options"]);
    let dgpo = lines.iter().find(|line| line.starts_with("dgpo ")).unwrap();
    assert_eq!(
        words(dgpo)[1..],
        ["DGPO eq. 9, 37-40", "prompt-mean-token-mean", "grpo", "clip_low=0.2 clip_high=0.2 decay_low=1 decay_high=2"]
    );
    let paper = lines[0].find("paper").unwrap();
    assert!(lines.iter().all(|line| line.as_bytes()[paper - 1] == b' ' && line.as_bytes()[paper] != b' '), "{table}");
    let (_, text, _) = surefoot(&["objective", "list", "--format", "json"], "");
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let keys: Vec<&str> = all.iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 22);
    let mhpo = &all[keys.iter().position(|key| *key == "mhpo").unwrap()];
    assert_eq!(mhpo["options"][0]["key"], "bound");
    assert_eq!(mhpo["options"][0]["default"], 1.5);
    close(&mhpo["multiplier_bound"], 0.39581, 1e-5);
}

#[test]
fn eval_gives_mhpos_published_values() {
    let ratios = [0.1, 0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 5.0, 10.0];
    let expected = [0.00073, 0.05442, 0.17902, 0.26506, 0.33035, 0.38325, 0.39065, 0.19082, 0.08203];
    let lines = eval(&["--objective", "mhpo"], &line("p0", &ratios, &json!(-2.0)));
    assert_eq!(lines.len(), 2);
    for (at, expected) in expected.iter().enumerate() {
        close(&lines[0]["coefficient"][at], -2.0 * expected, 1.1e-5);
        // One sequence of nine tokens: each has the weight 1/9, and the loss is minimised.
        close(&lines[0]["grad_logp"][at], 2.0 * expected / 9.0, 1e-5);
    }
    close(&lines[1]["stats"]["multiplier/bound"], 0.39581, 1e-5);
    close(&lines[1]["stats"]["ratio/max"], 10.0, 1e-4);
    close(
        &lines[1]["stats"]["mhpo/survival_mean"].clone(),
        lines[1]["stats"]["mhpo/survival_mean"].as_f64().unwrap(),
        0.0,
    );
    let unit = eval(&["--objective", "mhpo", "--set", "anchor=unit"], &line("p0", &[1.0], &json!(1)));
    close(&unit[0]["coefficient"][0], 1.0, 1e-6);
}

#[test]
fn eval_takes_groups_masks_and_options() {
    // Two prompts with two and one sequences; prompt-mean: prompt a has 3 trained tokens, prompt 7 has 1.
    let mut rows = line("a", &[2.0, 0.5], &json!([1.0, -1.0])) + "\n" + &line("a", &[10.0], &json!(1.0));
    rows += "{\"group\": 7, \"logp\": [-1, -9], \"logp_old\": [-1, -1e30], \"advantage\": -1, \"mask\": [true, 0]}\n";
    let lines = eval(&["--objective", "dgpo"], &rows);
    assert_eq!(lines.len(), 4);
    close(&lines[0]["coefficient"][0], 1.5492, 5e-5);
    close(&lines[0]["coefficient"][1], -0.3125, 5e-5);
    close(&lines[1]["coefficient"][0], 3.4641, 5e-5);
    close(&lines[0]["grad_logp"][0], -1.5492 / 6.0, 1e-5);
    close(&lines[2]["grad_logp"][0], 1.0 / 2.0, 1e-6);
    assert_eq!(lines[2]["grad_logp"][1], 0.0);
    assert_eq!(lines[0]["region"], json!(["hp", "ln"]));
    assert_eq!(lines[2]["region"], json!(["m", "m"]));
    let second = eval(&["--objective", "dgpo", "--set", "decay_low=2", "--set", "aggregation=token-mean"], &rows);
    close(&second[0]["coefficient"][1], -0.1953, 5e-5);
    close(&second[0]["grad_logp"][1], 0.1953 / 4.0, 2e-5);
    assert_eq!(eval(&["--summary"], &rows).len(), 1);
}

#[test]
fn eval_reads_files_and_adds_regularisers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.jsonl");
    let row = "{\"group\": \"p\", \"logp\": [-1.0], \"logp_old\": [-1.0], \"advantage\": 0.0, \"logp_ref\": [-1.5]}\n";
    std::fs::write(&path, row).unwrap();
    let lines = eval(&[path.to_str().unwrap(), "--objective", "grpo", "--set", "reference_coefficient=0.1"], "");
    // k3: g = −β(1 − e^(ref − lp)) = −0.1·(1 − e^−0.5)
    close(&lines[0]["coefficient"][0], -0.1 * (1.0 - (-0.5_f64).exp()), 1e-7);
    close(&lines[1]["stats"]["kl_ref/k1"], 0.5, 1e-7);
    close(&lines[1]["loss"], 0.1 * ((-0.5_f64).exp() - 1.0 + 0.5), 1e-7);
}

#[test]
fn eval_names_line_and_position_of_what_is_wrong() {
    let good = line("p", &[1.0, 1.1], &json!(1));
    let with = |bad: &str| refused(&["eval"], &format!("{good}\n{bad}\n{good}"));
    let message = with("{\"group\": 1, \"logp\": [-1, -2], \"logp_old\": [-1], \"advantage\": 1}");
    assert!(message.contains("stdin:3: `logp_old` has 1 entries, `logp` has 2"), "{message}");
    let message = with("{\"group\": 1, \"logp\": [-1], \"logp_old\": [-1], \"advantage\": [1, 2]}");
    assert!(message.contains("stdin:3: `advantage` has 2 entries"), "{message}");
    let message = with("{\"group\": 1, \"logp\": [-1, 1e40], \"logp_old\": [-1, -1], \"advantage\": 1}");
    assert!(message.contains("stdin:3: 1e40 in `logp`, position 1, is no finite number"), "{message}");
    let message = with("{\"group\": 1, \"logp\": [-1, -1], \"logp_old\": [-1, -Infinity], \"advantage\": 1}");
    assert!(message.contains("stdin:3: -Infinity in `logp_old`, position 1, is no finite number"), "{message}");
    let message = with("{\"group\": 1, \"logp\": [-1], \"logp_old\": [-1], \"advantage\": NaN}");
    assert!(message.contains("stdin:3: NaN in `advantage`"), "{message}");
    let message = with("{\"group\": 1, \"logp\": [-1], \"logp_old\": [-1]}");
    assert!(message.contains("stdin:3: missing field `advantage`"), "{message}");
    let message = with("{\"group\": 1, \"logp\": [-1], \"logp_old\": [-1], \"advantage\": 1, \"logp_reff\": [-1]}");
    assert!(message.contains("stdin:3: unknown field `logp_reff`, expected one of"), "{message}");
    let message = with("{\"group\": 1, \"logp\": [-1], \"logp_old\": [-1], \"advantage\": 1, \"logp_ref\": [-1]}");
    assert!(message.contains("stdin:1: no `logp_ref`, but line 3 has one"), "{message}");
    let huge = "{\"group\": 1, \"logp\": [-1, 3e38], \"logp_old\": [-1, -3e38], \"advantage\": 1}";
    let message = with(huge);
    assert!(
        message.contains("stdin:3: `logp` is 3") && message.contains("at position 1; trained tokens need"),
        "{message}"
    );
    let message = with("rubbish");
    assert!(message.contains("stdin:3: expected value at column 1"), "{message}");
    assert!(refused(&["eval"], "").contains("stdin has no line"));
    let masked = "{\"group\": 1, \"logp\": [-1], \"logp_old\": [-1], \"advantage\": 1, \"mask\": [false]}";
    assert!(refused(&["eval"], masked).contains("the mask trains no token"));
    let message = refused(&["eval", "--set", "reference_coefficient=0.1"], &good);
    assert!(message.contains("the reference constraint needs `logp_ref`, and the lines have none"), "{message}");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for (arguments, expected) in [
        (&["eval", "--objective", "mhop"][..], "there is no objective `mhop` (did you mean `mhpo`?)"),
        (
            &["eval", "--set", "shape_positive=0"][..],
            "option `shape_positive` is \"0\", expected a number greater than 0",
        ),
        (&["eval", "--set", "shape_negative=-2"][..], "option `shape_negative` is \"-2\""),
        (
            &["eval", "--objective", "grpo", "--set", "clip_lo=0.1"][..],
            "has no option `clip_lo` (did you mean `clip_low`?)",
        ),
        (&["eval", "--objective", "grpo", "--set", "clip_low=-0.1"][..], "option `clip_low` is \"-0.1\""),
        (&["eval", "--objective", "grpo", "--set", "clip_low"][..], "write it as clip_low=0.2"),
        (&["eval", "--objective", "dr_grpo"][..], "needs aggregation_length"),
        (&["eval", "absent.jsonl"][..], "cannot read absent.jsonl"),
        (&["curve", "--objective", "grpo,clip_low=-1"][..], "--objective grpo,clip_low=-1: option `clip_low`"),
        (&["curve", "--objective", "grpo", "--quantity", "psi"][..], "objective grpo has no psi"),
        (
            &["curve", "--objective", "grpo", "--quantity", "weight"][..],
            "there is no quantity `weight`; there are multiplier",
        ),
        (&["curve", "--objective", "grpo", "--from", "0"][..], "--from is 0"),
        (&["curve", "--objective", "grpo", "--from", "3", "--to", "2"][..], "the first must be less"),
        (&["bias", "--objective", "gspo"][..], "gspo controls whole sequences"),
        (&["curve", "--objective", "dppo_tv"][..], "dppo_tv goes by the probability of a token"),
        (&["bias", "--gamma=-1"][..], "--gamma is -1; it must be 0 or more"),
        (&["bias", "--vocabulary", "1000000"][..], "the most is"),
    ] {
        let message = refused(arguments, &line("p", &[1.0], &json!(1)));
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn curves_go_through_the_papers_points() {
    let csv = |arguments: &[&str]| {
        let (code, stdout, stderr) = surefoot(&[&["objective", "curve", "--format", "csv"], arguments].concat(), "");
        assert_eq!((code, stderr.as_str()), (0, ""));
        let point = |line: &str| -> Option<(String, f64, f64)> {
            let mut cells = line.rsplitn(3, ',');
            let (y, x) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
            Some((cells.next()?.to_string(), x, y))
        };
        stdout.lines().skip(1).map(|line| point(line).unwrap()).collect::<Vec<_>>()
    };
    let at = |points: &[(String, f64, f64)], name: &str, ratio: f64| {
        let near = points.iter().filter(|point| point.0.contains(name));
        near.min_by(|a, b| (a.1 - ratio).abs().total_cmp(&(b.1 - ratio).abs())).unwrap().2
    };
    let grpo = csv(&["--objective", "grpo", "--from", "0.5", "--to", "2"]);
    let one_sided = |ratio: f64, beside: f64| at(&grpo, "A > 0", ratio + beside);
    assert!((one_sided(1.2, -1e-9) - 1.2).abs() < 1e-6 && one_sided(1.2, 2e-9) == 0.0);
    assert!((at(&grpo, "A < 0", 1.5) - 1.5).abs() < 0.01);
    let psi = csv(&["--figure", "mhpo-2"]);
    // ψ(r) = c·tanh(ln r/c); at r = 2 and c = 1 that is (4 − 1)/(4 + 1).
    assert!((at(&psi, "(a) modulator ψ = c·tanh(ln r/c)\",\"c = 1.0", 2.0) - 0.6).abs() < 0.01);
    assert!((at(&psi, "(b) its slope, 1 at r = 1\",\"c = 0.5", 1.0) - 1.0).abs() < 0.02);
    let survival = csv(&["--figure", "mhpo-3"]);
    assert!(
        (at(&survival, "(b) survival weight\",\"λ₊=1.0 k₊=1.5 λ₋=0.8 k₋=2.0 (default)", 0.0) - 0.26506).abs() < 1e-5
    );
    let weights = csv(&["--figure", "dgpo-2"]);
    assert!((at(&weights, "A < 0 (LN left of 0.8)\",\"cispo", 0.4) - 2.0).abs() < 0.02);
    assert!((at(&weights, "A < 0 (LN left of 0.8)\",\"dgpo", 0.4) - 0.5).abs() < 0.01);
    assert!((at(&weights, "A > 0 (HP right of 1.2)\",\"gppo", 2.4) - 0.5).abs() < 0.01);
}

#[test]
fn bias_has_the_papers_orders_and_the_corrected_form() {
    let (code, text, _) = surefoot(&["objective", "bias", "--format", "json"], "");
    assert_eq!(code, 0);
    let found: Value = serde_json::from_str(&text).unwrap();
    let bias = |objective: &str, region: &str| {
        let regions = found["regions"].as_array().unwrap();
        regions.iter().find(|one| one["objective"] == objective).unwrap()["bias"][region].as_f64().unwrap()
    };
    // DGPO Table 2.
    for unbiased in ["grpo", "cispo", "gppo", "ce_gppo", "dgpo"] {
        assert!(bias(unbiased, "m") < 1e-15 && bias("aspo", "m") > 1e-3, "{unbiased}");
    }
    for unbiased in ["grpo", "gppo", "ce_gppo", "dgpo"] {
        assert!(bias(unbiased, "lp") < 1e-15 && bias(unbiased, "hn") < 1e-15, "{unbiased}");
    }
    assert!(bias("cispo", "lp") > 1e-3 && bias("cispo", "hn") > 1e-3);
    assert!(bias("dgpo", "hp") < bias("cispo", "hp") && bias("cispo", "hp") < bias("grpo", "hp"));
    assert!(
        (bias("cispo", "hp") - bias("gppo", "hp")).abs() < 1e-12
            && (bias("aspo", "hp") - bias("grpo", "hp")).abs() < 1e-12
    );
    assert!(bias("dgpo", "ln") < bias("cispo", "ln") && bias("cispo", "ln") < bias("grpo", "ln"));
    let boundary = found["left_boundary"].as_array().unwrap();
    assert_eq!(boundary.len(), 7 * 5);
    for row in boundary {
        close(&row["integral"], row["closed_form"].as_f64().unwrap(), 1e-7);
    }
    // Worked out in rational arithmetic for γ = 3: CE-GPPO has 0.181 of GRPO's bias, CISPO a quarter.
    let at_three = |name: &str| boundary.iter().find(|row| row["gamma"] == 3.0 && row["objectives"] == name).unwrap();
    close(&at_three("ce_gppo")["integral"], 1.0 - 0.75 * 5.0 / 4.0 + 2.0 * 0.75_f64.powi(5) / 4.0, 1e-7);
    close(&at_three("cispo, gppo")["integral"], 0.25, 1e-7);
    for limit in found["limits"].as_array().unwrap() {
        close(&limit["at_gamma_1e9"], limit["limit"].as_f64().unwrap(), 1e-6);
    }
    let (_, table, _) = surefoot(&["objective", "bias"], "");
    assert!(table.contains("\nHN  0 = dgpo = grpo = gppo = ce_gppo"), "{table}");
    assert!(table.contains("ce_gppo, cispo     less bias from γ = 0, more from 4.90"), "{table}");
}

/// `docs/objectives/` holds what the command draws; `UPDATE_DOCS=1` writes it.
#[test]
fn docs_curves_are_in_sync() {
    for figure in ["all", "mhpo-2", "mhpo-3", "dgpo-2"] {
        let path = format!("{}/../../docs/objectives/{figure}.svg", env!("CARGO_MANIFEST_DIR"));
        let (code, svg, stderr) = surefoot(&["objective", "curve", "--figure", figure], "");
        assert_eq!((code, stderr.as_str()), (0, ""));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &svg).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == svg, "{path} is out of date: run with UPDATE_DOCS=1");
    }
}
