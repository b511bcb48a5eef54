//! The number formats of stored weights.

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};

/// A number format of stored weights; in memory weights are f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an f32.
    BF16,
}

impl Dtype {
    /// Every format.
    pub const ALL: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::BF16];

    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
        }
    }

    /// The name in a safetensors header.
    pub fn safetensors_name(self) -> &'static str {
        match self {
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::BF16 => "BF16",
        }
    }

    /// The name in `config.json`.
    pub fn torch_name(self) -> &'static str {
        match self {
            Dtype::F32 => "float32",
            Dtype::F16 => "float16",
            Dtype::BF16 => "bfloat16",
        }
    }

    /// The format of `config.json`'s name, with or without `torch.` before it.
    pub fn from_torch(name: &str) -> Option<Dtype> {
        let name = name.strip_prefix("torch.").unwrap_or(name);
        Dtype::ALL.into_iter().find(|dtype| dtype.torch_name() == name)
    }

    /// The format of a safetensors header's name.
    pub fn from_safetensors(name: &str) -> Option<Dtype> {
        Dtype::ALL.into_iter().find(|dtype| dtype.safetensors_name() == name)
    }

    /// Little-endian `bytes` → f32. `bytes` holds exactly `out.len()` numbers; any alignment.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        debug_assert_eq!(bytes.len(), out.len() * self.size());
        match self {
            Dtype::F32 => {
                let (numbers, _) = bytes.as_chunks::<4>();
                for (value, number) in out.iter_mut().zip(numbers) {
                    *value = f32::from_le_bytes(*number);
                }
            }
            Dtype::F16 => {
                decode_halves(bytes, out, |bits, out| bits.reinterpret_cast::<f16>().convert_to_f32_slice(out))
            }
            Dtype::BF16 => {
                decode_halves(bytes, out, |bits, out| bits.reinterpret_cast::<bf16>().convert_to_f32_slice(out))
            }
        }
    }

    /// f32 → little-endian bytes, rounded to nearest even, appended to `bytes`.
    pub(crate) fn encode(self, values: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Dtype::F32 => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Dtype::F16 => bytes.extend(values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes())),
            Dtype::BF16 => bytes.extend(values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes())),
        }
    }
}

/// Through a small aligned buffer: the bytes of a memory map may begin anywhere, and half's slice conversion uses the
/// processor's instructions where there are any.
fn decode_halves(bytes: &[u8], out: &mut [f32], convert: impl Fn(&[u16], &mut [f32])) {
    const BLOCK: usize = 512;
    let mut bits = [0u16; BLOCK];
    let (numbers, _) = bytes.as_chunks::<2>();
    for (out, numbers) in out.chunks_mut(BLOCK).zip(numbers.chunks(BLOCK)) {
        for (bits, number) in bits.iter_mut().zip(numbers) {
            *bits = u16::from_le_bytes(*number);
        }
        convert(&bits[..out.len()], out);
    }
}
