//! The vocabulary head's statistics, log-probabilities and gradient.
use crate::machine::{Memory, launch, machine};
use crate::{close, values};
use surefoot_engine::batch::Target;
use surefoot_engine::cpu::head;
use surefoot_engine::cuda::plan::target_offsets;

fn logits(rows: usize, vocabulary: usize) -> Vec<f32> {
    let spread = |v: f32| v * 12.0;
    values(rows * vocabulary, 1).into_iter().map(spread).collect()
}

const TARGETS: [(u32, u32); 6] = [(0, 5), (0, 130), (2, 5), (2, 0), (2, 5), (3, 129)];

#[test]
fn statistics_and_log_probabilities() {
    let Some(m) = machine() else { return };
    for (vocabulary, scale) in [(131, 1.25f32), (4099, 1.0), (2048, 0.3)] {
        let (rows, x) = (4, logits(4, vocabulary));
        let (mut logits, mut statistics) = (Memory::new(&x), Memory::unset::<f32>(4 * rows));
        launch!(m, "row_statistics", [rows, 1, 1], 512, 0; &mut logits, vocabulary, scale, &mut statistics);
        let found = statistics.read::<f32>();
        let want: Vec<_> = x.chunks(vocabulary).map(|row| head::row_statistics(row, scale)).collect();
        for (got, want) in found.chunks(4).zip(&want) {
            assert_eq!(got[1], want.max);
            close("log_sum and entropy", &[got[0], got[2]], &[want.log_sum, want.entropy], 1e-5);
        }
        let (row, token): (Vec<u32>, Vec<u32>) = TARGETS.into_iter().unzip();
        let (mut logp, mut entropy) = (Memory::unset::<f32>(6), Memory::unset::<f32>(6));
        launch!(m, "target_statistics", [1, 1, 1], 128, 0; &mut logits, &mut statistics, &mut Memory::new(&row),
            &mut Memory::new(&token), 6usize, vocabulary, scale, &mut logp, &mut entropy);
        let each = |f: &dyn Fn(usize, u32) -> f32| -> Vec<f32> {
            TARGETS.iter().map(|&(row, token)| f(row as usize, token)).collect()
        };
        let want_logp = each(&|r, t| head::token_logp(&x[r * vocabulary..], t, scale, &want[r]));
        close("logp", &logp.read::<f32>(), &want_logp, 1e-5);
        close("entropy", &entropy.read::<f32>(), &each(&|r, _| want[r].entropy), 1e-5);
    }
}

#[test]
fn gradient_of_the_logits_apart_and_in_place() {
    let Some(m) = machine() else { return };
    for vocabulary in [131, 4100] {
        let (rows, x, scale) = (4, logits(4, vocabulary), 1.25f32);
        let (mut logits, mut statistics) = (Memory::new(&x), Memory::unset::<f32>(4 * rows));
        launch!(m, "row_statistics", [rows, 1, 1], 512, 0; &mut logits, vocabulary, scale, &mut statistics);
        let targets: Vec<Target> = TARGETS.iter().map(|&(row, token)| Target { row, token }).collect();
        let (tokens, grad): (Vec<u32>, Vec<f32>) = (TARGETS.iter().map(|t| t.1).collect(), values(6, 2));
        let pull: Vec<f32> = values(6, 3);
        let mut want = vec![0f32; rows * vocabulary];
        for (r, row) in want.chunks_mut(vocabulary).enumerate() {
            let x = &x[r * vocabulary..][..vocabulary];
            let total: f64 = x.iter().map(|&v| f64::from(v * scale).exp()).sum();
            let logp = |l: f32| f64::from(l * scale) - total.ln();
            let entropy: f64 = x.iter().map(|&l| -logp(l).exp() * logp(l)).sum();
            for (_, &h) in targets.iter().zip(&pull).filter(|(t, _)| t.row as usize == r) {
                for (d, &l) in row.iter_mut().zip(x) {
                    *d -= scale * h * (logp(l).exp() * (logp(l) + entropy)) as f32;
                }
            }
            for (t, &g) in targets.iter().zip(&grad).filter(|(t, _)| t.row as usize == r) {
                for (v, (d, &l)) in row.iter_mut().zip(x).enumerate() {
                    let p = (f64::from(l * scale).exp() / total) as f32;
                    *d += scale * g * (f32::from(u8::from(v == t.token as usize)) - p);
                }
            }
        }
        let offsets = target_offsets(&targets, 0, rows);
        assert_eq!(offsets, [0, 2, 2, 5, 6]);
        let mut run = |logits: &mut Memory, to: &mut Memory, stride: usize| {
            launch!(m, "head_gradient", [rows, 1, 1], 512, 0; logits, to, stride as u64, &mut statistics,
                &mut Memory::new(&offsets), &mut Memory::new(&tokens), &mut Memory::new(&grad), &mut Memory::new(&pull), vocabulary, scale);
        };
        let mut apart = Memory::unset::<u16>(rows * vocabulary);
        run(&mut logits, &mut apart, vocabulary);
        close("dlogits", &apart.read_halves(), &want, 1.0 / 256.0);
        let address = logits.address();
        launch!(m, "head_gradient", [rows, 1, 1], 512, 0; &mut logits, address, 2 * vocabulary as u64, &mut statistics,
            &mut Memory::new(&offsets), &mut Memory::new(&tokens), &mut Memory::new(&grad), &mut Memory::new(&pull), vocabulary, scale);
        let inside: Vec<u16> =
            logits.read::<u16>().chunks(2 * vocabulary).flat_map(|row| row[..vocabulary].to_vec()).collect();
        assert_eq!(inside, apart.read::<u16>(), "in place");
    }
}
