//! Whether this GPU's products are what the kernels are written for: a row has the same bits in every tile of a family. It is looked at
//! when a GPU is opened, on one product, because neither the PTX ISA nor an emulation promises it.
use super::linear::{COMMON, HOPPER, Kernel};
use super::machine::Number;
use super::{Cuda, Forward};
use crate::random::Stream;

/// A product with tiles that are not full in any direction, whose rows meet every part of the largest tile, and with more slices of 64 inputs
/// than any kernel holds at once.
const ROWS: usize = 200;
const OUTPUTS: usize = 170;
const INPUTS: usize = 1160;
/// Greatest distance of two families, relative: sums of so many products in f32.
const FAMILIES_DISTANCE: f64 = 1e-4;

/// What the product came to, by each tile of a family.
type Results = Vec<Vec<f32>>;

/// What was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The fastest way whose rows have the same bits in every tile.
    pub forward: Forward,
    /// What a user should know.
    pub note: Option<&'static str>,
}

/// Judges the results of both families; that of Hopper is empty on other GPUs.
fn judge(common: &Results, hopper: &Results) -> Found {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let agree = |results: &Results| results.windows(2).all(|pair| bits(&pair[0]) == bits(&pair[1]));
    let near = |a: &[f32], b: &[f32]| {
        let square = |v: f64| v * v;
        let off: f64 = a.iter().zip(b).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
        let size: f64 = b.iter().map(|&b| square(f64::from(b))).sum();
        // Not `>`: what is not a number is not near.
        off.sqrt() <= FAMILIES_DISTANCE * size.sqrt()
    };
    let note =
        (!agree(common)).then_some("its products depend on the batch: sampler and trainer differ in the last bits");
    match (hopper.first(), common.first()) {
        (Some(first), Some(plain)) if agree(hopper) && near(first, plain) => {
            Found { forward: Forward::Hopper, note: None }
        }
        (Some(_), _) => Found {
            forward: Forward::Agreeing,
            note: note.or(Some("its kernels for Hopper failed their check and are not used")),
        },
        _ => Found { forward: Forward::Agreeing, note },
    }
}

impl Cuda {
    /// The fastest way to compute forward products whose rows have the same bits in every batch.
    pub(super) fn check(&self) -> Found {
        let stream = |number| Stream { seed: 1, sequence: number };
        let draw = |number: u64, count: u32| (0..count).map(|i| stream(number).uniform(i) - 0.5).collect::<Vec<f32>>();
        let x = self.rounded(&draw(0, (ROWS * INPUTS) as u32));
        let w = self.rounded(&draw(1, (OUTPUTS * INPUTS) as u32));
        let room = self.shared.machine.shared();
        let results = |kernels: &[Kernel]| -> Results {
            let launched = kernels.iter().filter(|kernel| kernel.shared <= room).map(|kernel| {
                let y = self.buffer(Number::F32, ROWS * OUTPUTS);
                let operands = [self.halves(&x, x.len), self.halves(&w, w.len), 0, y.memory.address()];
                self.launch_linear(kernel, Number::F32, operands, [ROWS, OUTPUTS, INPUTS]);
                self.download_floats(y.memory.address(), ROWS * OUTPUTS)
            });
            launched.collect()
        };
        let common = results(COMMON);
        judge(&common, &if self.has_hopper_kernels() { results(HOPPER) } else { Results::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::tests::machines;

    #[test]
    fn kernels_for_hopper_are_taken_where_they_are_right() {
        for cuda in machines() {
            let forward = if cuda.has_hopper_kernels() { Forward::Hopper } else { Forward::Agreeing };
            assert_eq!(cuda.check(), Found { forward, note: None }, "{}", cuda.describe());
            cuda.first_error().unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn what_is_wrong_is_not_taken() {
        let results = |tiles: &[[f32; 3]]| tiles.iter().map(|tile| tile.to_vec()).collect::<Results>();
        let right = results(&[[1.0, 2.0, -3.0]; 4]);
        let judged = |common: &Results, hopper: &[[f32; 3]]| {
            let found = judge(common, &results(hopper));
            (found.forward, found.note.is_some())
        };
        assert_eq!(judged(&right, &[]), (Forward::Agreeing, false));
        assert_eq!(judged(&right, &[[1.0, 2.0, -3.00001]; 2]), (Forward::Hopper, false));
        // The two tiles differ in one bit; they are elsewhere; they are no numbers.
        assert_eq!(judged(&right, &[[1.0, 2.0, -3.0], [1.0, 2.0000002, -3.0]]), (Forward::Agreeing, true));
        assert_eq!(judged(&right, &[[1.0, 2.0, 3.0]; 2]), (Forward::Agreeing, true));
        assert_eq!(judged(&right, &[[f32::NAN; 3]; 2]), (Forward::Agreeing, true));
        let differing = results(&[[1.0, 2.0, -3.0], [1.0, 2.0, -3.0000002]]);
        assert_eq!(judged(&differing, &[]), (Forward::Agreeing, true));
        // Where only Hopper's agree, they are the way.
        assert_eq!(judged(&differing, &[[1.0, 2.0, -3.0]; 2]), (Forward::Hopper, false));
    }
}
