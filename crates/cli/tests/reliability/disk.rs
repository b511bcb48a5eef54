//! A disk that is full. Where nobody gives the tests a small one, a limit on the size of a file stands for it: the system's error
//! comes in the middle of the largest file.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
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

/// Nobody but the binary ignores the signal that comes with the system's error.
#[test]
fn a_limit_on_files_is_no_signal() {
    let tiny = Tiny::new();
    tiny.finish("run", &["train.steps=2"]);
    let run = tiny.path("run");
    let script = "ulimit -f 8192; exec \"$0\" train --resume \"$1\" --set train.steps=8";
    let limited = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_surefoot")]).arg(&run).output().unwrap();
    let (code, stderr) = ended(&limited);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("cannot write: File too large"), "{stderr}");
    assert!(names(&run.join("checkpoints")).iter().all(|name| name.starts_with("step-")));
}

/// Leaves so many bytes of the disk with `folder`.
fn fill(folder: &Path, left: u64) -> std::path::PathBuf {
    let path = folder.join("filler");
    let mut file = File::create(&path).unwrap();
    for block in [1 << 16, 1 << 8] {
        while file.write_all(&vec![1; block]).is_ok() {}
    }
    let size = file.metadata().unwrap().len();
    file.set_len(size.saturating_sub(left)).unwrap();
    path
}

/// On a file system of 24 MiB, which holds two checkpoints of a run and not three, as made by
/// `mount -t tmpfs -o size=24m tmpfs FOLDER`: `SUREFOOT_SMALL_DISK=FOLDER cargo test -p surefoot --test reliability really_full`.
#[test]
fn a_really_full_disk_loses_nothing() {
    let Some(disk) = std::env::var_os("SUREFOOT_SMALL_DISK") else {
        println!("skipped: SUREFOOT_SMALL_DISK names no small file system");
        return;
    };
    let (tiny, disk) = (Tiny::new(), Path::new(&disk));
    let (run, keep) = (disk.join("run"), ["checkpoint.keep=1"]);
    let reference = tiny.finish("reference", &keep);
    for left in [0, 4 << 10, 32 << 10, 1 << 20, 5 << 20, 9 << 20, 12 << 20, 18 << 20] {
        if run.exists() {
            fs::remove_dir_all(&run).unwrap();
        }
        let filler = fill(disk, left);
        let (code, stderr) = ended(&tiny.train(run.to_str().unwrap(), &keep).output().unwrap());
        let error = stderr.lines().last().unwrap();
        assert!(code == Some(2) && error.contains("No space left on device"), "{left} bytes left: {code:?} {error}");
        println!("{left:9} bytes left: {error}");
        fs::remove_file(filler).unwrap();
        done(&tiny.go_on_with(run.to_str().unwrap(), &keep).output().unwrap());
        Finished::read(&run).assert_equals(&reference);
    }
}
