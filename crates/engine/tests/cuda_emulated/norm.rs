//! Norms of rows and of heads, their gradients, sums of columns.
use crate::machine::{Memory, NULL, launch, machine};
use crate::{close, halves, round, rounded, values};
use surefoot_engine::cpu::norm;
use surefoot_engine::cpu::parallel::Threading::Serial;

const EPS: f32 = 1e-5;

#[test]
fn norm_of_rows_and_its_gradient() {
    let Some(m) = machine() else { return };
    for (rows, width) in [(1, 1), (5, 37), (70, 64), (3, 1030)] {
        let (x, delta, weight) = (values(rows * width, 1), rounded(rows * width, 2), rounded(width, 3));
        let (mut y, mut sum) = (Memory::unset::<u16>(rows * width), Memory::unset::<f32>(rows * width));
        launch!(m, "rmsnorm", [rows, 1, 1], 256, 0;
            &mut Memory::new(&x), &mut halves(&weight), EPS, width, &mut y);
        let mut want = vec![0.0; rows * width];
        norm::normalise(Serial, rows, &x, &weight, EPS, &mut want);
        close("norm", &y.read_halves(), &want, 1.0 / 256.0);

        launch!(m, "add_rmsnorm", [rows, 1, 1], 256, 0;
            &mut Memory::new(&x), &mut halves(&delta), &mut sum, &mut halves(&weight), EPS, width, &mut y);
        let mut want_sum = vec![0.0; rows * width];
        norm::add_normalise(Serial, rows, &x, &delta, &mut want_sum, &weight, EPS, &mut want);
        assert_eq!(sum.read::<f32>(), want_sum);
        close("norm of the sum", &y.read_halves(), &want, 1.0 / 256.0);

        let (dy, dx, dw) = (rounded(rows * width, 4), values(rows * width, 5), values(width, 6));
        let blocks = rows.div_ceil(32);
        let (mut got, mut half, mut partial, mut got_dw) = (
            Memory::new(&dx),
            Memory::unset::<u16>(rows * width),
            Memory::unset::<f32>(blocks * width),
            Memory::new(&dw),
        );
        launch!(m, "rmsnorm_backward", [blocks, 1, 1], 256, 4 * width;
            &mut Memory::new(&x), &mut halves(&weight), EPS, &mut halves(&dy), &mut got, &mut half, &mut partial, rows, width);
        launch!(m, "fold_columns", [width.div_ceil(32), 1, 1], 256, 0; &mut partial, blocks, width, width, &mut got_dw);
        let (mut want, mut want_dw) = (dx.clone(), dw);
        norm::backward(Serial, rows, &x, &weight, EPS, &dy, &mut want, Some(&mut want_dw));
        close("norm dx", &got.read::<f32>(), &want, 1e-5);
        close("norm dw", &got_dw.read::<f32>(), &want_dw, 1e-5);
        assert_eq!(half.read_halves(), got.read::<f32>().into_iter().map(round).collect::<Vec<_>>());
        // The same without what is not asked for.
        let mut alone = Memory::new(&dx);
        launch!(m, "rmsnorm_backward", [blocks, 1, 1], 256, 0;
            &mut Memory::new(&x), &mut halves(&weight), EPS, &mut halves(&dy), &mut alone, NULL, NULL, rows, width);
        assert_eq!(alone.read::<f32>(), got.read::<f32>());
    }
}

#[test]
fn sums_of_columns() {
    let Some(m) = machine() else { return };
    for (rows, width) in [(1, 3), (129, 130), (300, 7)] {
        let (dy, start, blocks) = (rounded(rows * width, 7), values(width, 8), rows.div_ceil(128));
        let (mut partial, mut out) = (Memory::unset::<f32>(blocks * width), Memory::new(&start));
        launch!(m, "column_sums", [width.div_ceil(128), blocks, 1], 128, 0; &mut halves(&dy), rows, width, &mut partial);
        launch!(m, "fold_columns", [width.div_ceil(32), 1, 1], 256, 0; &mut partial, blocks, width, width, &mut out);
        let column = |c: usize| start[c] + (0..rows).map(|t| f64::from(dy[t * width + c])).sum::<f64>() as f32;
        close("column sums", &out.read::<f32>(), &(0..width).map(column).collect::<Vec<_>>(), 1e-5);
    }
}

#[test]
fn norm_of_heads_and_its_gradient() {
    let Some(m) = machine() else { return };
    for (rows, queries, keys, dim) in [(1, 1, 1, 1), (5, 3, 1, 6), (18, 4, 2, 64), (2, 5, 5, 200)] {
        let stride = (queries + 2 * keys) * dim;
        let (raw, q_weight, k_weight) = (rounded(rows * stride, 9), rounded(dim, 10), rounded(dim, 11));
        let parts = [(0, queries, &q_weight), (queries * dim, keys, &k_weight)];
        let heads = |first: usize, count: usize| norm::Heads { stride, first, count };
        let mut qkv = Memory::unset::<u16>(rows * stride);
        launch!(m, "qk_norm", [rows, 1, 1], 128, 0;
            &mut halves(&raw), &mut halves(&q_weight), &mut halves(&k_weight), EPS, queries, keys, dim, &mut qkv);
        let mut want = raw.clone();
        for (first, count, weight) in parts {
            norm::heads_forward(Serial, rows, heads(first, count), &raw, weight, EPS, &mut want);
        }
        close("head norm", &qkv.read_halves(), &want, 1.0 / 256.0);

        let (d, blocks) = (rounded(rows * stride, 12), rows.div_ceil(16));
        let (mut got, mut partial) = (halves(&d), Memory::unset::<f32>(blocks * 2 * dim));
        launch!(m, "qk_norm_backward", [blocks, 1, 1], 128, 32 * dim;
            &mut halves(&raw), &mut halves(&q_weight), &mut halves(&k_weight), EPS, rows, queries, keys, dim, &mut got,
            &mut partial);
        let (mut want, mut want_dw) = (d.clone(), vec![0.0; 2 * dim]);
        for (part, (first, count, weight)) in parts.into_iter().enumerate() {
            let dw = Some(&mut want_dw[part * dim..][..dim]);
            norm::heads_backward(Serial, rows, heads(first, count), &raw, weight, EPS, &mut want, dw);
        }
        close("head norm gradient", &got.read_halves(), &want, 1.0 / 128.0);
        let mut dw = Memory::new(&vec![0f32; 2 * dim]);
        launch!(m, "fold_columns", [(2 * dim).div_ceil(32), 1, 1], 256, 0; &mut partial, blocks, 2 * dim, 2 * dim, &mut dw);
        close("head norm dw", &dw.read::<f32>(), &want_dw, 1e-5);
    }
}
