//! A disk that is full while a checkpoint is written. A limit on the size of a file stands for it: the system's error comes
//! in the middle of the largest file.

use std::process::Command;

use crate::tiny::{Finished, Tiny, done, ended, latest, names};

#[test]
fn a_full_disk_leaves_the_last_checkpoint_and_says_so() {
    let tiny = Tiny::new();
    let reference = tiny.finish("reference", &[]);
    tiny.finish("run", &["train.steps=2"]);
    let run = tiny.path("run");
    // Files of 4 MiB at most: the model's 3.2 MB fit, the optimizer's 6.4 MB do not. dash counts blocks of 512 bytes, and
    // bash does so when it is called as sh.
    let script = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" train --resume \"$1\" --set train.steps=8";
    let limited = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_surefoot")]).arg(&run).output().unwrap();
    let (code, stderr) = ended(&limited);
    assert_eq!(code, Some(2), "{stderr}");
    let error = stderr.lines().last().unwrap();
    let checkpoints = run.join("checkpoints");
    let wanted = [
        "error: the checkpoint of step 3 could not be written: ".to_string(),
        "optimizer.safetensors: cannot write: File too large".to_string(),
        format!("; {} is whole", checkpoints.join("step-2").display()),
        format!("surefoot train --resume {}", run.display()),
    ];
    wanted.iter().for_each(|part| assert!(error.contains(part), "{part}\n{error}"));
    assert!(latest(&run).unwrap().ends_with("step-2"));
    assert!(names(&checkpoints).iter().all(|name| name.starts_with("step-")), "{:?}", names(&checkpoints));
    done(&tiny.go_on("run").args(["--set", "train.steps=8"]).output().unwrap());
    Finished::read(&run).assert_equals(&reference);
}
