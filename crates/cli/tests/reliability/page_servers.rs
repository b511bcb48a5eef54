//! The rows of docs/reliability.md about servers that sample.

use std::process::Output;
use std::time::Duration;

use serde_json::json;

use crate::serving::{Fault, Faults, Serving};
use crate::tiny::{Tiny, demo_model};

/// What a server does, and what became of the run.
pub fn outputs(tiny: &Tiny) -> Vec<(&'static str, Output)> {
    let serving = Serving::start(&demo_model());
    let run = |name: &str, url: &str, more: &[&str]| {
        let url = format!("server.url={url:?}");
        // One request at a time: which of several fails first would be chance.
        let one = "server.concurrency=1";
        let base = [url.as_str(), one, "train.steps=1", "server.retries=2", "server.backoff_seconds=0.01"];
        tiny.train(name, &[&base[..], &["server.timeout_seconds=1"], more].concat()).output().unwrap()
    };
    let faults: [(&str, Faults); 7] = [
        ("A server that samples fails twice", |n| {
            if n < 2 { Fault::Status("500 Internal Server Error") } else { Fault::None }
        }),
        ("… stalls", |_| Fault::Stall(Duration::from_secs(9))),
        ("… ends the connection in the middle of every answer", |_| Fault::Cut),
        ("… says that it is busy", |_| Fault::Status("429 Too Many Requests")),
        ("… answers with garbage", |_| Fault::Garbage),
        ("… gives fewer log-probabilities than tokens", |_| {
            Fault::Change(|answer| {
                let choice = json!({"text": "46", "finish_reason": "stop", "token_ids": [7, 9, 2]});
                answer["choices"][0] = choice;
                answer["choices"][0]["logprobs"] = json!({"token_logprobs": [-0.5, -1.5]});
            })
        }),
        ("… has another tokenizer", |_| Fault::Change(|answer| answer["usage"]["prompt_tokens"] = json!(9))),
    ];
    let mut outputs: Vec<(&str, Output)> = Vec::new();
    for (number, (what, fault)) in faults.into_iter().enumerate() {
        outputs.push((what, run(&format!("server-{number}"), &serving.behind(fault), &[])));
    }
    outputs.push(("… has no such way to get new weights", run("reload", &serving.url, &["server.reload=vllm"])));
    outputs.push(("… is not there", run("nobody", "http://127.0.0.1:9", &[])));
    outputs
}
