//! Forward and backward over packed sequences.
use super::{Decoder, Frozen, Trained};
use crate::batch::{Packed, Target};
use crate::device::{Device, Direction, TargetGradients, TargetStatistics, Weights};

/// Whether a layer's activations are kept for its backward pass or computed again from the layer's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// Kept: the faster way.
    Keep,
    /// Computed again: memory of one layer instead of all, for one more forward pass of the layers. The same bits.
    Recompute,
}

/// What one layer keeps for its backward pass beside its input; the rest is computed again from it.
struct LayerTape<B> {
    /// Queries, keys and values before QK-norm and rotation; only with QK-norm.
    raw: Option<B>,
    /// Queries, keys and values as the attention reads them.
    qkv: B,
    /// Output of the attention, `[T, queries x dim]`.
    attended: B,
    /// Log of each softmax's sum, `[T, queries]`.
    lse: B,
    /// Residual stream between attention and feed-forward part, `[T, H]`.
    mid: B,
    /// Gate and up projections, `[T, 2F]`.
    gate_up: B,
}

/// Activations of one forward pass and scratch space, allocated once for micro-batches up to a size.
pub struct Tape<D: Device> {
    rows: usize,
    /// Input of each layer, `[T, H]`.
    inputs: Vec<D::Buffer>,
    /// One for each layer, or one for all if activations are recomputed.
    layers: Vec<LayerTape<D::Buffer>>,
    /// Output of the last layer, then gradient of the residual stream.
    x: D::Buffer,
    /// `[T, H]`
    normed: D::Buffer,
    /// `[T, H]`: what a sublayer adds, or the gradient of a norm's output.
    delta: D::Buffer,
    /// `[T, max(F, queries x dim)]`: activations, or the gradient of the attention's output.
    wide: D::Buffer,
    /// `[T, qkv]`: gradient of queries, keys and values.
    dqkv: D::Buffer,
    head: HeadTape<D>,
}

struct HeadTape<D: Device> {
    /// Distinct rows that targets refer to, in order.
    rows: Vec<u32>,
    /// Targets with their row replaced by its index in `rows`, in order of row.
    targets: Vec<Target>,
    /// Where each target stands in the caller's list.
    order: Vec<usize>,
    x: D::Buffer,
    normed: D::Buffer,
    /// Gradient of `x`.
    dx: D::Buffer,
    state: D::HeadState,
    scale: f32,
}

/// Log-probability and entropy of every target, in the caller's order.
pub type Predictions = TargetStatistics;

impl<D: Device> Tape<D> {
    /// A tape for micro-batches of up to `rows` tokens.
    pub fn new(decoder: &Decoder<D>, rows: usize, keep: Activations) -> Self {
        let zeros = |width: usize| decoder.device.zeros(rows * width);
        let activations = |width: usize| decoder.device.activations(rows * width);
        let (hidden, heads) = (decoder.hidden, decoder.heads);
        let layer = |l: &crate::layout::Layer| LayerTape {
            raw: l.qk_norm.as_ref().map(|_| activations(heads.stride())),
            qkv: activations(heads.stride()),
            attended: activations(heads.width()),
            lse: zeros(heads.queries),
            mid: zeros(hidden),
            gate_up: activations(2 * decoder.ffn),
        };
        let layers = &decoder.layout.layers;
        let kept = match keep {
            Activations::Keep => layers.len(),
            Activations::Recompute => 1,
        };
        Self {
            rows,
            inputs: layers.iter().map(|_| zeros(hidden)).collect(),
            layers: layers[..kept].iter().map(layer).collect(),
            x: zeros(hidden),
            normed: activations(hidden),
            delta: activations(hidden),
            wide: activations(decoder.ffn.max(heads.width())),
            dqkv: activations(heads.stride()),
            head: HeadTape {
                rows: Vec::new(),
                targets: Vec::new(),
                order: Vec::new(),
                x: zeros(hidden),
                normed: activations(hidden),
                dx: zeros(hidden),
                state: D::HeadState::default(),
                scale: 1.0,
            },
        }
    }

    /// Most tokens of a micro-batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of the activations that [`Activations::Keep`] keeps for `rows` tokens.
    pub fn kept_bytes(decoder: &Decoder<D>, rows: usize) -> usize {
        let heads = decoder.heads;
        let qkv = if decoder.layout.layers[0].qk_norm.is_some() { 2 } else { 1 } * heads.stride();
        let exact = 2 * decoder.hidden + heads.queries;
        let activations = qkv + heads.width() + 2 * decoder.ffn;
        (4 * exact + D::ACTIVATION_BYTES * activations) * rows * decoder.layout.layers.len()
    }
}

impl<D: Device> Decoder<D> {
    /// Log-probabilities of `targets` under `softmax(logits * scale)`, keeping what [`Decoder::backward`] needs.
    ///
    /// # Panics
    /// If the batch has more tokens than the tape has rows, or a token or position is out of range.
    pub fn forward(
        &self,
        w: Weights<D>,
        batch: &Packed,
        targets: &[Target],
        scale: f32,
        tape: &mut Tape<D>,
    ) -> Predictions {
        self.hidden_states(w, batch, tape);
        self.predict(w, targets, scale, tape)
    }

    /// Runs the layers; the residual stream of the last is left in `tape.x`.
    fn hidden_states(&self, w: Weights<D>, batch: &Packed, tape: &mut Tape<D>) {
        let (d, rows) = (&self.device, batch.len());
        assert!(rows <= tape.rows, "{rows} tokens on a tape of {} rows", tape.rows);
        let Tape { inputs, layers, x, normed, delta, wide, .. } = tape;
        d.embed(batch.tokens(), w, &self.layout.embedding, &mut inputs[0]);
        d.norm(rows, &inputs[0], w, &self.layout.layers[0].input_norm, self.eps, normed);
        for l in 0..inputs.len() {
            let (now, later) = inputs[l..].split_at_mut(1);
            let kept = l % layers.len();
            self.attend(w, batch, l, &now[0], &mut layers[kept], normed, delta);
            let LayerTape { mid, gate_up, .. } = &layers[kept];
            d.swiglu(rows, self.ffn, gate_up, wide);
            d.linear(rows, wide, w, &self.layout.layers[l].down, delta);
            match (later.first_mut(), self.layout.layers.get(l + 1)) {
                (Some(later), Some(next)) => {
                    d.add_norm(rows, mid, delta, later, w, &next.input_norm, self.eps, normed);
                }
                _ => d.add(rows * self.hidden, mid, delta, x),
            }
        }
    }

    /// Layer `l` on its input `x`, whose norm is in `normed`, up to the gate and up projections: all that its backward pass reads.
    fn attend(
        &self,
        w: Weights<D>,
        batch: &Packed,
        l: usize,
        x: &D::Buffer,
        kept: &mut LayerTape<D::Buffer>,
        normed: &mut D::Buffer,
        delta: &mut D::Buffer,
    ) {
        let (d, rows, layer) = (&self.device, batch.len(), &self.layout.layers[l]);
        match (&mut kept.raw, &layer.qk_norm) {
            (Some(raw), Some(norms)) => {
                d.linear(rows, normed, w, &layer.qkv, raw);
                d.qk_norm(rows, self.heads, raw, w, norms, self.eps, &mut kept.qkv);
            }
            _ => d.linear(rows, normed, w, &layer.qkv, &mut kept.qkv),
        }
        d.rope(batch.positions(), self.heads, &self.rotation, &mut kept.qkv, Direction::Forward);
        d.attention(batch, self.heads, &kept.qkv, &mut kept.attended, &mut kept.lse);
        d.linear(rows, &kept.attended, w, &layer.output, delta);
        d.add_norm(rows, x, delta, &mut kept.mid, w, &layer.mlp_norm, self.eps, normed);
        d.linear(rows, normed, w, &layer.gate_up, &mut kept.gate_up);
    }

    /// Final norm and head, over the rows that a target refers to.
    fn predict(&self, w: Weights<D>, targets: &[Target], scale: f32, tape: &mut Tape<D>) -> Predictions {
        let (d, head) = (&self.device, &mut tape.head);
        head.order = (0..targets.len()).collect();
        head.order.sort_by_key(|&i| targets[i].row);
        head.rows.clear();
        head.targets.clear();
        for &i in &head.order {
            if head.rows.last() != Some(&targets[i].row) {
                head.rows.push(targets[i].row);
            }
            head.targets.push(Target { row: head.rows.len() as u32 - 1, token: targets[i].token });
        }
        head.scale = scale;
        let rows = head.rows.len();
        d.gather(&tape.x, self.hidden, &head.rows, &mut head.x);
        d.norm(rows, &head.x, w, &self.layout.norm, self.eps, &mut head.normed);
        let sorted = d.head(rows, &head.normed, w, &self.layout.head, scale, &head.targets, &mut head.state);
        let mut found = Predictions { logp: vec![0.0; targets.len()], entropy: vec![0.0; targets.len()] };
        for (k, &i) in head.order.iter().enumerate() {
            found.logp[i] = sorted.logp[k];
            found.entropy[i] = sorted.entropy[k];
        }
        found
    }

    /// Adds the gradient of `sum_i grad_logp[i] logp[i]` by every parameter to `grads`, for the targets of the last
    /// [`Decoder::forward`] on this tape, whose activations are used up.
    pub fn backward(
        &self,
        w: Weights<D>,
        batch: &Packed,
        grad_logp: &[f32],
        tape: &mut Tape<D>,
        grads: &mut D::Buffer,
    ) {
        let frozen = &Frozen::default();
        self.backward_to(w, batch, grad_logp.into(), tape, Trained::Parameters { grads, frozen });
    }

    /// As [`Decoder::backward`], for what is trained alone, and for losses that read the entropies as well.
    pub fn backward_to(
        &self,
        w: Weights<D>,
        batch: &Packed,
        wanted: TargetGradients,
        tape: &mut Tape<D>,
        mut trained: Trained<D>,
    ) {
        let (d, rows, eps) = (&self.device, batch.len(), self.eps);
        self.backward_of_head(w, wanted, tape, &mut trained, rows);
        let Tape { inputs, layers, x: dx, normed, delta, wide, dqkv, .. } = tape;
        for (l, layer) in self.layout.layers.iter().enumerate().rev() {
            if !trained.reaches(l) {
                return;
            }
            let (place, recompute) = (l % layers.len(), layers.len() < inputs.len());
            let (x, kept) = (&inputs[l], &mut layers[place]);
            // The last layer's are still those of the forward pass.
            if recompute && l + 1 < inputs.len() {
                d.norm(rows, x, w, &layer.input_norm, eps, normed);
                self.attend(w, batch, l, x, kept, normed, delta);
            }
            // Feed-forward part.
            d.linear_backward_input(rows, dx, w, &layer.down, wide);
            d.swiglu_backward(rows, self.ffn, &mut kept.gate_up, wide);
            trained.linear(d, rows, dx, wide, &layer.down);
            d.norm(rows, &kept.mid, w, &layer.mlp_norm, eps, normed);
            trained.linear(d, rows, &kept.gate_up, normed, &layer.gate_up);
            d.linear_backward_input(rows, &kept.gate_up, w, &layer.gate_up, delta);
            let grads = trained.parameter(&layer.mlp_norm);
            d.norm_backward(rows, &kept.mid, w, &layer.mlp_norm, eps, delta, dx, grads);
            // Attention.
            trained.linear(d, rows, dx, &kept.attended, &layer.output);
            d.linear_backward_input(rows, dx, w, &layer.output, wide);
            d.attention_backward(batch, self.heads, &kept.qkv, &kept.attended, &kept.lse, wide, dqkv);
            d.rope(batch.positions(), self.heads, &self.rotation, dqkv, Direction::Backward);
            if let (Some(raw), Some(norms)) = (&kept.raw, &layer.qk_norm) {
                d.qk_norm_backward(rows, self.heads, raw, w, norms, eps, dqkv, trained.norms(norms));
            }
            d.norm(rows, x, w, &layer.input_norm, eps, normed);
            trained.linear(d, rows, dqkv, normed, &layer.qkv);
            d.linear_backward_input(rows, dqkv, w, &layer.qkv, delta);
            let grads = trained.parameter(&layer.input_norm);
            d.norm_backward(rows, x, w, &layer.input_norm, eps, delta, dx, grads);
        }
        if let Some(grads) = trained.parameter(&self.layout.embedding.weight) {
            d.embed_backward(batch.tokens(), dx, &self.layout.embedding, grads);
        }
    }

    /// Head and final norm: the gradient of the residual stream is left in `tape.x`.
    fn backward_of_head(
        &self,
        w: Weights<D>,
        wanted: TargetGradients,
        tape: &mut Tape<D>,
        trained: &mut Trained<D>,
        rows: usize,
    ) {
        let (d, Tape { x: dx, delta, head, .. }) = (&self.device, tape);
        let sorted = |of: &[f32]| -> Vec<f32> { head.order.iter().filter_map(|&i| of.get(i).copied()).collect() };
        let (logp, entropy) = (sorted(wanted.logp), sorted(wanted.entropy));
        let count = head.rows.len();
        d.head_backward(
            count,
            &head.normed,
            w,
            &self.layout.head,
            head.scale,
            &head.targets,
            TargetGradients { logp: &logp, entropy: &entropy },
            &mut head.state,
            delta,
            trained.parameter(&self.layout.head.weight),
        );
        d.clear_range(&mut head.dx, 0..count * self.hidden);
        let grads = trained.parameter(&self.layout.norm);
        d.norm_backward(count, &head.x, w, &self.layout.norm, self.eps, delta, &mut head.dx, grads);
        d.scatter(&head.dx, self.hidden, &head.rows, rows, dx);
    }
}
