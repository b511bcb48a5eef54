//! SwiGLU (Shazeer 2020): `act = silu(gate) * up`, with gate and up side by side in a row.
use super::math::sigmoid;
use super::parallel::{Shared, Threading};
use super::simd::kernel;

const ROWS: usize = 32;

kernel! {
    fn forward_row(gate: &[f32], up: &[f32], act: &mut [f32]) {
        for ((act, &g), &u) in act.iter_mut().zip(gate).zip(up) {
            *act = g * sigmoid(g) * u;
        }
    }
}

kernel! {
    fn backward_row(gate: &mut [f32], up: &mut [f32], act: &mut [f32]) {
        for ((act, gate), up) in act.iter_mut().zip(gate).zip(up) {
            let (d, g, u) = (*act, *gate, *up);
            let s = sigmoid(g);
            let silu = g * s;
            *act = silu * u;
            *gate = d * u * s * (1.0 + (g - silu));
            *up = d * silu;
        }
    }
}

/// `act = silu(gate) * up`; a row of `gate_up` holds `width` gates and then `width` ups.
pub fn forward(threading: Threading, rows: usize, width: usize, gate_up: &[f32], act: &mut [f32]) {
    let act = Shared::new(&mut act[..rows * width]);
    threading.rows(rows, ROWS, |first, count| {
        for t in first..first + count {
            let (gate, up) = gate_up[2 * t * width..2 * (t + 1) * width].split_at(width);
            // SAFETY: each task has its own rows.
            forward_row(gate, up, unsafe { act.slice(t * width, width) });
        }
    });
}

/// The gradient, in place: `gate_up` becomes its own gradient, and `act`, which holds the gradient of `act`, becomes
/// `act` again (the weight gradient of the down projection needs it next).
pub fn backward(threading: Threading, rows: usize, width: usize, gate_up: &mut [f32], act: &mut [f32]) {
    let (gate_up, act) = (Shared::new(&mut gate_up[..2 * rows * width]), Shared::new(&mut act[..rows * width]));
    threading.rows(rows, ROWS, |first, count| {
        for t in first..first + count {
            // SAFETY: each task has its own rows.
            let (row, act) = unsafe { (gate_up.slice(2 * t * width, 2 * width), act.slice(t * width, width)) };
            let (gate, up) = row.split_at_mut(width);
            backward_row(gate, up, act);
        }
    });
}
