//! The kernels' source text, compiled at run time; what they are and how they are launched stands in `kernels/README.md`.

/// One module each: file name and text.
pub const UNITS: &[(&str, &str)] = &[
    ("adamw.cu", include_str!("kernels/adamw.cu")),
    ("attention_backward.cu", include_str!("kernels/attention_backward.cu")),
    ("attention_forward.cu", include_str!("kernels/attention_forward.cu")),
    ("convert.cu", include_str!("kernels/convert.cu")),
    ("decode_attention.cu", include_str!("kernels/decode_attention.cu")),
    ("embed.cu", include_str!("kernels/embed.cu")),
    ("head.cu", include_str!("kernels/head.cu")),
    ("linear.cu", include_str!("kernels/linear.cu")),
    ("norm.cu", include_str!("kernels/norm.cu")),
    ("qk_norm.cu", include_str!("kernels/qk_norm.cu")),
    ("rope.cu", include_str!("kernels/rope.cu")),
    ("sample.cu", include_str!("kernels/sample.cu")),
    ("square_sum.cu", include_str!("kernels/square_sum.cu")),
    ("swiglu.cu", include_str!("kernels/swiglu.cu")),
];

/// Modules for sm_90a alone (`wgmma`).
pub const HOPPER_UNITS: &[(&str, &str)] = &[("linear_hopper.cu", include_str!("kernels/linear_hopper.cu"))];

/// What the modules include, by the name that they include it by.
pub const HEADERS: &[(&str, &str)] = &[
    ("attention.cuh", include_str!("kernels/attention.cuh")),
    ("device.cuh", include_str!("kernels/device.cuh")),
    ("four.cuh", include_str!("kernels/four.cuh")),
    ("math.cuh", include_str!("kernels/math.cuh")),
    ("product.cuh", include_str!("kernels/product.cuh")),
    ("statistics.cuh", include_str!("kernels/statistics.cuh")),
    ("tile.cuh", include_str!("kernels/tile.cuh")),
    ("wgmma.cuh", include_str!("kernels/wgmma.cuh")),
];

/// Options of every compilation beside the architecture. Nothing is contracted to a fused multiply-add but what the source says, so that
/// the kernels that must agree to the bit do.
pub const OPTIONS: &[&str] = &["--std=c++17", "--fmad=false"];

/// Names of a module's kernels: its entry points.
pub fn kernels(text: &str) -> Vec<String> {
    let instance = |line: &str| {
        let (head, rest) = line.split_once('(')?;
        let first = rest.split(',').next()?.trim().to_owned();
        match head {
            "LINEAR" | "HOPPER" | "FORWARD" | "DECODE" => Some(vec![first]),
            "BACKWARD" => {
                Some(vec![format!("attention_backward_query_{first}"), format!("attention_backward_keys_{first}")])
            }
            "KERNEL" => {
                let name = rest.split_once(')')?.1.split('(').next()?.trim().to_owned();
                Some(vec![name])
            }
            _ => None,
        }
    };
    text.lines().filter_map(instance).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("kernels/README.md");
    const EMULATION: &str = include_str!("kernels/emulation/kernels.cpp");

    #[test]
    fn every_kernel_is_documented_and_emulated() {
        let names: Vec<String> = UNITS.iter().chain(HOPPER_UNITS).flat_map(|(_, text)| kernels(text)).collect();
        assert_eq!(names.len(), EMULATION.matches("ENTRY(").count() - 1, "all of {names:?}");
        for name in names {
            assert!(EMULATION.contains(&format!("ENTRY({name})")), "{name} is not in the emulation");
            // `name_64`, `_128` in one row of the table.
            let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
            assert!(README.contains(&format!("`{name}`")) || README.contains(&format!("`{stem}64`")), "{name}: no row");
        }
    }

    #[test]
    fn every_header_that_is_included_is_there() {
        let texts = UNITS.iter().chain(HOPPER_UNITS).chain(HEADERS).flat_map(|(_, text)| text.lines());
        for name in texts.filter_map(|l| l.strip_prefix("#include \"")?.strip_suffix('"')) {
            let known = HEADERS.iter().any(|(header, _)| *header == name);
            assert!(known || name == "emulation/machine.h", "{name} is not among the headers");
        }
    }
}
