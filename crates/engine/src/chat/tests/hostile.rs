//! Templates that are made to harm: each an error or some text, none the end of the process or of its memory.

use super::*;

fn refused(source: &str) -> String {
    let error = rendered(source).unwrap_err().to_string();
    assert!(error.starts_with("t.jinja: chat template"), "{error}");
    error
}

/// The parser calls itself for these as often as they are repeated; whatever it says, it comes back.
#[test]
fn expressions_as_deep_as_a_template_is_long() {
    let longest = 1 << 17;
    for (begin, repeated, end) in [
        ("{{ ", "not ", "1 }}"),
        ("{{ ", "-", "1 }}"),
        ("{{ 1", "+1", " }}"),
        ("{{ 1", "~1", " }}"),
        ("{{ a", ".a", " }}"),
        ("{{ a", "[1]", " }}"),
        ("{{ a", "()", " }}"),
        ("{{ 1", "|int", " }}"),
        ("{{ 1", " if 1", " }}"),
        ("{{ ", "1 if 1 else ", "1 }}"),
        ("{% if 1 %}", "{% elif 1 %}", "{% endif %}"),
        ("{% macro m() %}{{ a", " if b", " }}{% endmacro %}"),
    ] {
        let count = (longest - begin.len() - end.len()) / repeated.len();
        template(&format!("{begin}{}{end}", repeated.repeat(count))).unwrap();
    }
    for repeated in ["{{ (", "{{ [", "{% if 1 %}"] {
        let error = template(&repeated.repeat(1000)).unwrap_err();
        assert!(matches!(error, ChatError::Syntax { .. }), "{error}");
    }
    assert_eq!(rendered("{{ not not not 1 }}{{ --1 }}").unwrap(), "False1");
    let long = refused(&" ".repeat(longest + 1));
    assert!(long.contains("131073 bytes, the most are 131072"), "{long}");
}

#[test]
fn loops_that_do_not_end() {
    let loops = refused("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}");
    assert!(loops.contains("more than 5000000 instructions"), "{loops}");
    let call = "{% for i in range(9) %}{{ m(n + 1) if n < 9 }}{% endfor %}";
    let calls = refused(&format!("{{% macro m(n) %}}{call}{{% endmacro %}}{{{{ m(0) }}}}"));
    assert!(calls.contains("more than 5000000 instructions"), "{calls}");
    let depth = refused("{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}");
    assert!(depth.contains("recursion limit"), "{depth}");
}

#[test]
fn texts_without_an_end() {
    let error = refused("{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}");
    assert!(error.contains("longer than 10") && error.contains("correct the template"), "{error}");
    let indent = refused("{{ messages|tojson(indent=100000000) }}");
    assert!(indent.contains("indent is 100000000, the most is 64"), "{indent}");
    assert!(rendered("{{ messages|tojson(indent=4) }}").unwrap().contains("\n        \"role\": \"user\""));
}

/// Values in values, as deep as the instructions allow: freed, printed and compared level by level.
#[test]
fn values_as_deep_as_a_loop_is_long() {
    let inner = "{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}";
    let deep = format!("{{% set ns = namespace(x=[]) %}}{{% for i in range(6) %}}{inner}{{% endfor %}}");
    let depth = 6 * 99999 + 1;
    assert_eq!(rendered(&deep).unwrap(), "");
    assert_eq!(rendered(&format!("{deep}{{{{ ns.x|string|length }}}}")).unwrap(), (2 * depth).to_string());
    assert_eq!(rendered(&format!("{deep}{{{{ (ns.x|tojson)|length }}}}")).unwrap(), (2 * depth).to_string());
    let two = "{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}";
    let two = format!("{{% for i in range(3) %}}{{% for i in range(99999) %}}{two}{{% endfor %}}{{% endfor %}}");
    let two = format!("{{% set ns = namespace(x=[], y=[]) %}}{two}{{{{ ns.x == ns.y }}}}");
    assert_eq!(rendered(&two).unwrap(), "True");
}

/// The bounds are far from what conversations come to.
#[test]
fn long_conversations_are_rendered() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/chat/chat.json");
    let golden: Value = serde_json::from_str(&fs::read_to_string(golden).unwrap()).unwrap();
    let pair = [Message::new("user", "What is 2 + 2?"), Message::new("assistant", "4")];
    let messages = pair.iter().cycle().take(10_000).cloned().collect::<Vec<_>>();
    for (name, source) in golden["templates"].as_object().unwrap() {
        let special = golden["special"].as_object().unwrap().clone();
        let template = ChatTemplate::new(source.as_str().unwrap().into(), special, "t.jinja".into()).unwrap();
        let text = template.render(&messages, Ending::GenerationPrompt).unwrap();
        assert!(text.len() > 50_000, "{name}");
    }
}
