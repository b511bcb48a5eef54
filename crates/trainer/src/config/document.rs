//! `docs/config.md`, generated from the tables of [`super::stages`].

use super::{Config, KeyDoc, Purpose, Stage, stages};

const OPENING: &str = "\
# Configuration

<!-- Generated from crates/trainer/src/config/stages.rs by `UPDATE_DOCS=1 cargo test -p surefoot-trainer docs_config`. -->

A run is described by a TOML file, one section a stage. Everything but `model.path` and `data.train` has a default. Any key
can be overridden on the command line with `--set section.key=value`. A key or section that is not listed here is an error that
names file, line and the nearest valid key, and so are a combination that makes no sense and a key that nothing would read beside
the others, before any weight is loaded. The run folder holds the resolved configuration with every default (`config.toml`). Paths are
relative to the current directory, not to the file's folder.

Sources of the defaults: MHPO is arXiv 2603.16929, DGPO is arXiv 2603.14389, CPGD is arXiv 2505.12504; TRL and verl as
released in 2026.
";

/// The whole page.
pub fn page() -> String {
    let (train, sft) = (Config::defaults(Purpose::Train), Config::defaults(Purpose::Sft));
    let mut page = OPENING.to_string();
    for stage in train.stages() {
        section(&mut page, stage);
    }
    page.push_str(&format!(
        "\n# Supervised fine-tuning\n\n`surefoot sft` reads {} from the sections above, with `optimizer.learning_rate = {:?}` \
         (TRL's `SFTConfig`) and `update.mini_batches = 1`, and:\n",
        Purpose::Sft
            .sections()
            .iter()
            .filter(|name| **name != "sft")
            .map(|name| format!("`[{name}]`"))
            .collect::<Vec<_>>()
            .join(" "),
        stages::SFT_LEARNING_RATE
    ));
    section(&mut page, &sft.sft);
    page
}

fn section(page: &mut String, stage: &dyn Stage) {
    page.push_str(&format!(
        "\n## `[{}]`\n\n{}\n\n| key | takes | default | meaning | source of the default |\n|---|---|---|---|---|\n",
        stage.section(),
        stage.about()
    ));
    for KeyDoc { name, expects, default, doc, source } in stage.keys() {
        let default = default.unwrap_or_else(|| "not set".to_string());
        page.push_str(&format!("| `{name}` | {expects} | {default} | {doc} | {source} |\n"));
    }
}
