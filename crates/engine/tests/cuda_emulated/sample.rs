//! Sampling against the CPU's rule, and the random numbers.
use crate::machine::{Memory, launch, machine};
use crate::values;
use surefoot_engine::cpu::sample::choose;
use surefoot_engine::device::{Choice, Sampling};
use surefoot_engine::random::Stream;

const ROWS: usize = 24;

/// Some rows flat, some peaked, some with many equal logits.
fn logits(vocabulary: usize) -> Vec<f32> {
    let value = |(i, v): (usize, f32)| match i / vocabulary % 3 {
        0 => v * 3.0,
        1 => v * 20.0,
        _ => (v * 4.0).round(),
    };
    values(ROWS * vocabulary, 1).into_iter().enumerate().map(value).collect()
}

fn draw(logits: &[f32], vocabulary: usize, rule: Sampling, uniforms: &[f32]) -> Vec<Choice> {
    let m = machine().unwrap();
    let floats = || Memory::unset::<f32>(ROWS);
    let (mut tokens, mut logp, mut behavior, mut entropy) = (Memory::unset::<u32>(ROWS), floats(), floats(), floats());
    launch!(m, "sample", [ROWS, 1, 1], 512, 8 * vocabulary.div_ceil(256);
        &mut Memory::new(logits), vocabulary, rule.temperature, rule.top_p, rule.top_k, rule.min_p, &mut Memory::new(uniforms),
        &mut tokens, &mut logp, &mut behavior, &mut entropy);
    let (logp, behavior, entropy) = (logp.read::<f32>(), behavior.read::<f32>(), entropy.read::<f32>());
    let token = tokens.read::<u32>();
    (0..ROWS)
        .map(|b| Choice { token: token[b], logp: logp[b], logp_behavior: behavior[b], entropy: entropy[b] })
        .collect()
}

#[test]
fn choices_are_the_cpus() {
    if machine().is_none() {
        return;
    }
    for vocabulary in [3, 300, 5000] {
        let logits = logits(vocabulary);
        let mut uniforms: Vec<f32> = (0..ROWS as u64).map(|b| Stream { seed: 5, sequence: b }.uniform(3)).collect();
        uniforms[..3].copy_from_slice(&[0.0, 1.0 - f32::EPSILON / 2.0, 0.5]);
        let (plain, cut) = (
            [(1.0, 1.0, 0), (0.7, 1.0, 0), (0.0, 0.5, 3), (1.0, 0.9, 0), (1.3, 1.0, 2)],
            [(0.9, 0.6, 40), (1.0, 0.0, 0)],
        );
        let all = plain.into_iter().chain(cut).map(|rule| (rule, 0.0));
        let near = [((1.0, 1.0, 0), 0.07), ((0.9, 0.8, 40), 0.2), ((0.6, 1.0, 3), 0.9), ((1.0, 0.5, 0), 1e-9)];
        for ((temperature, top_p, top_k), min_p) in all.chain(near) {
            let rule = Sampling { temperature, top_p, top_k, min_p };
            let got = draw(&logits, vocabulary, rule, &uniforms);
            for (b, got) in got.iter().enumerate() {
                let want = choose(&logits[b * vocabulary..][..vocabulary], &rule, uniforms[b]);
                let what = format!("{vocabulary} tokens, {rule:?}, row {b}: {got:?} against {want:?}");
                assert_eq!(got.token, want.token, "{what}");
                let near = |a: f32, b: f32| (a - b).abs() < 2e-5 * b.abs().max(1.0);
                assert!(near(got.logp, want.logp) && near(got.entropy, want.entropy), "{what}");
                assert!(near(got.logp_behavior, want.logp_behavior), "{what}");
            }
        }
    }
}

#[test]
fn half_of_equal_tokens_is_half_of_them() {
    if machine().is_none() {
        return;
    }
    let rule = Sampling { temperature: 1.0, top_p: 0.5, top_k: 0, min_p: 0.0 };
    for choice in draw(&[1.5; ROWS * 8], 8, rule, &[0.99; ROWS]) {
        assert_eq!((choice.token, choice.logp_behavior), (3, -(4f32.ln())));
    }
}

#[test]
fn rows_of_not_a_numbers_end() {
    if machine().is_none() {
        return;
    }
    for (temperature, top_p, top_k) in [(1.0, 1.0, 0), (1.0, 0.9, 0), (1.0, 1.0, 2), (0.0, 1.0, 0)] {
        let rule = Sampling { temperature, top_p, top_k, min_p: 0.1 };
        for choice in draw(&[f32::NAN; ROWS * 600], 600, rule, &[0.4; ROWS]) {
            assert!(choice.token == 0 && choice.logp.is_nan(), "{choice:?}");
        }
    }
}

#[test]
fn statistics_are_those_of_the_head() {
    let Some(m) = machine() else { return };
    let (vocabulary, temperature) = (1201, 0.8f32);
    let logits = logits(vocabulary);
    let mut statistics = Memory::unset::<f32>(4 * ROWS);
    launch!(m, "row_statistics", [ROWS, 1, 1], 512, 0;
        &mut Memory::new(&logits), vocabulary, 1.0 / temperature, &mut statistics);
    let choices = draw(&logits, vocabulary, Sampling { temperature, top_p: 1.0, top_k: 0, min_p: 0.0 }, &[0.3; ROWS]);
    for (choice, row) in choices.iter().zip(statistics.read::<f32>().chunks(4)) {
        assert_eq!(choice.entropy.to_bits(), row[2].to_bits());
    }
    let (rows, tokens): (Vec<u32>, Vec<u32>) = (0..).zip(choices.iter().map(|c| c.token)).unzip();
    let (mut logp, mut entropy) = (Memory::unset::<f32>(ROWS), Memory::unset::<f32>(ROWS));
    launch!(m, "target_statistics", [1, 1, 1], 128, 0; &mut Memory::new(&logits), &mut statistics, &mut Memory::new(&rows),
        &mut Memory::new(&tokens), ROWS, vocabulary, 1.0 / temperature, &mut logp, &mut entropy);
    assert_eq!(logp.read::<f32>(), choices.iter().map(|c| c.logp).collect::<Vec<_>>());
}
