//! The configuration: what is accepted, what is refused and how the refusal reads.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use surefoot_objectives::Value;
use surefoot_objectives::advantage::Estimator;
use surefoot_trainer::config::choice::{AnswerFormat, Schedule};
use surefoot_trainer::config::{Config, Purpose, document};

const LEAST: &str = "[model]\npath = \"model\"\n[data]\ntrain = \"rows.jsonl\"\n";

fn train(text: &str, sets: &[&str]) -> Result<Config, String> {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    Config::from_text(Path::new("dir/run.toml"), text, &sets, Purpose::Train).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(text: &str, sets: &[&str]) -> String {
    train(&format!("{LEAST}{text}"), sets).expect_err("must be refused")
}

#[test]
fn defaults_follow_their_sources() {
    let config = train(LEAST, &[]).unwrap();
    assert_eq!((config.objective.name.as_str(), config.objective.options.len()), ("mhpo", 0));
    assert_eq!((config.rollout.prompts, config.rollout.samples, config.rollout.max_new_tokens), (64, 8, 2048));
    assert_eq!((config.rollout.temperature, config.rollout.top_p, config.rollout.top_k), (1.0, 1.0, 0));
    assert_eq!(config.optimizer.betas, [0.9, 0.95]);
    assert_eq!(config.advantage.estimator, Some(Estimator::Grpo));
    assert_eq!(config.log.run_dir, "runs/run");
    assert_eq!(config.data.train, ["rows.jsonl"]);
}

#[test]
fn dr_grpo_divides_by_the_longest_completion_unless_it_is_told() {
    let length = |sets: &[&str]| train(LEAST, sets).unwrap().build_objective().unwrap().aggregation_length;
    assert_eq!(length(&["objective.name=dr_grpo", "rollout.max_new_tokens=300"]), Some(300.0));
    assert_eq!(length(&["objective.name=dr_grpo", "objective.aggregation_length=8"]), Some(8.0));
    assert_eq!(length(&["objective.name=grpo", "objective.aggregation=seq-mean-token-sum-norm"]), Some(2048.0));
    assert_eq!(length(&["objective.name=grpo"]), None);
}

#[test]
fn overrides_win_and_need_no_quotes() {
    let sets =
        ["model.path=other/model", "rollout.samples=4", "optimizer.learning_rate=1e-5", "data.train=[\"a\", \"b\"]"];
    let config = train(&format!("{LEAST}[rollout]\nsamples = 16\n"), &sets).unwrap();
    assert_eq!(config.model.path, "other/model");
    assert_eq!(config.rollout.samples, 4);
    assert_eq!(config.optimizer.learning_rate, 1e-5);
    assert_eq!(config.data.train, ["a", "b"]);
    let config = train(LEAST, &["prompt.system=3", "optimizer.schedule=cosine"]).unwrap();
    assert_eq!((config.prompt.system.as_str(), config.optimizer.schedule), ("3", Schedule::Cosine));
}

#[test]
fn the_resolved_configuration_reads_back_equal() {
    let text = format!(
        "{LEAST}[prompt]\nsystem = \"say \\\"hi\\\"\\nand go\"\n[objective]\nname = \"mhpo\"\nbound = 1\nanchor = \"unit\"\n\
         [rollout]\nstop = [\"</answer>\", \"\\n\\n\"]\n[optimizer]\nlearning_rate = 3e-7\n"
    );
    let config = train(&text, &["data.limit=12"]).unwrap();
    assert_eq!(config.objective.options["bound"], Value::Number(1.0));
    let written = config.to_toml();
    assert_eq!(train(&written, &[]).unwrap(), config);
    assert!(written.contains("learning_rate = 3e-7") && written.contains("# answer_key is not set"), "{written}");
    for section in Purpose::Train.sections() {
        assert!(written.contains(&format!("\n[{section}]\n")), "{section} is missing");
    }
}

#[test]
fn unknown_keys_name_line_and_nearest() {
    assert_eq!(
        refused("[rollout]\n# a comment\nsample = 8\n", &[]),
        "dir/run.toml:7: unknown key `rollout.sample`; did you mean `rollout.samples`?"
    );
    for (section, key, nearest) in [
        ("rollout", "num_generations", "rollout.samples"),
        ("optimizer", "lr", "optimizer.learning_rate"),
        ("train", "temperature", "rollout.temperature"),
        ("train", "learning_rate", "optimizer.learning_rate"),
        ("objective", "epsilon", "objective.clip_low"),
        ("objective", "clip_hgih", "objective.clip_high"),
        ("update", "minibatches", "update.mini_batches"),
        ("checkpoint", "evry", "checkpoint.every"),
        ("train", "epochs", "train.steps"),
    ] {
        let message = refused(&format!("[{section}]\n{key} = 1\n"), &[]);
        if section != "data" {
            assert!(message.contains(&format!("did you mean `{nearest}`?")), "{section}.{key}: {message}");
        }
    }
    let message = refused("[rollout]\nzebra = 1\n", &[]);
    assert!(message.contains("keys of the section are prompts, samples, max_new_tokens"), "{message}");
    assert_eq!(
        refused("[rolout]\nx = 1\n", &[]),
        "dir/run.toml:5: unknown section `[rolout]`; did you mean `[rollout]`?"
    );
    assert!(refused("", &["rollout.sampels=3"]).starts_with("--set rollout.sampels=3: unknown key"));
    assert!(refused("", &["samples=3"]).contains("expected section.key=value"));
    let message = train(&format!("steps = 3\n{LEAST}"), &[]).expect_err("a key without section");
    assert_eq!(message, "dir/run.toml:1: unknown key `steps`; did you mean `train.steps`?");
}

#[test]
fn keys_of_other_trainers_lead_to_ours() {
    for (key, ours) in [
        ("objective.clip_ratio_c", "objective.dual_clip"),
        ("objective.delta", "objective.dual_clip"),
        ("objective.tau_pos", "objective.temperature_positive"),
        ("objective.sapo_temperature_neg", "objective.temperature_negative"),
        ("objective.eps_clip", "objective.clip_low"),
        ("objective.importance_sampling_level", "objective.name"),
        ("advantage.scale_rewards", "advantage.scale"),
        ("advantage.multi_objective_aggregation", "advantage.estimator"),
        ("advantage.norm_adv_by_std_in_grpo", "advantage.estimator"),
        ("update.mask_truncated_completions", "update.truncated"),
        ("rollout.filter_groups", "rollout.resample_rounds"),
        ("rollout.max_num_gen_batches", "rollout.resample_rounds"),
        ("rollout.response_length", "rollout.max_new_tokens"),
        ("rollout.stop_strings", "rollout.stop"),
        ("rollout.n", "rollout.samples"),
        ("eval.n", "eval.samples"),
        ("regularizer.use_kl_loss", "regularizer.reference_coefficient"),
        ("model.model_name_or_path", "model.path"),
        ("model.lora_rank", "lora.rank"),
        ("model.lora_alpha", "lora.alpha"),
        ("data.max_train_samples", "data.limit"),
        ("data.prompt_key", "data.problem_key"),
    ] {
        let message = refused("", &[&format!("{key}=1")]);
        assert!(message.contains(&format!("; did you mean `{ours}`?")), "{key}: {message}");
    }
    assert_eq!(
        refused("[objective]\neps_clip = 0.2\n", &[]),
        "dir/run.toml:6: unknown key `objective.eps_clip`; did you mean `objective.clip_low`? (with objective.clip_high for the upper bound)"
    );
    let message = refused("", &["update.ppo_mini_batch_size=64"]);
    assert!(
        message.ends_with("`update.mini_batches`? (it counts the updates on a rollout, not their samples)"),
        "{message}"
    );
    let sft =
        Config::from_text(Path::new("s.toml"), LEAST, &["sft.per_device_train_batch_size=8".into()], Purpose::Sft);
    assert!(sft.unwrap_err().to_string().contains("did you mean `sft.batch`?"));
}

#[test]
fn wrong_types_say_what_is_expected() {
    assert_eq!(
        refused("[rollout]\nsamples = \"eight\"\n", &[]),
        "dir/run.toml:6: `rollout.samples` must be a whole number, 1 or more, found the text \"eight\""
    );
    assert!(refused("[rollout]\nsamples = -1\n", &[]).contains("found the number -1"));
    assert!(refused("[rollout]\ntemperature = nan\n", &[]).contains("must be a number, found the number NaN"));
    assert!(refused("[optimizer]\nschedule = \"cosin\"\n", &[]).contains("found \"cosin\" (did you mean \"cosine\"?)"));
    assert!(refused("[optimizer]\nbetas = [0.9]\n", &[]).contains("must be a list of two numbers, found a list of 1"));
    assert!(refused("[objective]\nclip_low = \"0.2\"\n", &[]).contains("`objective.clip_low` must be a number"));
    let message = refused("[rollout]\nsamples = 8 8\n", &[]);
    assert!(message.starts_with("dir/run.toml:6: not valid TOML"), "{message}");
}

/// What the page says of 0 is what happens to it.
#[test]
fn zero_is_refused_where_the_page_says_so_and_nowhere_else() {
    for purpose in [Purpose::Train, Purpose::Sft, Purpose::Eval] {
        let (mut from_zero, mut from_one) = (0, 0);
        for stage in Config::defaults(purpose).stages() {
            for key in stage.keys().iter().filter(|key| key.expects.contains("a whole number")) {
                let name = format!("{}.{}", stage.section(), key.name);
                let read = Config::from_text(Path::new("run.toml"), LEAST, &[format!("{name}=0")], purpose);
                let refused = read
                    .is_err_and(|error| error.to_string().contains(&format!("`{name}` is 0; it must be at least 1")));
                assert_eq!(refused, key.expects.contains("1 or more"), "{name} takes {}", key.expects);
                *if refused { &mut from_one } else { &mut from_zero } += 1;
            }
        }
        assert!(from_zero > 3 && from_one > 6, "{from_zero} keys take 0 and {from_one} do not");
    }
}

#[test]
fn impossible_values_are_refused_where_they_stand() {
    for (text, expected) in [
        ("[train]\nsteps = 0\n", "dir/run.toml:6: `train.steps` is 0; it must be at least 1"),
        ("[rollout]\ntemperature = 0\n", "dir/run.toml:6: `rollout.temperature` is 0; it must be at least 0.001"),
        ("[rollout]\ntop_p = 1.5\n", "`rollout.top_p` is 1.5"),
        ("[rollout]\nsamples = 1\n", "`rollout.samples` is 1, but advantage.estimator = \"grpo\""),
        (
            "[update]\nmini_batches = 5\n",
            "`update.mini_batches` is 5, which does not divide the 64 groups of rollout.prompts; possible are 1, 2, 4, 8",
        ),
        ("[reward]\nname = \"maths\"\n", "found \"maths\" (did you mean \"math\"?)"),
        ("[reward]\nname = \"command\"\n", "default: `reward.command` is not set"),
        ("[reward]\nstrict = true\n", "`reward.strict` needs a reward.format"),
        ("[reward]\nname = [\"math\", \"format\"]\n", "`reward.name` rewards the `format`: set reward.format"),
        ("[reward]\nname = []\n", "`reward.name` names no reward"),
        ("[reward]\nname = [\"math\", \"math\"]\n", "names `math` twice"),
        ("[reward]\nname = [\"math\", \"overlong\"]\nweights = [1.0]\n", "holds 1 where 2 rewards are named"),
        ("[reward]\nweights = 1e39\n", "`reward.weights` holds 1e39; each must be within -1e6 and 1e6"),
        ("[lora]\nrank = 4\nalpha = 1e38\n", "it must be greater than 0, and at most 1e6"),
        ("[reward]\noverlong_buffer = 9\n", "has no effect: reward.name does not name `overlong`"),
        ("[reward]\nname = \"overlong\"\noverlong_buffer = 9999\n", "is 9999, more than rollout.max_new_tokens = 2048"),
        ("[reward]\nformat_bonus = 0.1\n", "did you mean `reward.weights`?"),
        ("[reward]\ncommand = \"./judge\"\n", "has no effect"),
        ("[reward]\ncolumns = \"extra_info\"\n", "`reward.columns` has no effect: reward.name does not name `command`"),
        ("[prompt]\ntemplate = \"Solve it\"\n", "must contain {problem}"),
        ("[optimizer]\nbetas = [0.9, 1.0]\n", "`optimizer.betas` is 1"),
        ("[advantage]\nweight = \"std\"\n", "`advantage.weight` does not fit: weight = \"std\" multiplies"),
        (
            "[advantage]\nestimator = \"rloo\"\nscale = \"batch\"\n",
            "`advantage.scale` does not fit: scale = \"batch\" replaces the deviation of a group",
        ),
        (
            "[advantage]\nestimator = \"gdpo\"\nkl_coefficient = 0.1\n",
            "`advantage.kl_coefficient` does not fit: estimator = \"gdpo\" compares each reward by itself",
        ),
        ("[rollout]\nsamples = 1\n[advantage]\nestimator = \"opo\"\n", "compares the samples of a group"),
        (
            "[objective]\nname = \"cpgd\"\nepoch_weight = \"truncated\"\n",
            "`objective.epoch_weight` is \"truncated\", which has no effect with update.epochs = 1",
        ),
        ("[checkpoint]\nkeep = 0\n", "`checkpoint.keep` is 0"),
        ("[checkpoint]\nbest = \"eval/avg\"\n", "is a metric of evaluations, and eval.every = 0 makes none"),
        ("[checkpoint]\nbest = \"reward/mean\"\nevery = 0\n", "checkpoint.every = 0 writes only the last"),
        ("[checkpoint]\nbest = \"reward/man\"\n", "(did you mean \"reward/mean\"?)"),
        ("[stop]\npatience = 0\n", "`stop.patience` is 0"),
        (
            "[stop]\nentropy_min = 0.5\nentropy_max = 0.5\n",
            "`stop.entropy_max` is 0.5; it must be greater than the least",
        ),
        ("[stop]\nratio_max = 1\n", "`stop.ratio_max` is 1; it must be greater than 1"),
        ("[stop]\nreward_drop = 0\n", "`stop.reward_drop` is 0; it must be greater than 0"),
        ("[stop]\nlength_min = 2049\n", "`stop.length_min` is 2049, more than rollout.max_new_tokens = 2048"),
        ("[lora]\nalpha = 32\n", "dir/run.toml:6: `lora.alpha` has no effect: lora.rank is 0"),
        ("[lora]\ntargets = [\"q_proj\"]\n", "`lora.targets` has no effect: lora.rank is 0"),
        (
            "[advantage]\nestimator = \"dr_grpo\"\nweight = \"std\"\nweight_bound = 2\n",
            "`advantage.weight_bound` has no effect: it is for advantage.weight = \"clip-filter\"",
        ),
        ("[eval]\nevery = 5\n", "`eval.every` is 5, and eval.data names no benchmark"),
        ("[advantage]\nkl_coefficient = -1\n", "`advantage.kl_coefficient` is -1; it must be 0 (off) or more"),
        (
            "[objective]\nname = \"cpgd\"\n[regularizer]\ndrift_coefficient = 0.1\n",
            "dir/run.toml:8: `regularizer.drift_coefficient` does not fit: objective cpgd has a policy drift of its own",
        ),
        (
            "[objective]\nname = \"pgd\"\n[regularizer]\ndrift_coefficient = 0.1\n",
            "`regularizer.drift_coefficient` does not fit: objective pgd has a policy drift of its own",
        ),
        ("[optimizer]\nbase_parameters = 0\n", "`optimizer.base_parameters` is 0; it must be at least 1"),
    ] {
        let message = refused(text, &[]);
        assert!(message.contains(expected), "expected {expected:?} in {message:?}");
    }
    for text in [
        "[stop]\nlength_min = 2048\n",
        "[lora]\nrank = 4\nalpha = 32\ntargets = [\"q_proj\"]\n",
        "[advantage]\nestimator = \"dr_grpo\"\nweight = \"clip-filter\"\nweight_bound = 2\n",
        "[eval]\ndata = \"d.jsonl\"\nevery = 5\n",
    ] {
        train(&format!("{LEAST}{text}"), &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let message = train("", &[]).expect_err("nothing is given");
    assert!(message.contains("`model.path` is not set") && message.contains("`data.train` is not set"), "{message}");
}

#[test]
fn weights_and_difficulties_must_fit_the_files() {
    let message = refused("", &["data.weights=[1, 2]"]);
    assert!(message.contains("`data.weights` holds 2 where data.train names 1"), "{message}");
    let message = refused("", &["data.weights=0"]);
    assert!(message.contains("`data.weights` holds 0; each must be greater than 0"), "{message}");
    let message = refused("", &["data.train=task:addition", "data.difficulty_key=level"]);
    assert!(message.contains("names the column `level`, which the built-in task `task:addition` lacks"), "{message}");
    let program = ["reward.name=command", "reward.command=./judge", "reward.columns=tests"];
    for data in [&["data.train=task:addition"][..], &["eval.data=sums=task:addition", "eval.every=1"]] {
        let message = refused("", &[&program[..], data].concat());
        assert!(
            message.contains("`reward.columns` names `tests`, which the built-in task `task:addition` lacks"),
            "{message}"
        );
    }
}

#[test]
fn presets_fill_what_is_not_set_and_read_back() {
    let with = |text: &str| train(&format!("{LEAST}[prompt]\npreset = \"cpgd\"\n{text}"), &[]).unwrap();
    let config = with("");
    assert_eq!((config.reward.format, config.reward.strict), (AnswerFormat::ThinkAnswer, true));
    assert!(config.prompt.system.starts_with("Solve the question.") && config.prompt.template == "{problem}");
    assert_eq!(train(&config.to_toml(), &[]).unwrap(), config);
    assert_eq!(with("system = \"short\"\n").prompt.system, "short");
    let config = with("[reward]\nname = \"exact\"\n");
    assert_eq!((config.reward.format, config.reward.strict), (AnswerFormat::ThinkAnswer, false));
    assert!(!with("[reward]\nstrict = false\n").reward.strict);
    let config = train(LEAST, &["prompt.preset=dgpo", "reward.name=math_pm1"]).unwrap();
    assert_eq!((config.reward.format, config.reward.strict), (AnswerFormat::Boxed, true));
}

#[test]
fn every_problem_is_shown_at_once() {
    let message = refused("[rollout]\nsample = 8\ntemperature = 0\n[optimizer]\nbetas = 1\n", &["update.epochs=0"]);
    for part in [
        "4 problems",
        "rollout.sample`",
        "rollout.temperature",
        "optimizer.betas",
        "--set update.epochs=0: `update.epochs` is 0",
    ] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
}

#[test]
fn sft_has_its_own_sections_and_defaults() {
    let read = |text: &str| Config::from_text(Path::new("s.toml"), &format!("{LEAST}{text}"), &[], Purpose::Sft);
    let config = read("[sft]\nbatch = 4\n").unwrap();
    assert_eq!((config.sft.batch, config.optimizer.learning_rate), (4, 2e-5));
    let back = Config::from_text(Path::new("s.toml"), &config.to_toml(), &[], Purpose::Sft).unwrap();
    assert_eq!(back, config);
    let message = read("[rollout]\nsamples = 4\n").unwrap_err().to_string();
    assert!(message.contains("unknown section `[rollout]`"), "{message}");
}

#[test]
fn docs_config_is_in_sync() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, document::page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == document::page(), "docs/config.md is out of date: run with UPDATE_DOCS=1");
}

#[test]
fn objectives_know_their_options() {
    let page = document::page();
    for recipe in surefoot_objectives::RECIPES {
        let head = format!("{LEAST}[objective]\nname = \"{}\"\n", recipe.key);
        let objective = train(&head, &[]).unwrap().build_objective().unwrap();
        for setting in objective.settings() {
            let Value::Text(_) = setting.value else {
                let row = page.lines().find(|line| line.starts_with(&format!("| `{}` | a ", setting.key)));
                assert!(row.is_some_and(|row| row.contains(&setting.takes)), "{}: {row:?}", setting.key);
                continue;
            };
            // each word that it takes stands in the documentation, and is taken
            let row = page.lines().find(|line| line.starts_with(&format!("| `{}` | \"", setting.key))).unwrap();
            for word in setting.takes.split(" or ") {
                assert!(row.contains(word), "{word} in {row}");
                train(&format!("{head}{} = {word}\n", setting.key), &["update.epochs=2"]).unwrap();
            }
        }
    }
    assert!(page.contains("| `0.2` (") && page.contains("`0.28` (dapo)") && page.contains("`1.5` (mhpo)"));
    let config = train(
        &format!("{LEAST}[objective]\nbound = 0.5\nanchor = \"unit\"\n[regularizer]\ndrift_coefficient = 0.01\n"),
        &[],
    )
    .unwrap();
    let objective = config.build_objective().unwrap();
    assert!(objective.settings().iter().any(|setting| setting.key == "bound" && setting.value.to_string() == "0.5"));
    assert_eq!(objective.regularizer.drift.coefficient, 0.01);
    assert!(
        refused("[objective]\nname = \"mhpp\"\n", &[])
            .starts_with("dir/run.toml:6: `objective.name` does not fit: there is no objective `mhpp`")
    );
    let message = refused("[objective]\nclip_low = 0.2\n", &[]);
    assert!(message.starts_with("dir/run.toml:6: `objective.clip_low` does not fit: "), "{message}");
    let message = refused("[objective]\nbound = -1\n", &[]);
    assert!(message.starts_with("dir/run.toml:6: `objective.bound` does not fit: "), "{message}");
}

#[test]
fn samplers_and_corrections_that_make_no_sense_are_refused() {
    for (text, key, part) in [
        ("[rollout]\nstaleness = 65", "rollout.staleness", "is 65; it must be at most 64"),
        ("[server]\nurl = \"https://host\"", "server.url", "must begin with http://"),
        (
            "[server]\nreload = \"vllm\"",
            "server.reload",
            "has no effect: the trainer samples itself without server.url",
        ),
        ("[server]\nurl = \"http://h\"\nreload = \"custom\"", "server.reload_path", "must begin with /"),
        ("[server]\nreload_path = \"/load\"", "server.reload_path", "has no effect"),
        (
            "[server]\nurl = \"http://h\"\nreload = \"custom\"\nreload_path = \"/r\"\nreload_body = \"{path}\"",
            "server.reload_body",
            "is no JSON",
        ),
        ("[server]\nconcurrency = 0", "server.concurrency", "is 0"),
        ("[server]\ntimeout_seconds = 0", "server.timeout_seconds", "greater than 0"),
        ("[correction]\nrollout_is = \"token\"", "correction.rollout_is", "set correction.mode = \"decoupled\""),
        (
            "[correction]\nmode = \"decoupled\"\nrollout_is_threshold = 2",
            "correction.rollout_is_threshold",
            "rollout_is",
        ),
        ("[correction]\nmode = \"decoupled\"\nrollout_rs = \"seq_k1\"", "correction.rollout_rs", "seq_k1"),
    ] {
        let message = refused(text, &[]);
        assert!(message.contains(&format!("`{key}` ")) && message.contains(part), "{text}: {message}");
    }
    let text = format!(
        "{LEAST}[correction]\nmode = \"decoupled\"\nrollout_is = \"token\"\nrollout_is_threshold = \"0.5_5.0\"\n\
         rollout_rs = \"token_k1,seq_max_k3\"\nrollout_rs_threshold = \"0.5_2.0,3\"\n"
    );
    let config = train(&text, &[]).unwrap();
    let correction = config.build_correction().unwrap();
    assert_eq!((correction.importance.is_some(), correction.rejections.len()), (true, 2));
    assert_eq!(train(&config.to_toml(), &[]).unwrap(), config);
    // Top-p is a policy of its own beside that of `logp_old`.
    assert!(train(LEAST, &["rollout.top_p=0.9", "correction.rollout_is=token"]).is_ok());
}
