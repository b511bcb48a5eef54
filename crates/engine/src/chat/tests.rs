mod hostile;

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::*;

fn template(source: &str) -> Result<ChatTemplate, ChatError> {
    ChatTemplate::new(source.to_owned(), Map::new(), "t.jinja".into())
}

fn rendered(source: &str) -> Result<String, ChatError> {
    template(source)?.render(&[Message::new("user", "hi")], Ending::LastMessage)
}

/// Strings that transformers rendered from the same templates.
#[test]
fn renders_as_transformers_does() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/chat/chat.json");
    let golden: Value = serde_json::from_str(&fs::read_to_string(golden).unwrap()).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let name = case["template"].as_str().unwrap();
        let source = golden["templates"][name].as_str().unwrap();
        let special = golden["special"].as_object().unwrap().clone();
        let template = ChatTemplate::new(source.into(), special, "t.jinja".into()).unwrap();
        let conversation = &golden["conversations"][case["conversation"].as_str().unwrap()];
        let messages: Vec<Message> = serde_json::from_value(conversation.clone()).unwrap();
        let ending = if case["prompt"] == true { Ending::GenerationPrompt } else { Ending::LastMessage };
        let found = template.render_with(&messages, ending, case["variables"].as_object().unwrap());
        let place = format!("{name}, {}, {ending:?}", case["conversation"]);
        match case.get("error") {
            None => assert_eq!(found.unwrap(), case["text"].as_str().unwrap(), "{place}"),
            Some(error) => {
                let found = found.unwrap_err();
                assert!(matches!(found, ChatError::Render { .. }), "{place}");
                assert!(found.to_string().contains(error.as_str().unwrap()), "{place}: {found}");
            }
        }
    }
}

#[test]
fn finds_the_template_where_transformers_does() {
    let folder = tempfile::tempdir().unwrap();
    let load = || ChatTemplate::load(folder.path());
    let text = |template: Option<ChatTemplate>| template.unwrap().render(&[], Ending::LastMessage).unwrap();
    assert!(load().unwrap().is_none());
    let config = folder.path().join("tokenizer_config.json");
    let write = |template: Value| {
        let tokens = json!({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": template});
        fs::write(&config, tokens.to_string()).unwrap();
    };
    write(Value::Null);
    assert!(load().unwrap().is_none());
    write(json!("{{ bos_token }}1{{ eos_token }}"));
    assert_eq!(text(load().unwrap()), "<s>1</s>");
    write(json!([{"name": "tool_use", "template": "3"}, {"name": "default", "template": "2"}]));
    assert_eq!(text(load().unwrap()), "2");
    write(json!([{"name": "tool_use", "template": "3"}]));
    assert!(matches!(load(), Err(ChatError::Syntax { .. })));
    write(json!(7));
    assert!(matches!(load(), Err(ChatError::Syntax { .. })));
    fs::write(folder.path().join("chat_template.jinja"), "file {{ bos_token }}").unwrap();
    assert_eq!(text(load().unwrap()), "file <s>");
    fs::write(&config, "{").unwrap();
    assert!(matches!(load(), Err(ChatError::File(_))));
}

#[test]
fn errors_name_the_file_and_the_line() {
    let syntax = template("a\n{% if %}").unwrap_err().to_string();
    assert!(syntax.starts_with("t.jinja: chat template: ") && syntax.contains("line 2"), "{syntax}");
    let render = rendered("a\n\n{{ raise_exception('no ' ~ messages[0].role) }}").unwrap_err();
    assert!(matches!(render, ChatError::Render { .. }));
    assert!(render.to_string().contains("no user (line 3 of the template)"), "{render}");
    assert!(rendered("{% for i in range(1000000000) %}{% endfor %}").is_err());
}

#[test]
fn the_date_is_todays() {
    let found = rendered("{{ strftime_now('%d %b %Y|%Y-%m-%d') }}").unwrap();
    let now = jiff::Zoned::now();
    // Midnight may fall between the two.
    let days = [now.clone(), now.yesterday().unwrap()].map(|day| day.strftime("%d %b %Y|%Y-%m-%d").to_string());
    assert!(days.contains(&found), "{found}");
    assert!(rendered("{{ strftime_now('%Ü') }}").is_err());
}

#[test]
fn the_date_can_be_another_one() {
    let mut clock = template("{{ strftime_now('%d %b %Y') }} {{ strftime_now('%H:%M') }}").unwrap();
    assert!(clock.reads_clock() && !template("{{ messages[0].content }}").unwrap().reads_clock());
    let text = |clock: &ChatTemplate| clock.render(&[Message::new("user", "")], Ending::GenerationPrompt).unwrap();
    clock.set_clock("2024-02-29").unwrap();
    assert_eq!(text(&clock), "29 Feb 2024 00:00");
    clock.set_clock("2024-12-31T23:59:58").unwrap();
    assert_eq!(text(&clock), "31 Dec 2024 23:59");
    clock.set_clock(&local_time()).unwrap();
    for wrong in ["", "2024-02-30", "yesterday"] {
        assert!(clock.set_clock(wrong).is_err() && check_time(wrong).is_err(), "{wrong}");
    }
}
