//! The matrices of a model, laid out for products with few rows.
use super::Cpu;
use super::linear::Weight;
use super::panel::{pack_rows, panel_len};
use super::parallel::{Shared, Threading};
use crate::device::Weights;
use crate::layout::Matrix;
use std::collections::HashMap;
use std::ops::Range;

/// Every matrix of a model as panels of its rows.
pub struct PackedMatrices {
    panels: Vec<f32>,
    places: HashMap<usize, Range<usize>>,
}

impl PackedMatrices {
    /// Panels of `matrices`, which lie in `arena`.
    pub(super) fn new(threading: Threading, arena: &[f32], matrices: &[&Matrix]) -> Self {
        let mut places = HashMap::new();
        let mut next = 0;
        for m in matrices {
            places.entry(m.weight.start).or_insert_with(|| {
                next += panel_len(m.outputs, m.inputs);
                next - panel_len(m.outputs, m.inputs)..next
            });
        }
        let mut panels = vec![0.0; next];
        let shared = Shared::new(&mut panels);
        for m in matrices {
            let to = &places[&m.weight.start];
            threading.rows(m.outputs, 64, |first, count| {
                let from = &arena[m.weight.start + first * m.inputs..][..count * m.inputs];
                // SAFETY: each task has its own panels.
                let panels = unsafe { shared.slice(to.start + first * m.inputs, panel_len(count, m.inputs)) };
                pack_rows(from, count, m.inputs, panels);
            });
        }
        PackedMatrices { panels, places }
    }
}

/// A matrix as products take it: its panels where there are some.
pub(super) fn weight<'a>(w: Weights<'a, Cpu>, m: &Matrix) -> Weight<'a> {
    let panels = w.packed.and_then(|p| p.places.get(&m.weight.start).map(|at| &p.panels[at.clone()]));
    Weight { data: &w.arena[m.weight.clone()], panels, outputs: m.outputs, inputs: m.inputs }
}
