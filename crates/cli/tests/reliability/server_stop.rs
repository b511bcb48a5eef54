//! Ctrl-C while a server is waited for, and servers that are started anew.

use std::net::TcpListener;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::server::{assert_same, finish, says, sets};
use crate::serving::{Fault, Serving, Told};
use crate::tiny::{Finished, Tiny, demo_model, done, ended, signal};

/// How long a run may take to leave that a signal was sent to.
const AT_ONCE: Duration = Duration::from_secs(4);

/// Interrupts a run that waits, and says how it left.
fn interrupt(child: Child) -> String {
    let asked = Instant::now();
    signal(&child, "INT");
    let (code, stderr) = ended(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(130), "{stderr}");
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    stderr
}

#[test]
fn a_run_that_waits_for_its_server_to_start_is_stopped() {
    let tiny = Tiny::new();
    // Connections are taken and nothing is answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sets = sets(&format!("http://{}", silent.local_addr().unwrap()), &["server.timeout_seconds=60"]);
    let child = tiny.train("begin", &sets.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap();
    let _asks = silent.accept().unwrap();
    says(&interrupt(child), &["stopped while it waited for http", "/v1/models", "nothing was done"]);
    assert!(!tiny.path("begin").exists());
}

#[test]
fn a_run_that_waits_for_its_server_to_load_weights_is_stopped() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let (told, reloading) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let url = serving.behind_at("POST /reload", move |number| {
        if number < 2 {
            return Fault::None;
        }
        told.lock().unwrap().send(()).unwrap();
        Fault::Stall(Duration::from_secs(30))
    });
    let more = ["server.timeout_seconds=60", "train.steps=4"];
    let sets = sets(&url, &more);
    let child = tiny.train("reload", &sets.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap();
    reloading.recv_timeout(Duration::from_secs(120)).unwrap();
    says(&interrupt(child), &["stopping after a checkpoint", "--resume"]);
    done(&tiny.go_on("reload").args(["--set", &format!("server.url={:?}", serving.url)]).output().unwrap());
    let whole = finish(&tiny, "whole", &serving.url, &["train.steps=4"]);
    assert_eq!(Finished::read(&tiny.path("reload")).metrics(), whole.metrics());
}

#[test]
fn a_server_that_was_started_anew_gets_its_weights_again() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let more = ["server.reload_every=3", "train.steps=6"];
    let reference = finish(&tiny, "reference", &serving.url, &more);
    // In the fifth step of sixteen completions, which samples with the weights of the third; a server that has lost them has the
    // start weights.
    for (name, told) in [("named", Told::Named), ("lost", Told::Lost)] {
        let anew = Serving::start(&demo_model());
        let run = finish(&tiny, name, &serving.replaced_by(&anew, 70, told), &more);
        assert_same(&run, &reference);
    }
}
