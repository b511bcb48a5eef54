//! Every operator of training on random shapes, against the CPU's with the same bfloat16 inputs: odd numbers of rows, sequences of one
//! token and long ones, shared prompts, groups of queries of any size.
use super::{distance, machines};
use crate::batch::{Packed, Target};
use crate::cpu::{Cpu, parallel::Threading};
use crate::device::{Device, Direction, Heads, Step, TargetGradients, Weights};
use crate::layout::Matrix;
use crate::random::Stream;
use std::ops::Range;

/// bfloat16 rounds by 2^-9 at most, which leaves 0.0017 of random values; an operator rounds once or twice.
const DISTANCE: f64 = 0.005;
const CASES: u64 = 8;
const EPS: f32 = 1e-6;

/// Shapes and their inputs.
struct Case {
    number: u64,
    heads: Heads,
    hidden: usize,
    ffn: usize,
    vocabulary: usize,
    batch: Packed,
}

/// What an operator wrote.
type Written = Vec<(&'static str, Vec<f32>)>;

impl Case {
    fn random(number: u64) -> Self {
        let stream = Stream { seed: number, sequence: 0 };
        let below = |what: u32, n: usize| (stream.uniform(what) * n as f32) as usize;
        let keys = 1 + below(0, 3);
        let heads = Heads { queries: keys * (1 + below(1, 4)), keys, dim: [8, 16, 24, 64, 128][below(2, 5)] };
        let (hidden, ffn, vocabulary) = (8 * (1 + below(3, 20)), 8 * (1 + below(4, 30)), 2 + below(5, 600));
        let mut batch = Packed::default();
        let tokens = |len: usize| -> Vec<u32> { (0..len).map(|i| (i * 31 % vocabulary) as u32).collect() };
        batch.push(&tokens(1), None);
        let prompt = batch.push(&tokens(1 + below(6, 90)), None);
        for sample in 0..1 + below(7, 3) as u32 {
            batch.push(&tokens(1 + below(8 + sample, 70)), Some(prompt));
        }
        batch.push(&tokens(1 + below(20, 150)), None);
        Self { number, heads, hidden, ffn, vocabulary, batch }
    }

    /// bfloat16 values in [-1, 1), the same on every device.
    fn values(&self, seed: u64, len: usize) -> Vec<f32> {
        let stream = Stream { seed: self.number, sequence: seed };
        (0..len as u32).map(|i| half::bf16::from_f32(2.0 * stream.uniform(i) - 1.0).to_f32()).collect()
    }

    /// All operators on `d`, each on inputs of its own.
    fn run<D: Device>(&self, d: &D) -> Written {
        let Self { heads, hidden, ffn, vocabulary, batch, .. } = self;
        let (heads, hidden, ffn, vocabulary) = (*heads, *hidden, *ffn, *vocabulary);
        let (rows, stride, width, dim) = (batch.len(), heads.stride(), heads.width(), heads.dim);
        let exact = |seed: u64, n: usize| d.upload(&self.values(seed, rows * n));
        let kept = |seed: u64, n: usize| {
            let mut buffer = d.activations(rows * n);
            d.write(&mut buffer, 0, &self.values(seed, rows * n));
            buffer
        };
        let mut end = 0;
        let mut take = |len: usize| -> Range<usize> {
            end += len;
            end - len..end
        };
        let (norm, bias, qkv) = (take(hidden), take(stride), take(stride * hidden));
        let (norms, table) = ((take(dim), take(dim)), take(vocabulary * hidden));
        let qkv = Matrix { weight: qkv, bias: Some(bias), inputs: hidden, outputs: stride };
        let table = Matrix { weight: table, bias: None, inputs: hidden, outputs: vocabulary };
        let arena = d.parameters(self.values(1, end));
        let w = Weights { arena: &arena, packed: None };
        let mut grads = d.zeros(end);
        let mut written: Written = Vec::new();
        let mut note = |name: &'static str, buffer: &D::Buffer| written.push((name, d.host(buffer).into_owned()));

        let (mut x, mut y, mut sum) = (d.zeros(rows * hidden), d.activations(rows * hidden), d.zeros(rows * hidden));
        d.embed(batch.tokens(), w, &table, &mut x);
        note("embed", &x);
        d.norm(rows, &exact(2, hidden), w, &norm, EPS, &mut y);
        note("norm", &y);
        d.add_norm(rows, &exact(2, hidden), &kept(3, hidden), &mut sum, w, &norm, EPS, &mut y);
        note("residual sum", &sum);
        note("norm of the sum", &y);
        d.norm_backward(rows, &exact(2, hidden), w, &norm, EPS, &kept(3, hidden), &mut sum, Some(&mut grads));
        note("norm, backward", &sum);
        d.embed_backward(batch.tokens(), &exact(4, hidden), &table, &mut grads);

        let mut wide = d.activations(rows * stride);
        d.linear(rows, &kept(5, hidden), w, &qkv, &mut wide);
        note("linear", &wide);
        d.linear_backward_input(rows, &kept(6, stride), w, &qkv, &mut y);
        note("linear, gradient of its input", &y);
        d.linear_backward_weight(rows, &kept(6, stride), &kept(5, hidden), &qkv, &mut grads);

        d.qk_norm(rows, heads, &kept(7, stride), w, &norms, EPS, &mut wide);
        note("QK-norm", &wide);
        let rotation = d.rotation(&self.values(8, dim / 2), 512);
        d.rope(batch.positions(), heads, &rotation, &mut wide, Direction::Forward);
        note("rotation", &wide);
        let (mut out, mut lse) = (d.activations(rows * width), d.zeros(rows * heads.queries));
        d.attention(batch, heads, &kept(9, stride), &mut out, &mut lse);
        note("attention", &out);
        note("attention, log of the sums", &lse);
        d.attention_backward(batch, heads, &kept(9, stride), &out, &lse, &kept(10, width), &mut wide);
        note("attention, backward", &wide);
        let mut dqkv = kept(11, stride);
        d.rope(batch.positions(), heads, &rotation, &mut dqkv, Direction::Backward);
        note("rotation, backward", &dqkv);
        d.qk_norm_backward(rows, heads, &kept(7, stride), w, &norms, EPS, &mut dqkv, Some(&mut grads));
        note("QK-norm, backward", &dqkv);

        let (mut gate_up, mut act) = (kept(12, 2 * ffn), d.activations(rows * ffn));
        d.swiglu(rows, ffn, &gate_up, &mut act);
        note("SwiGLU", &act);
        d.write(&mut act, 0, &self.values(13, rows * ffn));
        d.swiglu_backward(rows, ffn, &mut gate_up, &mut act);
        note("SwiGLU, backward", &gate_up);
        note("SwiGLU, computed again", &act);

        let some: Vec<u32> = (0..rows as u32).step_by(3).collect();
        d.gather(&exact(14, hidden), hidden, &some, &mut x);
        let mut spread = d.zeros(rows * hidden);
        d.scatter(&x, hidden, &some, rows, &mut spread);
        note("gathered and scattered", &spread);

        let targets: Vec<Target> =
            (0..rows).map(|row| Target { row: row as u32, token: (row * 7 % vocabulary) as u32 }).collect();
        let (mut state, (logp, entropy)) = (D::HeadState::default(), (self.values(15, rows), self.values(16, rows)));
        let found = d.head(rows, &kept(17, hidden), w, &table, 0.5, &targets, &mut state);
        let wanted = TargetGradients { logp: &logp, entropy: &entropy };
        let hidden_states = kept(17, hidden);
        let gradient = Some(&mut grads);
        d.head_backward(rows, &hidden_states, w, &table, 0.5, &targets, wanted, &mut state, &mut y, gradient);
        note("head, backward", &y);
        note("gradients", &grads);

        let (mut moved, mut moments) = (d.parameters(self.values(1, end)), d.moments(end, false));
        for update in 1..=3 {
            let (learning_rate, betas) = (0.01, (0.9, 0.95));
            let step = Step { learning_rate, betas, eps: 1e-8, weight_decay: 0.1, gradient_scale: 0.5, update };
            d.adamw(step, &[0..end / 3, end / 2..end], &mut moved, &d.upload(&self.values(18, end)), &mut moments);
        }
        note("AdamW", &moved);
        d.status().unwrap();
        let norm_of = d.norm_of(&d.upload(&self.values(18, end)));
        written.extend([("log-probabilities", found.logp), ("entropies", found.entropy)]);
        written.push(("norm of a buffer", vec![norm_of as f32]));
        written
    }
}

#[test]
fn operators_match_on_random_shapes() {
    for cuda in machines() {
        for number in 0..CASES {
            let case = Case::random(number);
            let Case { heads, hidden, ffn, vocabulary, batch, .. } = &case;
            let want = case.run(&Cpu::new(Threading::Serial));
            for ((name, found), (_, want)) in case.run(&cuda).into_iter().zip(want) {
                let (distance, lens) = (distance(&found, &want), batch.segments().iter().map(|s| s.len));
                let shapes = format!(
                    "{heads:?}, width {hidden}, {ffn}, vocabulary {vocabulary}, {:?}",
                    lens.collect::<Vec<_>>()
                );
                assert!(distance < DISTANCE, "{}, {name}: {distance} on case {number}: {shapes}", cuda.describe());
            }
        }
    }
}
