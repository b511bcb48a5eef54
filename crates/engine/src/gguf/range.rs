//! Weights are numbers, in the file and in the format that is written.

use half::{bf16, f16};
use rayon::prelude::*;

use super::GgufError;
use super::architecture::ROPE_FACTORS;
use super::container::Container;
use crate::folder::Dtype;

/// Numbers that are checked at a time, a multiple of every block's.
const PIECE: usize = 1 << 12;

/// Checks every weight, so that nothing is written of a model that could not be run. The file is read once more for it.
pub(super) fn check(container: &Container, dtype: Dtype) -> Result<(), GgufError> {
    // The rotary factors are no weights; they are read into config.json.
    for (name, tensor) in container.tensors.iter().filter(|(name, _)| *name != ROPE_FACTORS) {
        let Ok(format) = tensor.format else { continue };
        let piece = PIECE / format.block_len() * format.block_bytes();
        let wrong = container.bytes(tensor).par_chunks(piece).find_map_first(|bytes| {
            let mut values = [0.0; PIECE];
            let values = &mut values[..bytes.len() / format.block_bytes() * format.block_len()];
            format.dequantize(bytes, values);
            values.iter().copied().find(|value| !is_finite_in(dtype, *value))
        });
        let Some(found) = wrong else { continue };
        let (file, tensor) = (container.metadata.file.clone(), name.clone());
        return Err(match (found.is_finite(), dtype) {
            (false, _) => GgufError::NotFinite { file, tensor, found },
            (true, Dtype::F16) => {
                GgufError::Range { file, tensor, found, dtype: "f16", advice: "--dtype bf16 or --dtype f32" }
            }
            (true, _) => GgufError::Range { file, tensor, found, dtype: "bf16", advice: "--dtype f32" },
        });
    }
    Ok(())
}

fn is_finite_in(dtype: Dtype, value: f32) -> bool {
    match dtype {
        Dtype::F32 => value.is_finite(),
        Dtype::F16 => f16::from_f32(value).is_finite(),
        Dtype::BF16 => bf16::from_f32(value).is_finite(),
    }
}
