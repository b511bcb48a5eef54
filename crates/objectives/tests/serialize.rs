//! The optional `serde` forms: `cargo test -p surefoot-objectives --features serde`.
#![cfg(feature = "serde")]

use surefoot_objectives::{Advantages, Objective, TokenBatch, Value};

#[test]
fn options_come_from_a_table_and_statistics_go_to_one() {
    let table: std::collections::BTreeMap<String, Value> =
        serde_json::from_str(r#"{"bound": 1, "shape_positive": 2.5, "anchor": "unit"}"#).unwrap();
    let mut objective = Objective::named("mhpo").unwrap();
    for (key, value) in table {
        objective.set(&key, value).unwrap();
    }
    let settings = objective.settings();
    let value = |key: &str| settings.iter().find(|setting| setting.key == key).map(|setting| setting.value.clone());
    assert_eq!(value("bound"), Some(Value::Number(1.0)));
    assert_eq!(value("anchor"), Some(Value::Text("unit".to_owned())));
    assert_eq!(serde_json::to_string(&value("shape_positive")).unwrap(), "2.5");
    assert_eq!(serde_json::from_str::<Value>("true").unwrap(), Value::Text("true".to_owned()));
    assert!(serde_json::from_str::<Value>("[1]").is_err());

    let batch = TokenBatch::new(&[-1.0], &[-1.0], Advantages::PerSequence(&[1.0]), &[0, 1], &[0]).unwrap();
    let denominators = objective.denominators(&[0, 1], None, &[0]).unwrap();
    let stats = objective.evaluate(&batch, &denominators).unwrap().stats;
    let json = serde_json::to_value(&stats).unwrap();
    assert_eq!(json["ratio/mean"], 1.0);
    assert_eq!(json.as_object().map(|map| map.len()), Some(stats.metrics().len()));
}
