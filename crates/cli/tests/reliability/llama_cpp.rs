//! A run whose samples come from llama.cpp, which shares no line with this project. It needs a Python with
//! `llama-cpp-python[server]`, named by `SUREFOOT_LLAMA_CPP_PYTHON`, and `SUREFOOT_SMOLLM2_GGUF`.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::tiny::{Tiny, done, surefoot};

/// Mean `e^b - 1 - b` of the two engines: they share weights of four bits, and llama.cpp rounds activations to eight. Tokens
/// that were paired wrongly differ by whole nats.
const FAR: f64 = 0.05;

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[test]
fn samples_of_llama_cpp_are_trained_on() {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let (Some(python), Some(gguf)) = (variable("SUREFOOT_LLAMA_CPP_PYTHON"), variable("SUREFOOT_SMOLLM2_GGUF")) else {
        eprintln!("skipped: SUREFOOT_LLAMA_CPP_PYTHON and SUREFOOT_SMOLLM2_GGUF are not both set");
        return;
    };
    let tiny = Tiny::new();
    let model = tiny.path("smollm2");
    done(&surefoot(["model", "import"]).arg(&gguf).arg(&model).output().unwrap());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Command::new(python);
    server.args(["-m", "llama_cpp.server", "--logits_all", "true", "--n_ctx", "128", "--port", &port.to_string()]);
    let server = server.arg("--model").arg(gguf).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = Ends(server.spawn().unwrap());
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(server.0.try_wait().unwrap().is_none(), "the server ended");
        std::thread::sleep(Duration::from_millis(200));
    }
    let sets = [
        format!("model.path={model:?}"),
        format!("server.url=\"http://127.0.0.1:{port}\""),
        "train.steps=2".to_string(),
        "server.prompt=text".to_string(),
        "prompt.max_tokens=64".to_string(),
        "rollout.prompts=2".to_string(),
        "rollout.samples=3".to_string(),
        "rollout.max_new_tokens=8".to_string(),
        "correction.rollout_is=token".to_string(),
    ];
    let run = tiny.finish("llama", &sets.iter().map(String::as_str).collect::<Vec<_>>());
    for record in run.metrics() {
        let value = |name: &str| record[name].as_f64().unwrap();
        assert_eq!((value("rollout/retokenized"), value("rollout/unaligned")), (1.0, 0.0));
        assert!((0.0..FAR).contains(&value("update/behavior_k3")), "{}", value("update/behavior_k3"));
        assert!(value("update/behavior_gap_max") > 0.0 && value("rollout/entropy") > 0.0);
    }
}
