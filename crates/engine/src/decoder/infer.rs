//! Prefill and decoding: the same operators row by row, over caches instead of packed keys.
use super::Decoder;
use crate::batch::Packed;
use crate::device::{Device, Weights};
use std::ops::Range;

/// Buffers of an inference pass.
pub struct Scratch<D: Device> {
    rows: usize,
    x: D::Buffer,
    sum: D::Buffer,
    normed: D::Buffer,
    delta: D::Buffer,
    raw: D::Buffer,
    qkv: D::Buffer,
    attended: D::Buffer,
    lse: D::Buffer,
    gate_up: D::Buffer,
    act: D::Buffer,
    logits: D::Buffer,
    steps: D::Steps,
}

impl<D: Device> Scratch<D> {
    /// Space for passes of up to `rows` tokens, and for the logits of up to `last` of them.
    pub fn new(decoder: &Decoder<D>, rows: usize, last: usize) -> Self {
        let (rows, last) = (decoder.device.step_rows(rows), decoder.device.step_rows(last));
        let zeros = |width: usize| decoder.device.zeros(rows * width);
        let activations = |width: usize| decoder.device.activations(rows * width);
        let heads = decoder.heads;
        Self {
            rows,
            x: zeros(decoder.hidden),
            sum: zeros(decoder.hidden),
            normed: activations(decoder.hidden),
            delta: activations(decoder.hidden),
            raw: activations(if decoder.layout.layers[0].qk_norm.is_some() { heads.stride() } else { 0 }),
            qkv: activations(heads.stride()),
            attended: activations(heads.width()),
            lse: zeros(heads.queries),
            gate_up: activations(2 * decoder.ffn),
            act: activations(decoder.ffn),
            logits: decoder.device.zeros(last * decoder.vocabulary()),
            steps: D::Steps::default(),
        }
    }
}

impl<D: Device> Decoder<D> {
    /// An empty cache, that continues `prefix` if given.
    pub fn cache(&self, prefix: Option<std::sync::Arc<D::Cache>>) -> D::Cache {
        self.device.cache(self.layout.layers.len(), self.heads, prefix)
    }

    /// Fills `caches[s]` with the keys and values of segment `s`, and returns the logits of every segment's last
    /// token, `[segments, V]`. Segments must have no prefix.
    pub fn prefill<'s>(
        &self,
        w: Weights<D>,
        batch: &Packed,
        caches: &mut [D::Cache],
        s: &'s mut Scratch<D>,
    ) -> &'s D::Buffer {
        let d = &self.device;
        assert!(batch.len() <= s.rows && caches.len() == batch.segments().len());
        let rows: Vec<Range<usize>> = batch.segments().iter().map(|s| s.start..s.start + s.len).collect();
        let mut caches: Vec<&mut D::Cache> = caches.iter_mut().collect();
        self.layers(w, batch.tokens(), s, |layer, s| {
            d.rope_append(&mut caches, layer, batch.positions(), self.heads, &self.rotation, &mut s.qkv, &rows);
            d.attention(batch, self.heads, &s.qkv, &mut s.attended, &mut s.lse);
        });
        let last: Vec<u32> = batch.segments().iter().map(|s| (s.start + s.len - 1) as u32).collect();
        d.gather(&s.x, self.hidden, &last, &mut s.sum);
        d.norm(last.len(), &s.sum, w, &self.layout.norm, self.eps, &mut s.normed);
        d.linear(last.len(), &s.normed, w, &self.layout.head, &mut s.logits);
        &s.logits
    }

    /// One step of decoding: `tokens[b]` follows what `caches[b]` holds, and joins it. Returns the logits, `[B, V]`.
    pub fn decode<'s>(
        &self,
        w: Weights<D>,
        tokens: &[u32],
        caches: &mut [&mut D::Cache],
        s: &'s mut Scratch<D>,
    ) -> &'s D::Buffer {
        let d = &self.device;
        assert!(tokens.len() <= s.rows && tokens.len() == caches.len());
        let rows = d.step_rows(tokens.len());
        let mut positions: Vec<u32> = caches.iter().map(|c| d.cached(c) as u32).collect();
        let mut tokens = tokens.to_vec();
        positions.resize(rows, 0);
        tokens.resize(rows, 0);
        let own: Vec<Range<usize>> = (0..caches.len()).map(|b| b..b + 1).collect();
        // Taken out, so that the operators can borrow the rest.
        let mut steps = std::mem::take(&mut s.steps);
        d.step(&mut steps, w.arena, &tokens, &positions, caches, &mut |caches| {
            self.layers(w, &tokens, s, |layer, s| {
                d.rope_append(caches, layer, &positions, self.heads, &self.rotation, &mut s.qkv, &own);
                let caches: Vec<&D::Cache> = caches.iter().map(|c| &**c).collect();
                d.decode_attention(&caches, layer, self.heads, &s.qkv, &mut s.attended);
            });
            d.norm(rows, &s.x, w, &self.layout.norm, self.eps, &mut s.normed);
            d.linear(rows, &s.normed, w, &self.layout.head, &mut s.logits);
        });
        s.steps = steps;
        &s.logits
    }

    /// All layers; `attend(layer, scratch)` rotates `scratch.qkv` and turns it into `scratch.attended`. The result is left in `s.x`.
    fn layers(
        &self,
        w: Weights<D>,
        tokens: &[u32],
        s: &mut Scratch<D>,
        mut attend: impl FnMut(usize, &mut Scratch<D>),
    ) {
        let (d, rows, eps) = (&self.device, tokens.len(), self.eps);
        d.embed(tokens, w, &self.layout.embedding, &mut s.x);
        d.norm(rows, &s.x, w, &self.layout.layers[0].input_norm, eps, &mut s.normed);
        for (l, layer) in self.layout.layers.iter().enumerate() {
            match &layer.qk_norm {
                Some(norms) => {
                    d.linear(rows, &s.normed, w, &layer.qkv, &mut s.raw);
                    d.qk_norm(rows, self.heads, &s.raw, w, norms, eps, &mut s.qkv);
                }
                None => d.linear(rows, &s.normed, w, &layer.qkv, &mut s.qkv),
            }
            attend(l, s);
            d.linear(rows, &s.attended, w, &layer.output, &mut s.delta);
            d.add_norm(rows, &s.x, &s.delta, &mut s.sum, w, &layer.mlp_norm, eps, &mut s.normed);
            d.linear(rows, &s.normed, w, &layer.gate_up, &mut s.gate_up);
            d.swiglu(rows, self.ffn, &s.gate_up, &mut s.act);
            d.linear(rows, &s.act, w, &layer.down, &mut s.delta);
            match self.layout.layers.get(l + 1) {
                Some(next) => d.add_norm(rows, &s.sum, &s.delta, &mut s.x, w, &next.input_norm, eps, &mut s.normed),
                None => d.add(rows * self.hidden, &s.sum, &s.delta, &mut s.x),
            }
        }
    }
}
