//! Data files as they are published, and broken ones.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use surefoot_trainer::config::choice::{Duplicates, Incomplete, RewardName};
use surefoot_trainer::config::{Data, Reward};
use surefoot_trainer::data::{DataError, Dataset, Message, Order, Problem, Wanted};

fn load(text: &str, wanted: Wanted<'_>) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, text).unwrap();
    Dataset::load(&Data { train: vec![path.to_string_lossy().into_owned()], ..Data::default() }, wanted)
}

fn one(text: &str) -> (String, String) {
    let dataset = load(text, Wanted::Answer).unwrap();
    match &dataset.rows[0].problem {
        Problem::Text(text) => (text.clone(), dataset.rows[0].answer.clone()),
        Problem::Chat(messages) => {
            let parts: Vec<String> =
                messages.iter().map(|message| format!("{}: {}", message.role, message.content)).collect();
            (parts.join(" | "), dataset.rows[0].answer.clone())
        }
    }
}

fn refused(text: &str) -> String {
    let message = load(text, Wanted::Answer).expect_err("must be refused").to_string();
    message[message.find("rows.jsonl").expect("the file is named")..].to_string()
}

#[test]
fn every_published_shape_is_read() {
    for (row, problem, answer) in [
        (r#"{"problem": "p", "answer": "7"}"#, "p", "7"),
        (r#"{"prompt": "p", "answer": 7.50}"#, "p", "7.5"),
        // GSM8K as published
        (r#"{"question": "q", "answer": "48/2 = <<48/2=24>>24\n#### 1,072"}"#, "q", "1,072"),
        // MATH as published
        (
            r#"{"problem": "p", "level": "Level 5", "type": "Algebra", "solution": "so $\\boxed{\\frac{1}{2}}$"}"#,
            "p",
            "\\frac{1}{2}",
        ),
        // DAPO-Math-17k as published, and processed
        (
            r#"{"data_source": "math_dapo", "prompt": [{"content": "Solve", "role": "user"}], "ability": "MATH", "reward_model": {"ground_truth": "34", "style": "rule-lighteval/MATH_v2"}, "extra_info": {"index": "9a9b"}}"#,
            "user: Solve",
            "34",
        ),
        (r#"{"prompt": "p", "solution": "34", "data_source": "math_dapo"}"#, "p", "34"),
        (r#"{"question": "q", "final_answer": ["1", "2"]}"#, "q", "1, 2"),
        (r#"{"problem": "p", "answer": null, "solution": "\\boxed{3}"}"#, "p", "3"),
    ] {
        assert_eq!(one(row), (problem.to_string(), answer.to_string()), "{row}");
    }
}

#[test]
fn named_columns_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, "{\"task\": \"t\", \"gold\": \"\\\\boxed{5}\", \"answer\": \"no\"}\n").unwrap();
    let data = Data {
        train: vec![path.to_string_lossy().into_owned()],
        problem_key: Some("task".into()),
        answer_key: Some("gold".into()),
        ..Data::default()
    };
    let dataset = Dataset::load(&data, Wanted::Answer).unwrap();
    assert_eq!((dataset.rows[0].problem.clone(), dataset.rows[0].answer.as_str()), (Problem::Text("t".into()), "5"));
}

#[test]
fn texts_to_learn_are_found() {
    let target = |row: &str, key| load(row, Wanted::Target(key)).unwrap().rows[0].answer.clone();
    assert_eq!(target(r#"{"problem": "p", "solution": "long way", "answer": "7"}"#, None), "long way");
    assert_eq!(target(r#"{"problem": "p", "solution": "long way", "answer": "7"}"#, Some("answer")), "7");
    assert_eq!(target(r#"{"prompt": "p", "completion": "c"}"#, None), "c");
    let chat = r#"{"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}"#;
    assert_eq!(target(chat, None), "a");
    assert!(load(r#"{"messages": [{"role": "user", "content": "u"}]}"#, Wanted::Target(None)).is_err());
}

/// What `surefoot sft` asks the model, and what it learns of it.
fn learned(row: &str) -> Vec<(Problem, String)> {
    let dataset = load(row, Wanted::Target(None)).unwrap();
    dataset.rows.into_iter().map(|row| (row.problem, row.answer)).collect()
}

fn chat(messages: &[(&str, &str)]) -> Problem {
    let message = |(role, content): &(&str, &str)| Message { role: (*role).into(), content: (*content).into() };
    Problem::Chat(messages.iter().map(message).collect())
}

#[test]
fn conversational_pairs_teach_the_turns_of_the_assistant() {
    let pair =
        r#"{"prompt": [{"role": "user", "content": "u"}], "completion": [{"role": "assistant", "content": "a"}]}"#;
    assert_eq!(learned(pair), [(chat(&[("user", "u")]), "a".into())]);
    let turns = r#"{"prompt": [{"role": "user", "content": "u"}], "completion": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "v"}, {"role": "assistant", "content": "b"}]}"#;
    let second = chat(&[("user", "u"), ("assistant", "a"), ("user", "v")]);
    assert_eq!(learned(turns), [(chat(&[("user", "u")]), "a".into()), (second, "b".into())]);
    let text = r#"{"prompt": "p", "completion": [{"role": "assistant", "content": "a"}]}"#;
    assert_eq!(learned(text), [(Problem::Text("p".into()), "a".into())]);
    for (row, message) in [
        (
            r#"{"prompt": [{"role": "user", "content": "u"}], "completion": [{"role": "user", "content": "v"}]}"#,
            "`completion` must be a text, or messages of which the last is the assistant's, found messages that end with another",
        ),
        (
            r#"{"prompt": "p", "completion": [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
            "`completion` must be a text or one message where the problem is a text, found several messages",
        ),
        (
            r#"{"prompt": "p", "completion": [{"role": "assistant"}]}"#,
            "found a list with an object without a text `content`",
        ),
        (
            r#"{"prompt": "p", "completion": [["a"]]}"#,
            "`completion` must be a text or a number, found a list with a list",
        ),
        (r#"{"prompt": [], "completion": "c"}"#, "`prompt` must be a text or a list of messages, found an empty list"),
    ] {
        let found = load(row, Wanted::Target(None)).unwrap_err().to_string();
        assert!(found.ends_with(message), "{found}");
    }
}

#[test]
fn an_array_is_not_json_lines() {
    let one = "[{\"problem\": \"p\", \"answer\": \"1\"}]\n";
    for text in [one.to_string(), one.replace(",", ",\n"), format!("\n  {one}").replace('{', "\n{")] {
        let found = refused(&text);
        assert!(found.contains(": expected JSON Lines (one object a line), found an array"), "{found}");
    }
}

#[test]
fn broken_files_name_the_line() {
    let good = "{\"problem\": \"p\", \"answer\": \"1\"}\n";
    assert_eq!(
        refused(&format!("{good}\n{{\"problem\": \"p\",\n")),
        "rows.jsonl:3: not JSON: EOF while parsing a value at column 16"
    );
    assert!(refused(&format!("{good}[1]\n")).starts_with("rows.jsonl:2: expected an object such as"));
    assert_eq!(
        refused(&format!("{good}{{\"problem\": \"p\", \"label\": \"1\"}}\n")),
        "rows.jsonl:2: no answer: expected `answer`, `final_answer`, `expected_answer`, `ground_truth`, \
         `reward_model.ground_truth` or `solution`, found the keys `problem`, `label` (data.incomplete = \"drop\" leaves such rows out)"
    );
    assert!(
        refused("{\"text\": \"p\", \"answer\": \"1\"}")
            .contains("no problem: expected `problem`, `prompt`, `question`, found the keys `text`, `answer`")
    );
    assert!(
        refused("{\"problem\": 3, \"answer\": \"1\"}")
            .contains("`problem` must be a text or a list of messages, found a number")
    );
    assert!(
        refused("{\"problem\": \"p\", \"answer\": {}}")
            .contains("`answer` must be a text or a number, found an object")
    );
    assert!(
        refused("{\"problem\": \"p\", \"answer\": [1, {}]}")
            .contains("`answer` must be a text or a number, found a list with an object")
    );
    assert!(
        refused("{\"problem\": [\"p\"], \"answer\": 1}")
            .contains("each with a `role` and a text `content`, found a list with a text")
    );
    let long = "a long way ".repeat(10);
    assert!(
        refused(&format!("{{\"problem\": \"p\", \"solution\": \"{long}\"}}"))
            .contains("`solution` has neither \\boxed")
    );
    assert_eq!(refused("\n\n"), "rows.jsonl holds no row");
    assert!(refused("\u{1f}\u{8b}gz").contains("not JSON"));
    let missing = Data { train: vec!["/nowhere/rows.jsonl".into()], ..Data::default() };
    let message = Dataset::load(&missing, Wanted::Answer).unwrap_err().to_string();
    assert!(message.starts_with("cannot read /nowhere/rows.jsonl: No such file"), "{message}");
}

#[test]
fn a_byte_order_mark_and_windows_lines_do_no_harm() {
    let text = "\u{feff}{\"problem\": \"p\", \"answer\": \"1\"}\r\n{\"problem\": \"q\", \"answer\": \"2\"}\r\n";
    assert_eq!(load(text, Wanted::Answer).unwrap().rows.len(), 2);
}

#[test]
fn duplicates_are_left_out_and_counted() {
    let row = "{\"problem\": \"p\", \"answer\": \"1\"}\n";
    let dataset = load(&format!("{row}{row}{{\"problem\": \"p\", \"answer\": \"2\"}}\n{row}"), Wanted::Answer).unwrap();
    assert_eq!((dataset.rows.len(), dataset.duplicates), (2, 2));
}

#[test]
fn duplicates_are_kept_where_they_are_wanted() {
    let row = "{\"problem\": \"p\", \"answer\": \"1\"}\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, format!("{row}{row}{row}")).unwrap();
    let mut data = Data { train: vec![path.to_string_lossy().into_owned()], ..Data::default() };
    let dropped = Dataset::load(&data, Wanted::Answer).unwrap();
    data.duplicates = Duplicates::Keep;
    let kept = Dataset::load(&data, Wanted::Answer).unwrap();
    assert_eq!((dropped.rows.len(), kept.rows.len(), kept.duplicates), (1, 3, 0));
    assert_ne!(dropped.fingerprint(), kept.fingerprint(), "a run on the one is not resumed on the other");
    assert_eq!(dropped.notes(), ["2 rows left out: equal to an earlier one (data.duplicates = \"keep\" keeps them)"]);
    assert!(kept.notes().is_empty());
}

/// What `reward.name` asks of rows.
fn asked(names: &[RewardName], columns: &[&str]) -> Reward {
    Reward { name: names.to_vec(), columns: columns.iter().map(ToString::to_string).collect(), ..Reward::default() }
}

#[test]
fn only_a_reward_that_reads_answers_needs_them() {
    let rows =
        "{\"problem\": \"p\"}\n{\"problem\": \"q\", \"answer\": {\"a\": 1}}\n{\"problem\": \"r\", \"answer\": 3}\n";
    use RewardName::{Command, Exact, Format, Math, Overlong};
    for free in [&[Command][..], &[Format], &[Overlong, Command]] {
        let dataset = load(rows, Wanted::of(&asked(free, &[]), &Data::default())).unwrap();
        assert_eq!(dataset.rows.iter().map(|row| row.answer.as_str()).collect::<Vec<_>>(), ["", "", "3"], "{free:?}");
        assert_eq!(dataset.incomplete, 0);
    }
    for bound in [&[Math][..], &[Command, Exact]] {
        let message = load(rows, Wanted::of(&asked(bound, &[]), &Data::default())).unwrap_err().to_string();
        assert!(message.contains("rows.jsonl:1: no answer: expected `answer`"), "{message}");
    }
    // A name that is given is meant: a row without it must not pass.
    let data = Data { answer_key: Some("gold".into()), ..Data::default() };
    let program = asked(&[Command], &[]);
    assert_eq!(Wanted::of(&program, &data), Wanted::Columns { answer: true, named: &[] });
}

#[test]
fn a_reward_program_gets_the_columns_of_its_rows() {
    let rows = "{\"prompt\": \"p\", \"answer\": \"1\", \"extra_info\": {\"index\": 7}, \"tests\": [1, null]}\n{\"prompt\": \"p\", \"answer\": \"1\", \"extra_info\": null}\n";
    let columns = |wanted| {
        let dataset = load(rows, wanted).unwrap();
        dataset.rows.into_iter().map(|row| row.columns.map(String::from)).collect::<Vec<_>>()
    };
    let lines: Vec<_> = rows.lines().map(|line| Some(line.replace(": ", ":").replace(", ", ","))).collect();
    let program = asked(&[RewardName::Command], &[]);
    assert_eq!(columns(Wanted::of(&program, &Data::default())), lines);
    let named = asked(&[RewardName::Command], &["extra_info"]);
    let wanted = Wanted::of(&named, &Data::default());
    assert_eq!(
        columns(wanted),
        [r#"{"extra_info":{"index":7}}"#, r#"{"extra_info":null}"#].map(|text| Some(text.into()))
    );
    assert_eq!(columns(Wanted::Answer), [None], "nobody asks, and the rows are alike");
    let print = |wanted| load(rows, wanted).unwrap().fingerprint();
    assert_ne!(print(wanted), print(Wanted::Answer));
    let missing = asked(&[RewardName::Command], &["extra_info", "tests"]);
    let message = load(rows, Wanted::of(&missing, &Data::default())).unwrap_err().to_string();
    assert!(
        message.contains("rows.jsonl:2: reward.columns names `tests`, and the row has only the keys `prompt`, `answer`, `extra_info` (null)"),
        "{message}"
    );
}

#[test]
fn columns_of_parquet_are_passed_on() {
    let read = |names: &[&str]| {
        let reward = asked(&[RewardName::Command], names);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/dapo.parquet");
        let data = Data { train: vec![path.to_string_lossy().into_owned()], ..Data::default() };
        let dataset = Dataset::load(&data, Wanted::of(&reward, &data)).map_err(|error| error.to_string())?;
        Ok::<_, String>(dataset.rows[1].columns.clone().unwrap())
    };
    let all: serde_json::Value = serde_json::from_str(&read(&[]).unwrap()).unwrap();
    let keys: Vec<&String> = all.as_object().unwrap().keys().collect();
    assert!(
        ["prompt", "data_source", "reward_model", "extra_info"].iter().all(|key| keys.contains(&&key.to_string())),
        "{keys:?}"
    );
    assert_eq!(all["reward_model"]["ground_truth"], "4");
    let one: serde_json::Value = serde_json::from_str(&read(&["data_source"]).unwrap()).unwrap();
    assert_eq!(one, serde_json::json!({"data_source": all["data_source"]}));
    assert!(read(&["extra"]).unwrap_err().contains("dapo.parquet row 1: reward.columns names `extra`"));
}

#[test]
fn the_fingerprint_sees_every_change() {
    let print = |text: &str| load(text, Wanted::Answer).unwrap().fingerprint();
    let base = print("{\"problem\": \"ab\", \"answer\": \"c\"}");
    assert_eq!(base, print("{\"prompt\": \"ab\", \"answer\": \"c\"}"));
    assert_ne!(base, print("{\"problem\": \"a\", \"answer\": \"bc\"}"));
    assert_ne!(base, print("{\"problem\": [{\"role\": \"user\", \"content\": \"ab\"}], \"answer\": \"c\"}"));
}

#[test]
fn rows_without_answer_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let rows = "{\"problem\": \"p\", \"answer\": null}\n{\"problem\": \"q\", \"answer\": \" \"}\n{\"problem\": \"r\", \"answer\": 0}\n";
    std::fs::write(&path, rows).unwrap();
    let train = vec![path.to_string_lossy().into_owned()];
    let mut data = Data { train, incomplete: Incomplete::Drop, ..Data::default() };
    let dataset = Dataset::load(&data, Wanted::Answer).unwrap();
    assert_eq!((dataset.rows.len(), dataset.incomplete), (1, 2));
    data.incomplete = Incomplete::Error;
    let message = Dataset::load(&data, Wanted::Answer).unwrap_err().to_string();
    assert!(message.contains("found the keys `problem`, `answer` (null)"), "{message}");
    std::fs::write(&path, "{\"problem\": \"p\", \"answer\": null}\n").unwrap();
    data.incomplete = Incomplete::Drop;
    let message = Dataset::load(&data, Wanted::Answer).unwrap_err().to_string();
    assert_eq!(message, "no row has an answer (1 were left out by data.incomplete = \"drop\")");
}

#[test]
fn limits_and_tasks_work() {
    let data =
        |train: &str, limit| Data { train: vec![train.into(), "task:gcd,rows=50".into()], limit, ..Data::default() };
    assert_eq!(Dataset::load(&data("task:addition,rows=20", None), Wanted::Answer).unwrap().rows.len(), 70);
    assert_eq!(Dataset::load(&data("task:addition,rows=20", Some(30)), Wanted::Answer).unwrap().rows.len(), 30);
    assert!(
        Dataset::load(&data("task:additon", None), Wanted::Answer)
            .unwrap_err()
            .to_string()
            .contains("did you mean `addition`?")
    );
}

#[test]
fn difficulties_are_numbers_or_texts_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let mut data = Data { train: vec![path.to_string_lossy().into_owned()], ..Data::default() };
    data.difficulty_key = Some("level".into());
    let with = |values: &[&str]| {
        let row = |(number, value): (usize, &&str)| {
            format!("{{\"problem\": \"{number}\", \"answer\": 1, \"level\": {value}}}\n")
        };
        std::fs::write(&path, values.iter().enumerate().map(row).collect::<String>()).unwrap();
        Dataset::load(&data, Wanted::Answer).map_err(|error| error.to_string())
    };
    let marks = with(&["3", "\"Level 2\"", "-1.5", "\"1\""]).unwrap().marks;
    assert_eq!(marks.iter().map(|mark| mark.difficulty).collect::<Vec<_>>(), [3.0, 2.0, -1.5, 1.0]);
    for (value, found) in [("\"hard\"", "\"hard\""), ("null", "null"), ("\"2 of 5\"", "\"2 of 5\""), ("[1]", "[1]")] {
        let message = with(&["1", value]).unwrap_err();
        let wanted = format!(
            "rows.jsonl:2: data.difficulty_key = \"level\": expected a number, or a text with one, found {found}"
        );
        assert!(message.ends_with(&wanted), "{message}");
    }
    data.difficulty_key = Some("hardness".into());
    let message = Dataset::load(&data, Wanted::Answer).unwrap_err().to_string();
    assert!(message.ends_with("found only the keys `problem`, `answer`, `level`"), "{message}");
}

#[test]
fn rows_know_their_files_and_a_file_without_rows_has_no_share() {
    let train = ["task:addition,rows=20,seed=1,digits=2", "task:gcd,rows=9", "task:addition,rows=20,seed=1,digits=2"];
    let mut data = Data { train: train.map(String::from).to_vec(), weights: vec![1.0, 2.0, 1.0], ..Data::default() };
    let mut dataset = Dataset::load(&data, Wanted::Answer).unwrap();
    let count = |dataset: &Dataset, file| dataset.marks.iter().filter(|mark| mark.file == file).count();
    assert_eq!((dataset.rows.len(), dataset.marks.len()), (29, 29));
    assert_eq!((count(&dataset, 0), count(&dataset, 1), count(&dataset, 2)), (20, 9, 0), "the third repeats the first");
    let message = Order::of(&data, &dataset.marks, 1, 1).unwrap_err().to_string();
    assert!(
        message.starts_with("data.weights gives task:addition,rows=20") && message.contains("a duplicate"),
        "{message}"
    );
    data.train.pop();
    data.weights.pop();
    assert!(Order::of(&data, &dataset.marks, 1, 1).is_ok());
    dataset.retain(&(0..29).map(|row| row % 2 == 0).collect::<Vec<_>>());
    assert_eq!((dataset.rows.len(), count(&dataset, 0), count(&dataset, 1)), (15, 10, 5));
}

#[test]
fn the_benchmark_files_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !folder.exists() {
        println!(
            "skipped the benchmark files: {} is absent; the shapes are covered by the other tests",
            folder.display()
        );
        return;
    }
    let mut files = 0;
    for part in ["train", "eval"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let train = vec![path.to_string_lossy().into_owned()];
            let data = Data { train, incomplete: Incomplete::Drop, ..Data::default() };
            let dataset = Dataset::load(&data, Wanted::Answer).unwrap_or_else(|error| panic!("{error}"));
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert_eq!(dataset.rows.len() + dataset.duplicates + dataset.incomplete, lines, "{}", path.display());
            let expected = if path.ends_with("train/math.jsonl") { 4 } else { 0 };
            assert_eq!(dataset.incomplete, expected, "{}: rows with a null answer", path.display());
            files += 1;
        }
    }
    assert!(files > 5);
}

/// `files/make_parquet.py` made the files.
#[test]
fn parquet_is_read_as_it_is_published() {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name);
        Dataset::load(&Data { train: vec![path.to_string_lossy().into_owned()], ..Data::default() }, Wanted::Answer)
            .unwrap()
    };
    let dapo = read("dapo.parquet");
    assert_eq!((dapo.rows.len(), dapo.duplicates), (3, 3));
    let Problem::Chat(messages) = &dapo.rows[1].problem else { panic!("a list of messages is a chat") };
    assert_eq!((messages[0].role.as_str(), messages[0].content.as_str()), ("user", "What is 2 + 2?"));
    assert_eq!(dapo.rows[1].answer, "4");
    let gsm8k = read("gsm8k.parquet");
    assert_eq!(gsm8k.rows.len(), 40);
    assert_eq!(
        (&gsm8k.rows[39].problem, gsm8k.rows[39].answer.as_str()),
        (&Problem::Text("What is 39 times 3?".into()), "117")
    );
}

#[test]
fn broken_parquet_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str| {
        let path = folder.path().join(name).to_string_lossy().into_owned();
        Dataset::load(&Data { train: vec![path], ..Data::default() }, Wanted::Answer).unwrap_err().to_string()
    };
    let whole = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/gsm8k.parquet")).unwrap();
    std::fs::write(folder.path().join("cut.parquet"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(folder.path().join("text.parquet"), "{}").unwrap();
    assert!(load("cut.parquet").contains("cut.parquet: not a readable parquet file"));
    assert!(load("text.parquet").contains("text.parquet: not a readable parquet file"));
    // Broken bytes in the middle give an error or other rows, never a panic.
    let data =
        Data { train: vec![folder.path().join("bent.parquet").to_string_lossy().into_owned()], ..Data::default() };
    for at in (4..whole.len() - 8).step_by(3) {
        let mut bent = whole.clone();
        bent[at] ^= 0x55;
        std::fs::write(folder.path().join("bent.parquet"), bent).unwrap();
        let _either = Dataset::load(&data, Wanted::Answer);
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let data = Data { train: vec![path.to_string_lossy().into_owned()], ..Data::default() };
        Dataset::load(&data, Wanted::Answer).expect_err("must be refused").to_string()
    };
    let wide: Vec<u8> = "\u{feff}{\"problem\": \"p\"}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes, found, hint) in [
        ("wide.jsonl", wide.as_slice(), "it is UTF-16", "iconv"),
        ("rows.jsonl.gz", b"\x1f\x8b\x08\0", "compressed by gzip", "gunzip"),
        ("rows.csv", b"problem,answer\n1+1,2\n", "it is a table", "to_json"),
        ("rows.jsonl", b"PAR1\x15", "a parquet file", "data.format"),
        ("lfs.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
    ] {
        let message = said(name, bytes);
        assert!(message.contains(name) && message.contains(found) && message.contains(hint), "{message}");
    }
    // What only looks broken stays a line that is.
    assert!(said("rows.json", b"{\"problem\": \n").contains("column"));
}
