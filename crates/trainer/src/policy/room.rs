//! Whether a run fits into the machine's memory, before it is started on the CPU.
//!
//! Only what a run takes in any case is counted: values whose number follows from model and configuration. Activations, keys and
//! values depend on the data.
use super::learned::Learning;
use crate::config::{Config, choice::Precision};
use surefoot_engine::config::ModelConfig;
use surefoot_engine::device::{Bytes, DeviceError};

/// Bytes of f32 and of bfloat16.
const EXACT: usize = 4;
const HALF: usize = 2;

/// Memory for one purpose, in bytes.
type Part = (&'static str, usize);

/// What a run of `config` takes.
pub(super) fn training(config: &Config, structure: &ModelConfig) -> Vec<Part> {
    let (weights, elements) = (structure.parameter_count(), Learning::elements(config, structure));
    let moment = if config.optimizer.state == Precision::Bf16 { HALF } else { EXACT };
    let mut parts = sampling(structure);
    if config.lora.rank > 0 {
        parts.push(("adapters", EXACT.saturating_mul(elements)));
    }
    parts.push(("gradient", EXACT.saturating_mul(elements)));
    parts.push(("moments", (2 * moment).saturating_mul(elements)));
    if config.needs_reference() {
        parts.push(("reference", EXACT.saturating_mul(weights)));
    }
    parts
}

/// What a model that only samples takes.
pub(super) fn sampling(structure: &ModelConfig) -> Vec<Part> {
    vec![("weights", EXACT.saturating_mul(structure.parameter_count()))]
}

/// That `parts` fit into the free bytes of all; where the system does not say how many there are, they do.
///
/// # Errors
/// [`DeviceError::OutOfMemory`] with what takes how much, and what would take less.
pub(super) fn check(parts: &[Part], memory: Option<(usize, usize)>) -> Result<(), DeviceError> {
    let wanted = parts.iter().fold(0usize, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let Some((free, total)) = memory.filter(|(free, _)| wanted > *free) else { return Ok(()) };
    let told: Vec<String> = parts.iter().map(|(name, bytes)| format!("{name} {}", Bytes(*bytes))).collect();
    let less = if parts.len() == 1 {
        "take a smaller model"
    } else {
        "take a smaller model, or train adapters (lora.rank), or set optimizer.state = \"bf16\""
    };
    let hint = format!("of that {}; {less}, or end other programs", told.join(", "));
    Err(DeviceError::OutOfMemory { device: "this machine".to_string(), wanted, free, total, hint })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::Purpose;

    /// The demo has 809 thousand parameters: 3.1 MiB of weights, and three times that for gradient and moments.
    #[test]
    fn a_run_that_cannot_fit_is_told_what_takes_how_much() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let structure = ModelConfig::from_folder(&folder).unwrap();
        let mut config = Config::defaults(Purpose::Train);
        let parts = training(&config, &structure);
        let all = 16 * structure.parameter_count();
        assert_eq!(parts.iter().map(|(_, bytes)| bytes).sum::<usize>(), all);
        check(&parts, Some((all, all))).unwrap();
        check(&parts, None).unwrap();
        let said = check(&parts, Some((all - 1, all))).unwrap_err().to_string();
        assert!(said.starts_with("this machine is out of memory: "), "{said}");
        assert!(
            said.contains("of that weights 3.") && said.contains(", gradient 3.") && said.contains(", moments 6."),
            "{said}"
        );
        // Adapters of rank 2 take a hundredth.
        config.lora.rank = 2;
        let low: usize = training(&config, &structure).iter().map(|(_, bytes)| bytes).sum();
        assert!(low < all / 3 && low > 4 * structure.parameter_count(), "{low}");
        config.regularizer.reference_coefficient = 0.1;
        let with: usize = training(&config, &structure).iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(with - low, 4 * structure.parameter_count());
    }
}
