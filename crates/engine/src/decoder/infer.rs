//! Prefill and decoding: the same operators row by row, over caches instead of packed keys.
use super::Decoder;
use crate::batch::Packed;
use crate::device::{Device, Direction, Weights};

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
}

impl<D: Device> Scratch<D> {
    /// Space for passes of up to `rows` tokens, and for the logits of up to `last` of them.
    pub fn new(decoder: &Decoder<D>, rows: usize, last: usize) -> Self {
        let zeros = |width: usize| decoder.device.zeros(rows * width);
        let heads = decoder.heads;
        Self {
            rows,
            x: zeros(decoder.hidden),
            sum: zeros(decoder.hidden),
            normed: zeros(decoder.hidden),
            delta: zeros(decoder.hidden),
            raw: zeros(if decoder.layout.layers[0].qk_norm.is_some() { heads.stride() } else { 0 }),
            qkv: zeros(heads.stride()),
            attended: zeros(heads.width()),
            lse: zeros(heads.queries),
            gate_up: zeros(2 * decoder.ffn),
            act: zeros(decoder.ffn),
            logits: decoder.device.zeros(last * decoder.vocabulary()),
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
        self.layers(w, batch.tokens(), batch.positions(), s, |layer, s| {
            for (segment, cache) in batch.segments().iter().zip(caches.iter_mut()) {
                d.append(cache, layer, &s.qkv, segment.start, segment.len);
            }
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
        let positions: Vec<u32> = caches.iter().map(|c| d.cached(c) as u32).collect();
        self.layers(w, tokens, &positions, s, |layer, s| {
            for (b, cache) in caches.iter_mut().enumerate() {
                d.append(cache, layer, &s.qkv, b, 1);
            }
            let caches: Vec<&D::Cache> = caches.iter().map(|c| &**c).collect();
            d.decode_attention(&caches, layer, self.heads, &s.qkv, &mut s.attended);
        });
        d.norm(tokens.len(), &s.x, w, &self.layout.norm, self.eps, &mut s.normed);
        d.linear(tokens.len(), &s.normed, w, &self.layout.head, &mut s.logits);
        &s.logits
    }

    /// All layers; `attend(layer, scratch)` turns `scratch.qkv` into `scratch.attended`. The result is left in `s.x`.
    fn layers(
        &self,
        w: Weights<D>,
        tokens: &[u32],
        positions: &[u32],
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
            d.rope(positions, self.heads, &self.rotation, &mut s.qkv, Direction::Forward);
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
