//! Runs whose samples come from a server (`server.url`): what is exact, what is repeated, and what a user sees when it is
//! not answered as it should.

use std::time::Duration;

use serde_json::{Value, json};
use surefoot_trainer::run_folder::rollouts;

use crate::serving::{Change, Fault, Faults, Serving};
use crate::tiny::{Finished, Tiny, demo_model, done, ended, names};
use crate::weights::copy_model;

/// A run on the server at `url`, impatient.
pub fn sets(url: &str, more: &[&str]) -> Vec<String> {
    let base = [
        format!("server.url={url:?}"),
        "server.reload=surefoot".to_string(),
        "server.backoff_seconds=0.01".to_string(),
        "server.concurrency=3".to_string(),
    ];
    base.into_iter().chain(more.iter().map(|set| (*set).to_string())).collect()
}

pub fn finish(tiny: &Tiny, name: &str, url: &str, more: &[&str]) -> Finished {
    let sets = sets(url, more);
    tiny.finish(name, &sets.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Exit code 2 and what is said.
pub fn fails(tiny: &Tiny, name: &str, url: &str, more: &[&str]) -> String {
    let sets = sets(url, more);
    let (code, stderr) =
        ended(&tiny.train(name, &sets.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap());
    assert_eq!(code, Some(2), "{stderr}");
    stderr
}

#[track_caller]
pub fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
}

fn metric(run: &Finished, name: &str) -> Vec<f64> {
    run.metrics().iter().map(|record| record[name].as_f64().unwrap()).collect()
}

/// Metrics and weights; the configuration in a run's files names the port.
pub fn assert_same(run: &Finished, other: &Finished) {
    assert_eq!(run.metrics(), other.metrics());
    assert!(run.file("checkpoint/model.safetensors") == other.file("checkpoint/model.safetensors"));
}

#[test]
fn a_server_with_the_same_weights_gives_the_same_log_probabilities() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let run = finish(&tiny, "served", &serving.url, &[]);
    assert_eq!(metric(&run, "update/behavior_gap_max"), [0.0; 8]);
    assert_eq!(metric(&run, "rollout/staleness_max"), [0.0; 8]);
    assert_eq!(metric(&run, "rollout/retokenized"), [0.0; 8]);
    assert!(metric(&run, "rollout/entropy").iter().all(|entropy| *entropy > 0.0));
    assert!(metric(&run, "update/grad_norm").iter().any(|norm| *norm > 0.0));
    // Two versions stay, whole ones.
    assert_eq!(names(&tiny.path("served").join("served")), ["step-6", "step-7"]);
    // Again, on a server with other weights and other requests behind it.
    assert_same(&finish(&tiny, "again", &serving.url, &["server.concurrency=40"]), &run);
    // Interrupted, and with samples ahead.
    finish(&tiny, "half", &serving.url, &["train.steps=3"]);
    done(&tiny.go_on("half").args(["--set", "train.steps=8"]).output().unwrap());
    assert_same(&Finished::read(&tiny.path("half")), &run);
}

#[test]
fn new_weights_come_when_they_are_due() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let run = finish(&tiny, "third", &serving.url, &["server.reload_every=3"]);
    assert_eq!(metric(&run, "rollout/staleness_max"), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0, 1.0]);
    for (step, gap) in metric(&run, "update/behavior_gap_max").into_iter().enumerate() {
        assert_eq!(gap == 0.0, step % 3 == 0, "step {}: {gap}", step + 1);
    }
    // Stopped where the server's weights are not those of the checkpoint.
    finish(&tiny, "half", &serving.url, &["server.reload_every=3", "train.steps=5"]);
    done(&tiny.go_on("half").args(["--set", "train.steps=8"]).output().unwrap());
    assert_same(&Finished::read(&tiny.path("half")), &run);
    let ahead = finish(&tiny, "ahead", &serving.url, &["rollout.staleness=1"]);
    assert_eq!(metric(&ahead, "rollout/staleness_max"), [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    finish(&tiny, "half-ahead", &serving.url, &["rollout.staleness=1", "train.steps=5"]);
    done(&tiny.go_on("half-ahead").args(["--set", "train.steps=8"]).output().unwrap());
    assert_same(&Finished::read(&tiny.path("half-ahead")), &ahead);
}

#[test]
fn a_server_that_keeps_its_weights_grows_stale() {
    let tiny = Tiny::new();
    let serving = Serving::start(&demo_model());
    let run = finish(&tiny, "kept", &serving.url, &["server.reload=none", "correction.rollout_is=token"]);
    assert_eq!(metric(&run, "rollout/staleness_max"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let gaps = metric(&run, "update/behavior_gap_max");
    assert!(gaps[0] == 0.0 && gaps[1..].iter().all(|gap| *gap > 0.0), "{gaps:?}");
    let bypass = finish(&tiny, "bypass", &serving.url, &["server.reload=none", "correction.mode=bypass"]);
    assert!(bypass.file("checkpoint/model.safetensors") != run.file("checkpoint/model.safetensors"));
}

#[test]
fn what_passes_is_repeated_and_changes_no_bit() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let reference = finish(&tiny, "reference", &serving.url, &[]);
    let faults: [(&str, Faults); 5] = [
        ("stalls", |n| if n.is_multiple_of(23) { Fault::Stall(Duration::from_secs(3)) } else { Fault::None }),
        ("cuts", |n| if n.is_multiple_of(3) { Fault::Cut } else { Fault::None }),
        ("errors", |n| if n.is_multiple_of(3) { Fault::Status("500 Internal Server Error") } else { Fault::None }),
        ("busy", |n| if n.is_multiple_of(3) { Fault::Status("429 Too Many Requests") } else { Fault::None }),
        ("garbage", |n| if n.is_multiple_of(3) { Fault::Garbage } else { Fault::None }),
    ];
    for (name, fault) in faults {
        let url = serving.behind(fault);
        let run = finish(&tiny, name, &url, &["server.timeout_seconds=1", "server.retries=40"]);
        assert_same(&run, &reference);
        let text = std::fs::read_to_string(tiny.path(name).join("metrics.jsonl")).unwrap();
        let retries =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["rollout/retries"].as_f64().unwrap());
        assert!(retries.sum::<f64>() >= 3.0, "{name}");
    }
}

#[test]
fn what_lasts_ends_the_run_with_what_to_do() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let lasting: [(&str, Faults, &[&str]); 4] = [
        ("stall", |_| Fault::Stall(Duration::from_secs(5)), &["timeout"]),
        ("cut", |_| Fault::Cut, &[]),
        ("error", |_| Fault::Status("503 Service Unavailable"), &["HTTP status 503", "the model is busy"]),
        ("garbage", |_| Fault::Garbage, &["no JSON", "<html>bad gateway</html>"]),
    ];
    for (name, fault, parts) in lasting {
        let url = serving.behind(fault);
        let message = fails(&tiny, name, &url, &["server.retries=2", "server.timeout_seconds=0.5"]);
        let address = format!("{url}/v1/completions");
        says(&message, &[&[address.as_str(), "3 times in a row", "--resume"], parts].concat());
    }
    // The run goes on when the server is well again.
    done(&tiny.go_on("cut").args(["--set", &format!("server.url={:?}", serving.url)]).output().unwrap());
    let message = fails(&tiny, "nobody", "http://127.0.0.1:9", &["server.retries=1"]);
    says(&message, &["http://127.0.0.1:9/v1/models", "2 times in a row", "refused", "server.retries"]);
    assert!(!tiny.path("nobody").exists(), "a run that cannot start leaves no folder");
}

#[test]
fn answers_that_do_not_fit_end_the_run_at_once() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let wrong: [(&str, Change, &[&str]); 7] = [
        (
            "short",
            |a| drop(a["choices"][0]["logprobs"]["token_logprobs"].as_array_mut().unwrap().pop()),
            &["log-probabilities for", "tokens"],
        ),
        (
            "prompt",
            |a| a["usage"]["prompt_tokens"] = json!(3000),
            &["usage.prompt_tokens = 3000", "the tokenizer of model.path"],
        ),
        ("foreign", |a| a["choices"][0]["token_ids"][0] = json!(4_000_000), &["token ids below", "4000000"]),
        (
            "positive",
            |a| a["choices"][0]["logprobs"]["token_logprobs"][0] = json!(0.7),
            &["log-probabilities, not 0.7"],
        ),
        (
            "infinite",
            |a| a["choices"][0]["logprobs"]["token_logprobs"][0] = json!(-1e300),
            &["finite log-probabilities", "-inf"],
        ),
        (
            "without",
            |a| a["choices"][0]["logprobs"] = Value::Null,
            &["log-probabilities of the tokens", "--logits_all"],
        ),
        ("aborted", |a| a["choices"][0]["finish_reason"] = json!("abort"), &["finish_reason", "abort"]),
    ];
    for (name, change, parts) in wrong {
        let url = serving.behind(move |_| Fault::Change(change));
        let message = fails(&tiny, name, &url, &[]);
        says(&message, &[&["/v1/completions"], parts].concat());
    }
    // A server without /reload, and one that says that it failed.
    let message = fails(&tiny, "vllm", &serving.url, &["server.reload=vllm"]);
    says(&message, &["/collective_rpc", "HTTP status 404", "server.reload"]);
    let custom =
        ["server.reload=custom", "server.reload_path=/reload", "server.reload_body={\"path\": \"/nowhere/{path}\"}"];
    says(&fails(&tiny, "custom", &serving.url, &custom), &["/reload", "HTTP status 400", "/nowhere/"]);
}

/// What llama-cpp-python gives: texts, no ids, and nothing of the end token.
fn texts_alone(answer: &mut Value) {
    let choice = &mut answer["choices"][0];
    choice["token_ids"] = Value::Null;
    if choice["finish_reason"] == json!("stop") {
        for list in ["tokens", "token_logprobs"] {
            choice["logprobs"][list].as_array_mut().unwrap().pop();
        }
    }
}

#[test]
fn tokens_are_found_where_a_server_gives_texts_alone() {
    let (tiny, serving) = (Tiny::new(), Serving::start(&demo_model()));
    let with_ids = finish(&tiny, "ids", &serving.url, &[]);
    let url = serving.behind(|_| Fault::Change(texts_alone));
    let texts = finish(&tiny, "texts", &url, &["server.prompt=text"]);
    assert_eq!(metric(&texts, "rollout/retokenized"), [1.0; 8]);
    assert_eq!(metric(&texts, "rollout/unaligned"), [0.0; 8]);
    assert_eq!(metric(&texts, "update/behavior_gap_max"), [0.0; 8]);
    assert!(texts.file("checkpoint/model.safetensors") == with_ids.file("checkpoint/model.safetensors"));
    let file = "rollouts/step-000008.parquet";
    let tokens = |name: &str| {
        let samples = rollouts::read(&tiny.path(name).join(file)).unwrap();
        samples.into_iter().map(|sample| sample.tokens).collect::<Vec<_>>()
    };
    assert_eq!(tokens("texts"), tokens("ids"));
    // Log-probabilities of pieces that are no tokens are not used.
    let url = serving.behind(|_| {
        Fault::Change(|answer| {
            texts_alone(answer);
            answer["choices"][0]["logprobs"]["tokens"] = json!(["??"]);
            answer["choices"][0]["logprobs"]["token_logprobs"] = json!([-1.0]);
        })
    });
    let unaligned = finish(&tiny, "unaligned", &url, &["train.steps=2"]);
    assert!(metric(&unaligned, "rollout/unaligned").iter().all(|share| *share > 0.5));
    says(&fails(&tiny, "bypass", &url, &["correction.mode=bypass"]), &["every token", "decoupled"]);
}

#[test]
fn the_server_says_what_it_cannot_do() {
    let serving = Serving::start(&demo_model());
    let (status, models) = serving.ask("GET", "/v1/models", "");
    assert_eq!((status, models["data"][0]["id"].as_str()), (200, Some("demo")));
    assert_eq!(serving.ask("GET", "/v1/models/demo", "").1, models["data"][0]);
    assert_eq!(serving.ask("GET", "/v1/models/other", "").0, 404);
    // Without what no two answers have in common.
    let completion = |body: &str| {
        let (status, mut answer) = serving.ask("POST", "/v1/completions", body);
        if status == 200 {
            let own = [answer["id"].take(), answer["created"].take()];
            assert!(own[0].as_str().unwrap().starts_with("cmpl-") && own[1].as_u64().unwrap() > 1_700_000_000);
        }
        (status, answer)
    };
    for (body, part) in [
        ("{", "no JSON"),
        ("{}", "`prompt` must be a text or a list of token ids"),
        (r#"{"prompt": [99999999]}"#, "token ids below"),
        (
            r#"{"prompt": ["1+1=", 7]}"#,
            "`prompt` must be a text or a list of token ids, or a list of such prompts, found 7",
        ),
        (r#"{"prompt": [[1, 99999999], [3]]}"#, "token ids below"),
        (r#"{"prompt": [[1, 2], []]}"#, "at least one token"),
        (r#"{"prompt": ["1+1=", "2+2="], "n": 65536}"#, "at most 65536 completions"),
        (r#"{"prompt": "12+34=", "stream": true}"#, "`stream` must be false"),
        (r#"{"prompt": "12+34=", "temperature": -1}"#, "`temperature` must be"),
        (r#"{"prompt": "12+34=", "max_tokens": 100000000}"#, "positions"),
        (r#"{"prompt": "", "max_tokens": 3}"#, "at least one token"),
        (r#"{"prompt": "12+34=", "min_p": 1.5}"#, "`min_p` must be a number from 0 to 0.999999, found 1.5"),
        (r#"{"prompt": "12+34=", "logit_bias": {"5": 100}}"#, "`logit_bias` must be {}"),
        (r#"{"prompt": "12+34=", "presence_penalty": 1.5}"#, "`presence_penalty` must be 0"),
        (r#"{"prompt": "12+34=", "frequency_penalty": 2}"#, "`frequency_penalty` must be 0"),
        (r#"{"prompt": "12+34=", "repetition_penalty": 1.1}"#, "`repetition_penalty` must be 1"),
        (r#"{"prompt": "12+34=", "repeat_penalty": 0}"#, "`repeat_penalty` must be 1"),
        (r#"{"prompt": "12+34=", "seed": -2}"#, "`seed` must be"),
        (r#"{"prompt": "12+34=", "seed": 18446744073709551615}"#, "`seed` must be"),
    ] {
        let (status, answer) = completion(body);
        says(answer["error"]["message"].as_str().unwrap(), &[part]);
        assert_eq!(status, 400, "{body}");
    }
    assert_eq!(serving.ask("GET", "/", "").0, 404);
    let asked = r#"{"prompt": "12+34=", "n": 3, "seed": 5, "max_tokens": 4, "logprobs": 1, "return_token_ids": true}"#;
    let (status, first) = completion(asked);
    assert_eq!((status, first["choices"].as_array().unwrap().len()), (200, 3));
    assert_eq!(completion(asked).1, first);
    // Completion i has the seed `seed + i`.
    let second = completion(&asked.replace("\"n\": 3, \"seed\": 5", "\"seed\": 6")).1;
    assert_eq!(second["choices"][0]["token_ids"], first["choices"][1]["token_ids"]);
    assert_eq!(second["choices"][0]["logprobs"], first["choices"][1]["logprobs"]);
    // The completions of a list of prompts are numbered through.
    let pair = asked.replace("\"12+34=\"", "[\"12+34=\", \"7+8=\"]").replace("\"n\": 3", "\"n\": 2");
    let (status, both) = completion(&pair);
    assert_eq!((status, both["choices"].as_array().unwrap().len()), (200, 4));
    let last = completion(&asked.replace("12+34=", "7+8=").replace("\"n\": 3, \"seed\": 5", "\"n\": 2, \"seed\": 7")).1;
    for (index, alone) in [(0, &first["choices"][0]), (1, &first["choices"][1]), (2, &last["choices"][0])] {
        assert_eq!(both["choices"][index]["token_ids"], alone["token_ids"], "{index}");
        assert_eq!(both["choices"][index]["logprobs"], alone["logprobs"], "{index}");
    }
    assert_eq!(both["choices"][3]["index"], 3);
    assert_eq!(completion(r#"{"prompt": [[5, 6], [7]], "max_tokens": 2}"#).0, 200);
    // Nothing but the most probable token is so near to it.
    let greedy = |rule: &str| completion(&asked.replace("\"n\": 3", rule)).1["choices"][0]["token_ids"].clone();
    assert_eq!(greedy("\"min_p\": 0.999, \"temperature\": 3"), greedy("\"temperature\": 0"));
    // What changes nothing is taken, as a whole number or not.
    let neutral =
        r#""min_p": 0.0, "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "repetition_penalty": 1.0"#;
    assert_eq!(completion(&asked.replace("\"n\": 3", &format!("\"n\": 3, {neutral}"))).1, first);
    let (status, answer) = serving.ask("POST", "/reload", r#"{"path": "/nowhere"}"#);
    assert_eq!(status, 400);
    says(answer["error"]["message"].as_str().unwrap(), &["/nowhere"]);
    assert_eq!(completion(asked).1, first, "a reload that failed leaves the weights");
}

#[test]
fn what_is_no_request_is_answered_too() {
    let serving = Serving::start(&demo_model());
    let health = "GET /health HTTP/1.1\r\n";
    let bytes = [health.as_bytes(), b"x-name: caf\xe9\r\n\r\n"].concat();
    assert!(serving.ask_raw(&bytes).starts_with("HTTP/1.1 200"), "a header that is not UTF-8");
    for (headers, status, part) in [
        ("content-length: abc\r\n\r\n".to_string(), 400, "is no number of bytes"),
        ("content-length: 2\r\ncontent-length: 3\r\n\r\n{}}".to_string(), 400, "two lengths"),
        ("content-length: 99999999999\r\n\r\n".to_string(), 413, "at most 67108864"),
        (format!("x: {}\r\n", "y".repeat(200_000)), 400, "more than 64 KiB"),
    ] {
        let answer = serving.ask_raw(format!("{health}{headers}").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(part), "{answer}");
    }
}

/// Clients that sample a group by as many requests want others each time.
#[test]
fn a_request_without_a_seed_gets_another_one_each_time() {
    let serving = Serving::start(&demo_model());
    let hot = r#"{"prompt": "12+34=", "temperature": 5, "max_tokens": 20}"#;
    let ask = |body: &str| {
        let (status, answer) = serving.ask("POST", "/v1/completions", body);
        assert_eq!(status, 200, "{answer}");
        answer["choices"][0]["text"].as_str().unwrap().to_string()
    };
    let absent = [ask(hot), ask(hot), ask(hot)];
    assert!(absent[0] != absent[1] && absent[1] != absent[2], "{absent:?}");
    let drawn = hot.replace("\"max_tokens\"", "\"seed\": -1, \"max_tokens\"");
    assert_ne!(ask(&drawn), ask(&drawn));
    let fixed = hot.replace("\"max_tokens\"", "\"seed\": 0, \"max_tokens\"");
    assert_eq!(ask(&fixed), ask(&fixed));
}

/// A client that gives up, and whoever comes behind it.
#[test]
fn a_request_whose_client_has_gone_is_not_worked_on() {
    let serving = Serving::start(&demo_model());
    let long = r#"{"prompt": "12+34=", "n": 60000, "temperature": 1000, "max_tokens": 200}"#;
    for _ in 0..2 {
        let left = serving.send("POST", "/v1/completions", long);
        std::thread::sleep(Duration::from_millis(300));
        drop(left);
    }
    let asked = std::time::Instant::now();
    let (status, _) = serving.ask("POST", "/v1/completions", r#"{"prompt": "12+34=", "max_tokens": 2}"#);
    assert_eq!(status, 200);
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
}

#[test]
fn a_conversation_goes_through_the_models_template() {
    let tiny = Tiny::new();
    let model = tiny.path("chat");
    copy_model(&model);
    std::fs::write(model.join("chat_template.jinja"), "{% for m in messages %}{{ m.content }}{% endfor %}").unwrap();
    let serving = Serving::start(&model);
    let chat = |body: &str| serving.ask("POST", "/v1/chat/completions", body);
    let asked = r#"{"messages": [{"role": "system", "content": "1"}, {"role": "user", "content": "2+34="}], "seed": 5,
        "n": 2, "max_tokens": 4, "logprobs": true, "return_token_ids": true}"#;
    let (status, answer) = chat(asked);
    assert_eq!((status, answer["object"].as_str()), (200, Some("chat.completion")), "{answer}");
    let choice = &answer["choices"][1];
    assert_eq!(choice["message"]["role"], "assistant");
    assert!(["stop", "length"].contains(&choice["finish_reason"].as_str().unwrap()));
    let content = choice["logprobs"]["content"].as_array().unwrap();
    assert_eq!(content.len(), choice["token_ids"].as_array().unwrap().len());
    assert!(content.iter().all(|token| token["logprob"].as_f64().unwrap() <= 0.0 && token["token"].is_string()));
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() >= 6);
    // The other names of things.
    let parts = asked.replace(r#""2+34=""#, r#"[{"type": "text", "text": "2+"}, {"type": "text", "text": "34="}]"#);
    let other = chat(&parts.replace("max_tokens", "max_completion_tokens")).1;
    assert_eq!(other["choices"], answer["choices"]);
    // All that there is room for, where nothing is said.
    assert_eq!(chat(r#"{"messages": [{"role": "user", "content": "12+34="}]}"#).0, 200);
    for (body, part) in [
        (r#"{"messages": "hello"}"#, "`messages` must be a list"),
        (r#"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#, "texts alone"),
        (r#"{"messages": [{"role": "user", "content": "1"}], "stream": true}"#, "`stream` must be false"),
        (r#"{"messages": [{"role": "user", "content": "1"}], "tools": [{}]}"#, "`tools` is not supported"),
        (r#"{"messages": [{"role": "user", "content": "1"}], "top_logprobs": 3}"#, "`top_logprobs` is not supported"),
    ] {
        let (status, answer) = chat(body);
        says(answer["error"]["message"].as_str().unwrap(), &[part]);
        assert_eq!(status, 400, "{body}");
    }
    let plain = Serving::start(&demo_model());
    let (status, answer) = plain.ask("POST", "/v1/chat/completions", asked);
    says(answer["error"]["message"].as_str().unwrap(), &["no chat template", "/v1/completions"]);
    assert_eq!(status, 400);
}
