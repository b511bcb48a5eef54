//! Embedding, rows of the residual stream, conversions, SwiGLU, rotation.
use crate::machine::{Memory, launch, machine};
use crate::{close, halves, round, rounded, values};
use surefoot_engine::cpu::parallel::Threading::Serial;
use surefoot_engine::cpu::{rope, swiglu};
use surefoot_engine::cuda::plan::TokenRows;
use surefoot_engine::device::Direction;

#[test]
fn embedding_and_its_gradient() {
    let Some(m) = machine() else { return };
    for width in [1, 37, 300] {
        let (tokens, table) = ([3u32, 0, 3, 9, 3, 9, 1], rounded(10 * width, 1));
        let mut x = Memory::unset::<f32>(tokens.len() * width);
        let mut weights = halves(&table);
        launch!(m, "embed", [tokens.len(), 1, 1], 128, 0; &mut Memory::new(&tokens), &mut weights, &mut x, width);
        let row = |t: u32| table[t as usize * width..][..width].to_vec();
        assert_eq!(x.read::<f32>(), tokens.iter().flat_map(|&t| row(t)).collect::<Vec<_>>());

        let (dx, start) = (values(tokens.len() * width, 2), values(10 * width, 3));
        let (mut table, rows) = (Memory::new(&start), TokenRows::new(&tokens));
        launch!(m, "embed_backward", [rows.tokens.len(), width.div_ceil(256), 1], 256, 0;
            &mut Memory::new(&rows.tokens), &mut Memory::new(&rows.offsets), &mut Memory::new(&rows.rows),
            &mut Memory::new(&dx), &mut table, width);
        let mut want = start;
        for (t, &token) in tokens.iter().enumerate() {
            (0..width).for_each(|c| want[token as usize * width + c] += dx[t * width + c]);
        }
        assert_eq!(table.read::<f32>(), want);
    }
}

#[test]
fn rows_are_gathered_and_scattered() {
    let Some(m) = machine() else { return };
    for width in [1, 130] {
        let (x, rows) = (values(6 * width, 4), [5u32, 0, 3]);
        let mut taken = Memory::unset::<f32>(3 * width);
        launch!(m, "gather", [3, 1, 1], 128, 0; &mut Memory::new(&x), &mut Memory::new(&rows), &mut taken, width);
        let taken_rows = taken.read::<f32>();
        assert_eq!(
            taken_rows,
            rows.iter().flat_map(|&r| x[r as usize * width..][..width].to_vec()).collect::<Vec<_>>()
        );
        let mut back = Memory::new(&vec![0f32; 6 * width]);
        launch!(m, "scatter", [3, 1, 1], 128, 0; &mut taken, &mut Memory::new(&rows), &mut back, width);
        let mut want = vec![0f32; 6 * width];
        rows.iter().for_each(|&r| {
            let at = r as usize * width..(r as usize + 1) * width;
            want[at.clone()].copy_from_slice(&x[at]);
        });
        assert_eq!(back.read::<f32>(), want);
    }
}

#[test]
fn conversions_round_to_nearest_even_and_back() {
    let Some(m) = machine() else { return };
    for len in [1usize, 1023, 1026, 4099] {
        let x = values(len, 5);
        let grid = [len.div_ceil(1024), 1, 1];
        let (mut half, mut wide, mut sum) =
            (Memory::unset::<u16>(len), Memory::unset::<f32>(len), Memory::unset::<f32>(len));
        launch!(m, "narrow", grid, 256, 0; &mut Memory::new(&x), &mut half, len as u64);
        launch!(m, "widen", grid, 256, 0; &mut half, &mut wide, len as u64);
        let want: Vec<f32> = x.iter().map(|&v| round(v)).collect();
        assert_eq!(wide.read::<f32>(), want);
        launch!(m, "add", grid, 256, 0; &mut Memory::new(&x), &mut half, &mut sum, len as u64);
        assert_eq!(sum.read::<f32>(), x.iter().zip(&want).map(|(a, b)| a + b).collect::<Vec<_>>());
    }
}

#[test]
fn swiglu_and_its_gradient() {
    let Some(m) = machine() else { return };
    for (rows, width) in [(1, 1), (3, 21), (2, 1028)] {
        let gate_up: Vec<f32> = rounded(rows * 2 * width, 6).iter().map(|v| round(v * 8.0)).collect();
        let d = rounded(rows * width, 7);
        let grid = [width.div_ceil(1024), rows, 1];
        let (mut inout, mut act) = (halves(&gate_up), Memory::unset::<u16>(rows * width));
        launch!(m, "swiglu", grid, 256, 0; &mut inout, &mut act, width);
        let mut want = vec![0.0; rows * width];
        swiglu::forward(Serial, rows, width, &gate_up, &mut want);
        close("swiglu", &act.read_halves(), &want, 1.0 / 256.0);

        let mut act = halves(&d);
        launch!(m, "swiglu_backward", grid, 256, 0; &mut inout, &mut act, width);
        let (mut gradient, mut again) = (gate_up.clone(), d.clone());
        swiglu::backward(Serial, rows, width, &mut gradient, &mut again);
        close("swiglu gradient", &inout.read_halves(), &gradient, 1.0 / 128.0);
        close("swiglu again", &act.read_halves(), &again, 1.0 / 256.0);
    }
}

#[test]
fn rotation_forward_and_back() {
    let Some(m) = machine() else { return };
    for (turned, others, dim) in [(2, 1, 6), (3, 2, 64), (1, 0, 2), (5, 1, 80)] {
        let (stride, positions, half) = ((turned + others) * dim, [0u32, 3, 11, 299], dim / 2);
        let frequencies: Vec<f32> = (0..half).map(|i| 10f32.powf(-(i as f32) / half as f32 * 4.0)).collect();
        let angle = |p: usize, f: f32| p as f32 * f;
        let table = |g: fn(f32) -> f32| -> Vec<f32> {
            (0..300).flat_map(|p| frequencies.iter().map(move |&f| g(angle(p, f)))).collect()
        };
        let (mut cosines, mut sines) = (Memory::new(&table(f32::cos)), Memory::new(&table(f32::sin)));
        let x = rounded(positions.len() * stride, 8);
        for (direction, sign) in [(Direction::Forward, 1f32), (Direction::Backward, -1.0)] {
            let mut qkv = halves(&x);
            launch!(m, "rope", [positions.len(), 1, 1], 128, 0;
                &mut qkv, &mut Memory::new(&positions), &mut cosines, &mut sines, turned, dim, stride, sign);
            let mut want = x.clone();
            let table = rope::Table::new(&frequencies, 300);
            rope::rotate_rows(Serial, &positions, turned, &table, &mut want, stride, direction);
            let want: Vec<f32> = want.into_iter().map(round).collect();
            assert_eq!(qkv.read_halves(), want, "{dim}");
        }
    }
}
