//! Every row of `cases/*.tsv`: gold, answer, expected verdict, where the gold answer comes from ("own" if from nowhere).
#![allow(clippy::unwrap_used)]

use std::path::Path;

use surefoot_verifier::{Options, verify};

#[test]
fn every_row_gets_its_verdict() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let (mut rows, mut failures) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut kinds = std::collections::BTreeSet::new();
        for line in text.lines().skip(1) {
            let [gold, answer, expected, _source] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{}: four columns expected: {line}", file.display());
            };
            let report = verify(gold, answer, &Options::default());
            rows += 1;
            kinds.insert(expected.to_owned());
            if report.verdict.name() != expected {
                failures.push(format!("{}: {gold} | {answer} | {expected}\n{report}\n", file.display()));
            }
        }
        assert!(kinds.len() >= 2, "{}: a class needs answers that are right and answers that are not", file.display());
    }
    assert!(rows >= 600, "only {rows} rows");
    assert!(failures.is_empty(), "{} of {rows} rows differ:\n{}", failures.len(), failures.join("\n"));
}
