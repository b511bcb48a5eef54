//! AdamW and the gradient's norm.
use crate::machine::{Memory, launch, machine};
use crate::{round, values};
use half::bf16;
use surefoot_engine::cpu::adamw::{Moments, step};
use surefoot_engine::cpu::parallel::Threading::Serial;
use surefoot_engine::device::Step;

#[test]
fn adamw_has_the_bits_of_the_cpu() {
    let Some(m) = machine() else { return };
    for (len, half) in [(1, false), (2051, false), (2051, true)] {
        let decayed: Vec<std::ops::Range<usize>> =
            [0..1, 10..50, 51..53, 1020..2040].into_iter().filter(|r| r.end <= len).collect();
        let ranges: Vec<u64> = decayed.iter().flat_map(|r| [r.start as u64, r.end as u64]).collect();
        let (mut want, mut moments) = (values(len, 1), Moments::zeros(len, half));
        let mut weights = Memory::new(&want);
        let (mut first, mut second, mut copy) = (zero(len, half), zero(len, half), Memory::unset::<u16>(len));
        for update in 1..=4 {
            let s = Step {
                learning_rate: 0.01,
                betas: (0.9, 0.95),
                eps: 1e-8,
                weight_decay: 0.1,
                gradient_scale: 0.37,
                update,
            };
            let gradient = values(len, 10 + update);
            let (b1, b2) = s.betas;
            let power = |b: f32| 1.0 - f64::from(b).powf(update as f64);
            let rate = (f64::from(s.learning_rate) / power(b1)) as f32;
            let root = (1.0 / power(b2).sqrt()) as f32;
            let decay = (f64::from(s.learning_rate) * f64::from(s.weight_decay)) as f32;
            let kernel = if half { "adamw_bf16" } else { "adamw_float" };
            launch!(m, kernel, [len.div_ceil(1024), 1, 1], 256, 0;
                &mut weights, &mut Memory::new(&gradient), &mut first, &mut second, &mut copy, &mut Memory::new(&ranges),
                decayed.len(), len as u64, b1, b2, s.eps, s.gradient_scale, rate, root, decay);
            step(Serial, s, &decayed, &mut want, &gradient, &mut moments);
            assert_eq!(weights.read::<f32>(), want, "{len} at update {update}");
            assert_eq!(copy.read_halves(), want.iter().map(|&w| round(w)).collect::<Vec<_>>());
        }
        let found = if half {
            let widen =
                |m: &Memory| m.read::<u16>().into_iter().map(|b| bf16::from_bits(b).to_f32()).collect::<Vec<_>>();
            (widen(&first), widen(&second))
        } else {
            (first.read::<f32>(), second.read::<f32>())
        };
        assert_eq!(found, moments.to_f32());
    }
}

fn zero(len: usize, half: bool) -> Memory {
    if half { Memory::new(&vec![0u16; len]) } else { Memory::new(&vec![0f32; len]) }
}

#[test]
fn sum_of_squares() {
    let Some(m) = machine() else { return };
    for len in [1usize, 32768, 70_001] {
        let (x, blocks) = (values(len, 3), len.div_ceil(32768));
        let (mut partial, mut out) = (Memory::unset::<f64>(blocks), Memory::unset::<f64>(1));
        launch!(m, "square_sum", [blocks, 1, 1], 256, 0; &mut Memory::new(&x), len as u64, &mut partial);
        launch!(m, "fold_sum", [1, 1, 1], 256, 0; &mut partial, blocks as u64, &mut out);
        let want: f64 = x.iter().map(|&v| f64::from(v).powi(2)).sum();
        let got = out.read::<f64>()[0];
        assert!((got / want - 1.0).abs() < 1e-12, "{len}: {got} against {want}");
    }
    let parts: Vec<f64> = values(700, 4).into_iter().map(f64::from).collect();
    let mut out = Memory::unset::<f64>(1);
    launch!(m, "fold_sum", [1, 1, 1], 256, 0; &mut Memory::new(&parts), 700u64, &mut out);
    assert!((out.read::<f64>()[0] - parts.iter().sum::<f64>()).abs() < 1e-11);
}
