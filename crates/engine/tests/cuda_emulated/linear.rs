//! Products: against the CPU's, and the same bits from every tile and in every batch.
use crate::machine::{Memory, NULL, launch, machine};
use crate::{close, halves, rounded};
use surefoot_engine::cpu::linear::{Weight, forward};
use surefoot_engine::cpu::parallel::Threading::Serial;

/// Name, rows, columns, threads and shared bytes of each tile.
const TILES: [(&str, usize, usize, usize, usize); 11] = [
    ("linear_256", 256, 128, 256, 147456),
    ("linear_128", 128, 128, 128, 98304),
    ("linear_64", 64, 64, 128, 65536),
    ("linear_16", 16, 32, 64, 49152),
    // The emulation rounds all alike; a GPU need not between these and those above.
    ("linear_hopper_64x16", 64, 16, 128, 163840),
    ("linear_hopper_64x32", 64, 32, 128, 196608),
    ("linear_hopper_64x48", 64, 48, 128, 114688),
    ("linear_hopper_64x64", 64, 64, 128, 98304),
    ("linear_hopper_64x112", 64, 112, 128, 112640),
    ("linear_hopper_128x152", 128, 152, 256, 215040),
    ("linear_hopper_256x160", 256, 160, 256, 212992),
];

struct Product {
    rows: usize,
    outputs: usize,
    inputs: usize,
    x: Vec<f32>,
    w: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Product {
    fn new(rows: usize, outputs: usize, inputs: usize, bias: bool) -> Self {
        let bias = bias.then(|| rounded(outputs, 3));
        Self { rows, outputs, inputs, x: rounded(rows * inputs, 1), w: rounded(outputs * inputs, 2), bias }
    }

    fn run(&self, tile: usize, wide: bool) -> Memory {
        let m = machine().unwrap();
        let (name, tall, broad, threads, shared) = TILES[tile];
        let grid = [self.outputs.div_ceil(broad), self.rows.div_ceil(tall), 1];
        let len = self.rows * self.outputs;
        let (mut y, kind) =
            if wide { (Memory::unset::<f32>(len), "float") } else { (Memory::unset::<u16>(len), "bf16") };
        let name = format!("{name}_{kind}");
        let (mut x, mut w) = (halves(&self.x), halves(&self.w));
        match &self.bias {
            Some(bias) => launch!(m, &name, grid, threads, shared;
                &mut x, &mut w, &mut halves(bias), &mut y, self.rows, self.outputs, self.inputs),
            None => launch!(m, &name, grid, threads, shared;
                &mut x, &mut w, NULL, &mut y, self.rows, self.outputs, self.inputs),
        }
        y
    }

    fn reference(&self) -> Vec<f32> {
        let start = |_| self.bias.clone().unwrap_or_else(|| vec![0.0; self.outputs]);
        let mut y: Vec<f32> = (0..self.rows).flat_map(start).collect();
        let w = Weight { data: &self.w, panels: None, outputs: self.outputs, inputs: self.inputs };
        forward(Serial, self.rows, &self.x, w, &mut y, self.outputs, true);
        y
    }
}

#[test]
fn products_of_odd_shapes() {
    if machine().is_none() {
        return;
    }
    // The last two: all parts of the largest tile and one row more; more slices than any tile holds at once.
    let shapes = [
        (1, 1, 1, true),
        (5, 33, 7, false),
        (17, 130, 200, true),
        (133, 37, 44, false),
        (257, 170, 72, true),
        (3, 36, 1112, true),
    ];
    for (rows, outputs, inputs, bias) in shapes {
        let product = Product::new(rows, outputs, inputs, bias);
        let (want, bits) = (product.reference(), product.run(0, true).read::<u32>());
        for (tile, (name, ..)) in TILES.iter().enumerate() {
            let what = format!("{rows}x{outputs}x{inputs} by {name}");
            let wide = product.run(tile, true);
            close(&what, &wide.read::<f32>(), &want, 1e-5);
            assert_eq!(wide.read::<u32>(), bits, "{what}: another tile, other bits");
            let half = product.run(tile, false).read_halves();
            let rounded: Vec<f32> = wide.read::<f32>().into_iter().map(crate::round).collect();
            assert_eq!(half, rounded, "{what}");
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_every_batch() {
    if machine().is_none() {
        return;
    }
    let whole = Product::new(40, 65, 136, true);
    let y = whole.run(0, true);
    close("the batch", &y.read::<f32>(), &whole.reference(), 1e-5);
    let bits = y.read::<u32>();
    for row in [0, 7, 39] {
        let x = whole.x[row * 136..][..136].to_vec();
        let alone = Product { rows: 1, x, w: whole.w.clone(), bias: whole.bias.clone(), ..whole };
        assert_eq!(alone.run(3, true).read::<u32>(), bits[row * 65..][..65], "row {row}");
    }
}
