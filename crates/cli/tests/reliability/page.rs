//! The table of docs/reliability.md: each thing that can go wrong is made to, and the page must hold what a user saw.
//! `UPDATE_DOCS=1 cargo test -p surefoot --test reliability docs_reliability` writes it anew.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::page_servers::outputs;
use crate::tiny::{Tiny, demo_model, done, ended, latest, names, signal, surefoot};
use crate::weights::{copy_model, edit_tensor};

const BEGIN: &str = "<!-- table -->\n";
const END: &str = "<!-- end of table -->\n";

/// The table as it grows.
struct Table {
    tiny: Tiny,
    text: String,
}

impl Table {
    /// A row: what happened, the exit code, and the lines of stderr that `shown` picks.
    fn row(&mut self, what: &str, output: &Output, shown: impl Fn(&str) -> bool) {
        let (code, stderr) = ended(output);
        let lines: Vec<String> = stderr.lines().filter(|line| shown(line)).map(|line| self.plain(line)).collect();
        assert!(!lines.is_empty(), "{what}: {stderr}");
        self.line(what, &code.map_or("killed".into(), |code| code.to_string()), &lines.join("<br>"));
    }

    fn line(&mut self, what: &str, code: &str, seen: &str) {
        self.text.push_str(&format!("| {what} | {code} | {seen} |\n"));
    }

    /// A row with the last line of stderr.
    fn last(&mut self, what: &str, output: &Output) {
        let last = ended(output).1.lines().last().unwrap_or_default().to_string();
        self.row(what, output, |line| line == last);
    }

    /// Without what differs from one machine to another: folders, numbers of processes and of ports.
    fn plain(&self, line: &str) -> String {
        let line = line.replace(self.tiny.path("").display().to_string().trim_end_matches('/'), "runs");
        let port = |word: &str| match word.split_once("127.0.0.1:") {
            // Ports that the system chose have five digits.
            Some((before, rest)) if rest.len() >= 5 && rest[..5].bytes().all(|b| b.is_ascii_digit()) => {
                format!("{before}127.0.0.1:8000{}", &rest[5..])
            }
            _ => word.to_string(),
        };
        let mut words: Vec<String> = line.split(' ').map(port).collect();
        for at in 1..words.len() {
            if words[at - 1] == "process" && words[at].starts_with(|c: char| c.is_ascii_digit()) {
                words[at] = format!("4711{}", words[at].trim_start_matches(|c: char| c.is_ascii_digit()));
            }
        }
        format!("`{}`", words.join(" ").replace('|', "\\|").replace('`', "'"))
    }

    /// A run with these settings; its last line.
    fn run(&mut self, what: &str, name: &str, sets: &[&str]) {
        let output = self.tiny.train(name, sets).output().unwrap();
        self.last(what, &output);
    }
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// Runs this binary with files of at most so many blocks of 512 bytes.
fn limited(blocks: u32, arguments: &[&str]) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    Command::new("sh").args(["-c", &script, "sh", env!("CARGO_BIN_EXE_surefoot")]).args(arguments).output().unwrap()
}

fn stops(table: &mut Table) {
    for (with, what) in [("INT", "Ctrl-C"), ("TERM", "SIGTERM, as from a batch system")] {
        let mut child = table.tiny.train(with, &["train.steps=400"]).spawn().unwrap();
        while !table.tiny.path(with).join("metrics.jsonl").exists() {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(1));
        }
        signal(&child, with);
        table.row(what, &child.wait_with_output().unwrap(), |line| line.starts_with("stop"));
    }
    let mut first = table.tiny.train("busy", &["train.steps=4000"]).spawn().unwrap();
    while !table.tiny.path("busy").join("metrics.jsonl").exists() {
        assert!(first.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = table.tiny.go_on("busy").output().unwrap();
    table.last("A second run on the folder of one that is going on", &output);
    first.kill().unwrap();
    first.wait().unwrap();
    table.run("A new run in the folder of another", "busy", &[]);
    table.tiny.finish("killed", &["train.steps=3"]);
    let sets = ["--set", "train.steps=4000", "--set", "checkpoint.every=0"];
    let mut killed = table.tiny.go_on("killed").args(sets).spawn().unwrap();
    while lines(&table.tiny.path("killed/metrics.jsonl")) < 5 {
        std::thread::sleep(Duration::from_millis(1));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let output = table.tiny.go_on("killed").args(["--set", "train.steps=4"]).output().unwrap();
    let after = "`--resume` after SIGKILL, or after the system's memory ended";
    table.row(after, &output, |line| line.starts_with("resuming"));
    let short = ["stop.length_min=5"];
    table.run("A collapse that a detector of `[stop]` sees", "collapse", &short);
}

fn disks(table: &mut Table) {
    let tiny = &table.tiny;
    tiny.finish("disk", &["train.steps=2"]);
    let (run, config) = (tiny.path("disk").display().to_string(), tiny.path("config.toml").display().to_string());
    let checkpoint = limited(8192, &["train", "--resume", &run, "--set", "train.steps=8"]);
    let set = format!("log.run_dir={:?}", tiny.path("small-disk"));
    // So many samples that their file is the first one beyond the limit.
    let rollout = limited(16, &["train", &config, "--set", &set, "--set", "rollout.samples=512"]);
    let (model, out) = (demo_model().display().to_string(), tiny.path("evaluated").display().to_string());
    let data = "task:addition,rows=90,digits=2,style=plain";
    let evaluation = ["eval", "--model", &model, "--data", data, "--samples", "4", "--out", &out];
    let sets = ["--set", "reward.name=exact", "--set", "prompt.chat=never", "--set", "eval.max_new_tokens=5"];
    let evaluated = limited(16, &[&evaluation[..], &sets].concat());
    assert!(latest(&tiny.path("disk")).unwrap().ends_with("step-2"));
    table.last("The disk is full while a checkpoint is written", &checkpoint);
    table.last("The disk is full while samples are written", &rollout);
    table.last("The disk is full in an evaluation", &evaluated);
}

fn rewards(table: &mut Table) {
    let reward = |script: &str, more: &[&str]| -> Vec<String> {
        let command = format!("reward.command=[\"sh\", \"-c\", {script:?}]");
        let mut sets: Vec<String> =
            ["reward.name=command", "reward.workers=1", "train.steps=1"].map(String::from).to_vec();
        sets.extend(["reward.timeout_seconds=0.3", "reward.start_seconds=0"].map(String::from));
        sets.push(command);
        sets.extend(more.iter().map(ToString::to_string));
        sets
    };
    let answering = |value: &str| {
        format!(
            "while read -r line; do id=${{line#*:}}; echo \"{{\\\"id\\\": ${{id%%,*}}, \\\"reward\\\": {value}}}\"; done"
        )
    };
    let scenes = [
        ("The reward program crashes", "exit 3".to_string()),
        ("… hangs", "sleep 60".to_string()),
        ("… prints garbage", "while read -r line; do echo Segmentation fault; done".to_string()),
        ("… says NaN", answering("NaN")),
        ("… says a number beyond f32", answering("1e99")),
    ];
    for (number, (what, script)) in scenes.into_iter().enumerate() {
        let sets = reward(&script, &[]);
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        table.run(what, &format!("reward-{number}"), &sets);
    }
    let sets = reward("exit 3", &["reward.max_error_share=1"]);
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let output = table.tiny.train("tolerated", &sets).output().unwrap();
    table.row("… crashes, and `reward.max_error_share = 1`", &output, |line| line.contains("rewards failed"));
    let sets = ["reward.name=command", "reward.command=./judge"];
    table.run("… is not there", "no-program", &sets);
}

fn numbers(table: &mut Table) {
    let thrown = ["optimizer.learning_rate=1e30", "optimizer.weight_decay=0", "train.steps=2"];
    let output = table.tiny.train("thrown", &thrown).output().unwrap();
    table.row("A gradient that is not finite", &output, |line| line.starts_with("warning: step 1"));
    let stop = [&thrown[..], &["update.on_nonfinite=stop"]].concat();
    table.run("… with `update.on_nonfinite = \"stop\"`", "thrown-stop", &stop);
    let model = table.tiny.path("overflow");
    copy_model(&model);
    edit_tensor(&model, "model.norm.weight", |bytes| {
        bytes.chunks_exact_mut(2).for_each(|two| two.copy_from_slice(&0x7F61u16.to_le_bytes()));
    });
    let path = format!("model.path={model:?}");
    let output = table.tiny.train("overflows", &[&path, "train.steps=1"]).output().unwrap();
    table.row("Log-probabilities that are not finite", &output, |line| line.starts_with("warning: step 1"));
    table.run("… with `update.on_nonfinite = \"stop\"`", "overflows-stop", &[&path, "update.on_nonfinite=stop"]);
    let model = table.tiny.path("nan");
    copy_model(&model);
    edit_tensor(&model, "model.layers.2.mlp.up_proj.weight", |bytes| bytes[10..12].copy_from_slice(&[0xC0, 0x7F]));
    table.run("A NaN in the model's file", "nan-run", &[&format!("model.path={model:?}")]);
}

fn resumes(table: &mut Table) {
    let tiny = &table.tiny;
    tiny.finish("again", &["train.steps=2"]);
    let again = |sets: &[&str]| {
        let mut command = tiny.go_on("again");
        sets.iter().for_each(|set| {
            command.args(["--set", set]);
        });
        command.output().unwrap()
    };
    let other = again(&["data.train=task:addition,rows=50,seed=8,digits=2,style=plain"]);
    let checkpoint = latest(&tiny.path("again")).unwrap();
    let damage = |name: &str, edit: &dyn Fn(&Path)| {
        let (file, kept) = (checkpoint.join(name), tiny.path("kept"));
        fs::copy(&file, &kept).unwrap();
        edit(&file);
        let output = again(&["train.steps=3"]);
        fs::copy(&kept, &file).unwrap();
        output
    };
    let cut = damage("model.safetensors", &|file| {
        fs::File::options().write(true).open(file).unwrap().set_len(1_000_000).unwrap();
    });
    let counters = damage("trainer_state.json", &|file| fs::write(file, "{\"step\": ").unwrap());
    let metrics = tiny.path("again/metrics.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, format!("not a line\n{text}")).unwrap();
    let line = again(&["train.steps=3"]);
    fs::write(&metrics, text).unwrap();
    done(&again(&["train.steps=3"]));
    assert!(names(&tiny.path("again/checkpoints")).iter().all(|name| name.starts_with("step-")));
    table.last("A resume with other data", &other);
    table.last("… from a checkpoint whose weights are cut off", &cut);
    table.last("… from one whose counters are", &counters);
    table.last("… with a broken line in the metrics", &line);
    table.last("… of a folder that holds no run", &surefoot(["train", "--resume", "nowhere"]).output().unwrap());
}

#[test]
fn docs_reliability_is_in_sync() {
    let mut table =
        Table { tiny: Tiny::new(), text: "| what happens | exit code | what the user sees |\n|---|---|---|\n".into() };
    stops(&mut table);
    disks(&mut table);
    rewards(&mut table);
    numbers(&mut table);
    resumes(&mut table);
    for (what, output) in outputs(&table.tiny) {
        match output.status.success() {
            true => table.row(what, &output, |line| line.contains("sampling from")),
            false => table.row(what, &output, |line| line.starts_with("error:")),
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table.text)).unwrap();
        return;
    }
    for (there, found) in there.lines().zip(table.text.lines()) {
        assert_eq!(there, found, "docs/reliability.md is out of date: run with UPDATE_DOCS=1");
    }
    assert_eq!(there.lines().count(), table.text.lines().count());
}
