//! Products with weight matrices, forward and backward.
use super::buffer::Buffer;
use super::machine::{Address, Number, Parameter, Product, Shape};
use super::{Cuda, Forward};
use crate::layout::Matrix;

/// Rows of `dy` that one block of `column_sums` adds up.
const COLUMN_ROWS: usize = 128;

/// Multiprocessors of an H100 or H200.
const MULTIPROCESSORS: usize = 132;

/// A kernel of `linear.cu` or `linear_hopper.cu`.
pub(super) struct Kernel {
    bf16: &'static str,
    float: &'static str,
    /// Rows of a block.
    height: usize,
    /// Outputs of a block.
    width: usize,
    /// Threads of a block.
    block: usize,
    /// Bytes of shared memory.
    pub shared: usize,
}

/// The tiles of `linear.cu`, all of which give the same bits.
pub(super) const COMMON: &[Kernel] = &[
    Kernel { bf16: "linear_16_bf16", float: "linear_16_float", height: 16, width: 32, block: 64, shared: 49_152 },
    Kernel { bf16: "linear_64_bf16", float: "linear_64_float", height: 64, width: 64, block: 128, shared: 65_536 },
    Kernel { bf16: "linear_128_bf16", float: "linear_128_float", height: 128, width: 128, block: 128, shared: 98_304 },
    Kernel { bf16: "linear_256_bf16", float: "linear_256_float", height: 256, width: 128, block: 256, shared: 147_456 },
];

/// A kernel of `linear_hopper.cu`: rows and outputs of a block, threads, slices that its shared memory holds.
macro_rules! hopper {
    ($height:literal x $width:literal, $block:literal, $slices:literal) => {
        Kernel {
            bf16: concat!("linear_hopper_", $height, "x", $width, "_bf16"),
            float: concat!("linear_hopper_", $height, "x", $width, "_float"),
            height: $height,
            width: $width,
            block: $block,
            shared: $slices * ($height + $width) * 128,
        }
    };
}

/// The tiles of `linear_hopper.cu`, likewise: with these, products of 64, 128 or 256 rows with the outputs of the models of 0.1 to 7 billion
/// parameters are one wave of blocks, or whole ones (the test below).
pub(super) const HOPPER: &[Kernel] = &[
    hopper!(64 x 16, 128, 16),
    hopper!(64 x 32, 128, 16),
    hopper!(64 x 48, 128, 8),
    hopper!(64 x 64, 128, 6),
    hopper!(64 x 112, 128, 5),
    hopper!(128 x 152, 256, 6),
    hopper!(256 x 160, 256, 4),
];

/// The tile with which the busiest multiprocessor reads least, the smaller of two alike: a block reads `height + width` elements for each of
/// the inputs, which takes longer than to multiply them. Only H100, A100 and their kin have the `shared` memory for all of them. It changes
/// no bit.
fn choose(kernels: &'static [Kernel], shared: usize, rows: usize, outputs: usize) -> &'static Kernel {
    let read = |kernel: &&Kernel| {
        let blocks = outputs.div_ceil(kernel.width) * rows.div_ceil(kernel.height);
        blocks.div_ceil(MULTIPROCESSORS) * (kernel.height + kernel.width)
    };
    kernels.iter().filter(|kernel| kernel.shared <= shared).min_by_key(read).unwrap_or(&kernels[0])
}

impl Cuda {
    pub(super) fn do_linear(&self, rows: usize, x: &Buffer, arena: &Buffer, m: &Matrix, y: &mut Buffer) {
        let x = self.halves(x, rows * m.inputs);
        y.changed();
        let (number, to) = (y.number, y.memory.address());
        self.forward_product(rows, x, arena, m, number, to);
    }

    /// `y = x Wᵀ + bias` from and to memory.
    pub(super) fn forward_product(
        &self,
        rows: usize,
        x: Address,
        arena: &Buffer,
        m: &Matrix,
        number: Number,
        y: Address,
    ) {
        let w = self.weight(arena, m.weight.start);
        let bias = m.bias.as_ref().map_or(0, |bias| self.weight(arena, bias.start));
        // cuBLASLt adds a bias in C's number format only, and can choose a kernel that reads it sixteen bytes at a time wherever it lies.
        let addable = bias == 0 || (number == Number::Bf16 && bias.is_multiple_of(16));
        if self.shared.forward == Forward::Library && addable {
            let shape = Shape {
                transpose_a: true,
                transpose_b: false,
                m: m.outputs,
                n: rows,
                k: m.inputs,
                lda: m.inputs,
                ldb: m.inputs,
                ldc: m.outputs,
                out: number,
                accumulate: false,
                bias: bias != 0,
            };
            return self.product(Product { shape, a: w, b: x, c: y, bias });
        }
        let kernels = if self.shared.forward == Forward::Hopper { HOPPER } else { COMMON };
        let chosen = choose(kernels, self.shared.machine.shared(), rows, m.outputs);
        self.launch_linear(chosen, number, [x, w, bias, y], [rows, m.outputs, m.inputs]);
    }

    /// `y = x Wᵀ + bias` by one kernel: addresses of x, W, bias (or 0) and y; rows, outputs and inputs.
    pub(super) fn launch_linear(
        &self,
        Kernel { bf16, float, height, width, block, shared }: &Kernel,
        number: Number,
        operands: [Address; 4],
        sizes: [usize; 3],
    ) {
        let parameters: Vec<Parameter> =
            operands.into_iter().map(Parameter::from).chain(sizes.into_iter().map(Parameter::from)).collect();
        let ([rows, outputs, _], kernel) = (sizes, if number == Number::Bf16 { bf16 } else { float });
        self.launch(kernel, [outputs.div_ceil(*width), rows.div_ceil(*height), 1], *block, *shared, &parameters);
    }

    pub(super) fn do_linear_backward_input(
        &self,
        rows: usize,
        dy: &Buffer,
        arena: &Buffer,
        m: &Matrix,
        dx: &mut Buffer,
    ) {
        let (dy, dx) = (self.halves(dy, rows * m.outputs), self.halves_mut(dx));
        self.input_product(rows, dy, m.outputs, arena, m, dx);
    }

    /// `dx = dy W`; `stride` is from row to row of `dy`.
    pub(super) fn input_product(
        &self,
        rows: usize,
        dy: Address,
        stride: usize,
        arena: &Buffer,
        m: &Matrix,
        dx: Address,
    ) {
        let shape = Shape {
            transpose_a: false,
            transpose_b: false,
            m: m.inputs,
            n: rows,
            k: m.outputs,
            lda: m.inputs,
            ldb: stride,
            ldc: m.inputs,
            out: Number::Bf16,
            accumulate: false,
            bias: false,
        };
        self.product(Product { shape, a: self.weight(arena, m.weight.start), b: dy, c: dx, bias: 0 });
    }

    pub(super) fn do_linear_backward_weight(
        &self,
        rows: usize,
        dy: &Buffer,
        x: &Buffer,
        m: &Matrix,
        grads: &mut Buffer,
    ) {
        let (dy, x) = (self.halves(dy, rows * m.outputs), self.halves(x, rows * m.inputs));
        let grads = self.floats_mut(grads);
        self.weight_product(rows, dy, m.outputs, x, m, grads);
        if let Some(bias) = &m.bias {
            let parts = rows.div_ceil(COLUMN_ROWS);
            let partial = self.room(4 * parts * m.outputs);
            let parameters = [dy.into(), rows.into(), m.outputs.into(), partial.into()];
            self.launch("column_sums", [m.outputs.div_ceil(128), parts, 1], 128, 0, &parameters);
            self.fold_columns(partial, parts, m.outputs, m.outputs, grads + 4 * bias.start as u64);
        }
    }

    /// `dW += dyᵀ x` in the gradient at `grads`; `stride` is from row to row of `dy`.
    pub(super) fn weight_product(
        &self,
        rows: usize,
        dy: Address,
        stride: usize,
        x: Address,
        m: &Matrix,
        grads: Address,
    ) {
        let shape = Shape {
            transpose_a: false,
            transpose_b: true,
            m: m.inputs,
            n: m.outputs,
            k: rows,
            lda: m.inputs,
            ldb: stride,
            ldc: m.inputs,
            out: Number::F32,
            accumulate: true,
            bias: false,
        };
        self.product(Product { shape, a: x, b: dy, c: grads + 4 * m.weight.start as u64, bias: 0 });
    }

    fn product(&self, product: Product) {
        if product.shape.m > 0 && product.shape.n > 0 {
            self.attempt(|machine| machine.product(&product));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_as_large_as_keeps_the_gpu_busy() {
        let name = |kernels, rows, outputs| choose(kernels, 227 << 10, rows, outputs).bf16;
        // A training pass; the vocabulary; decoding, whose products have few outputs, and one of them many inputs; one sequence.
        assert_eq!(name(COMMON, 16_384, 2048), "linear_256_bf16");
        assert_eq!(name(COMMON, 256, 151_936), "linear_256_bf16");
        assert_eq!(name(COMMON, 256, 17_920), "linear_128_bf16");
        assert_eq!(name(COMMON, 256, 2048), "linear_64_bf16");
        assert_eq!(name(COMMON, 256, 1536), "linear_64_bf16");
        assert_eq!(name(COMMON, 64, 896), "linear_16_bf16");
        assert_eq!(name(COMMON, 16, 151_936), "linear_16_bf16");
        assert_eq!(name(COMMON, 3, 64), "linear_16_bf16");
    }

    #[test]
    fn tiles_for_hopper_fill_the_multiprocessors_in_whole_waves() {
        // Rows, outputs, tile, blocks: Qwen2.5's 1.5B (qkv, output and down, gate and up, head), 7B, 0.5B, SmolLM2-135M, Llama-3.2-1B.
        let cases = [
            (256, 2048, "64x64", 128),
            (256, 1536, "64x48", 128),
            (256, 17_920, "256x160", 112),
            (256, 151_936, "256x160", 950),
            (128, 17_920, "128x152", 118),
            (16, 1536, "64x16", 96),
            (256, 4608, "128x152", 62),
            (256, 3584, "64x112", 128),
            (256, 37_888, "256x160", 237),
            (128, 3584, "64x64", 112),
            (256, 896, "64x32", 112),
            (256, 1152, "64x48", 96),
            (256, 9728, "128x152", 128),
            (64, 9728, "64x112", 87),
            (128, 960, "64x16", 120),
            (256, 3072, "64x112", 112),
            (256, 16_384, "256x160", 103),
            (16_384, 896, "256x160", 384),
            (16_384, 17_920, "256x160", 7168),
            (3, 64, "64x16", 4),
        ];
        for (rows, outputs, tile, blocks) in cases {
            let kernel = choose(HOPPER, 227 << 10, rows, outputs);
            assert_eq!(kernel.bf16, format!("linear_hopper_{tile}_bf16"), "{rows} rows, {outputs} outputs");
            assert_eq!(outputs.div_ceil(kernel.width) * rows.div_ceil(kernel.height), blocks, "{rows} x {outputs}");
        }
    }

    #[test]
    fn no_tile_takes_more_shared_memory_than_there_is() {
        // What a block has on GPUs of compute capability 8.0, 8.6, 8.9 and 12.0, 9.0.
        for shared in [163 << 10, 99 << 10, 227 << 10] {
            for rows in [1, 17, 129, 1024, 16_384] {
                assert!(choose(COMMON, shared, rows, 151_936).shared <= shared, "{rows} rows");
            }
        }
        assert_eq!(choose(COMMON, 99 << 10, 16_384, 2048).bf16, "linear_128_bf16");
        assert!(HOPPER.iter().all(|kernel| kernel.shared <= 227 << 10));
    }
}
