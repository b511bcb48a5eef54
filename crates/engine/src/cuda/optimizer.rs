//! AdamW and the norm of the gradient.
use super::Cuda;
use super::buffer::{Buffer, Half, Memory};
use crate::device::Step;
use half::bf16;
use std::borrow::Cow;
use std::ops::Range;

/// Elements of one block of `square_sum`.
const SUM_BLOCK: usize = 32_768;

/// First and second moments of every parameter, as f32 or bfloat16.
pub struct Moments {
    first: Memory,
    second: Memory,
    half: bool,
    len: usize,
}

impl Cuda {
    pub(super) fn make_moments(&self, len: usize, half: bool) -> Moments {
        let part = || {
            let memory = self.allocate(len * if half { 2 } else { 4 });
            self.zero(memory.address(), memory.bytes());
            memory
        };
        Moments { first: part(), second: part(), half, len }
    }

    pub(super) fn do_read_moments(&self, moments: &Moments) -> (Cow<'static, [f32]>, Cow<'static, [f32]>) {
        let read = |memory: &Memory| match moments.half {
            true => widened(&self.download_bytes(memory.address(), memory.bytes())),
            false => self.download_floats(memory.address(), moments.len),
        };
        (Cow::Owned(read(&moments.first)), Cow::Owned(read(&moments.second)))
    }

    pub(super) fn do_write_moments(&self, moments: &mut Moments, (first, second): (Vec<f32>, Vec<f32>)) {
        if first.len() != moments.len || second.len() != moments.len {
            return self.wrong("the optimizer", "moments of another length".to_string());
        }
        for (memory, values) in [(&moments.first, first), (&moments.second, second)] {
            if moments.half {
                self.upload_halves(memory.address(), &values);
            } else {
                self.upload_floats(memory.address(), &values);
            }
        }
    }

    pub(super) fn do_adamw(
        &self,
        step: Step,
        decayed: &[Range<usize>],
        weights: &mut Buffer,
        grads: &Buffer,
        moments: &mut Moments,
    ) {
        let (b1, b2, n) = (f64::from(step.betas.0), f64::from(step.betas.1), step.update as f64);
        let rate = (f64::from(step.learning_rate) / (1.0 - b1.powf(n))) as f32;
        let root = (1.0 / (1.0 - b2.powf(n)).sqrt()) as f32;
        let decay = (f64::from(step.learning_rate) * f64::from(step.weight_decay)) as f32;
        let ranges: Vec<u64> = decayed.iter().flat_map(|r| [r.start as u64, r.end as u64]).collect();
        let len = weights.len;
        let values = self.floats_mut(weights);
        let room = 2 * len;
        let half = weights.half_mut().get_or_insert_with(|| Half { memory: self.allocate(room), fresh: 0 });
        half.fresh = len;
        let parameters = [
            values.into(),
            self.floats(grads).into(),
            moments.first.address().into(),
            moments.second.address().into(),
            half.memory.address().into(),
            self.table(&ranges).into(),
            decayed.len().into(),
            len.into(),
            step.betas.0.into(),
            step.betas.1.into(),
            step.eps.into(),
            step.gradient_scale.into(),
            rate.into(),
            root.into(),
            decay.into(),
        ];
        let kernel = if moments.half { "adamw_bf16" } else { "adamw_float" };
        self.launch(kernel, [len.div_ceil(1024), 1, 1], 256, 0, &parameters);
    }

    pub(super) fn do_norm_of(&self, buffer: &Buffer) -> f64 {
        let blocks = buffer.len.div_ceil(SUM_BLOCK);
        let room = self.room(8 * (blocks + 1));
        let partial = room + 8;
        self.launch(
            "square_sum",
            [blocks, 1, 1],
            256,
            0,
            &[self.floats(buffer).into(), buffer.len.into(), partial.into()],
        );
        self.launch("fold_sum", [1, 1, 1], 256, 0, &[partial.into(), blocks.into(), room.into()]);
        let bytes = self.download_bytes(room, 8);
        bytes.first_chunk::<8>().map_or(f64::NAN, |&bytes| f64::from_le_bytes(bytes)).sqrt()
    }
}

/// The f32 values of bfloat16 ones.
pub(super) fn widened(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<2>().0.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()).collect()
}
