//! What is not an operator of a model: errors, memory, edits.
use super::{EMULATED_BYTES, distance, emulated_machine, golden, machines};
use crate::batch::Target;
use crate::config::ModelConfig;
use crate::cuda::head::HeadState;
use crate::cuda::{Cuda, Forward};
use crate::decoder::{Activations, Decoder, Tape};
use crate::device::{Device, DeviceError, TargetGradients, Weights};
use crate::layout::Matrix;
use crate::model::Model;

/// A machine whose memory is too small says so once, computes nothing, and panics nowhere.
#[test]
fn out_of_memory_is_an_error_that_says_what_to_do() {
    let Some(cuda) = emulated_machine(1 << 20) else { return };
    let folder = golden("qwen2");
    let (model, _) = Model::load(&folder, ModelConfig::from_folder(&folder).unwrap()).unwrap();
    let decoder = Decoder::new(cuda.clone(), &model.config, 64);
    let arena = cuda.parameters(model.weights.clone());
    let mut tape = Tape::new(&decoder, 8192, Activations::Keep);
    let error = cuda.status().unwrap_err();
    assert!(matches!(error, DeviceError::OutOfMemory { total: 1_048_576, .. }), "{error}");
    assert!(error.to_string().contains("of 1.0 MiB are free"), "{error}");
    let mut batch = crate::batch::Packed::default();
    batch.push(&[1, 2, 3], None);
    let targets = [crate::batch::Target { row: 0, token: 2 }];
    let w = Weights { arena: &arena, packed: None };
    let found = decoder.forward(w, &batch, &targets, 1.0, &mut tape);
    assert_eq!(found.logp.len(), 1);
    assert_eq!(cuda.status().unwrap_err(), error);
}

#[test]
fn buffers_come_back_as_they_went() {
    for cuda in machines() {
        let values: Vec<f32> = (0..1000).map(|i| i as f32 * 0.37 - 100.0).collect();
        let mut buffer = cuda.upload(&values);
        assert_eq!(cuda.host(&buffer), values);
        cuda.write(&mut buffer, 10, &[1.0, 2.0]);
        cuda.clear_range(&mut buffer, 20..25);
        cuda.edit(&mut buffer, &mut |values| values[30] = 7.5);
        let mut part = [9.0; 21];
        cuda.download(&buffer, 10..31, &mut part);
        assert_eq!((part[0], part[1], part[2]), (1.0, 2.0, values[12]));
        assert_eq!((part[10], part[14], part[15], part[20]), (0.0, 0.0, values[25], 7.5));
        // Rounded values are those of the format.
        let rounded = cuda.host(&cuda.constants(values.clone())).into_owned();
        assert!(rounded.iter().zip(&values).all(|(r, v)| *r == half::bf16::from_f32(*v).to_f32()));
        let norm = cuda.norm_of(&cuda.upload(&values));
        let want = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        assert!((norm / want - 1.0).abs() < 1e-12);
        cuda.wait().unwrap();
    }
}

#[test]
fn the_library_adds_a_bias_wherever_it_lies() {
    for cuda in machines() {
        let library = cuda.with_forward(Forward::Library);
        let (inputs, outputs, rows) = (16, 24, 3);
        let values = |len: usize| -> Vec<f32> { (0..len).map(|i| (i * 7 % 11) as f32 - 5.0).collect() };
        for bias in [8, 9] {
            let (end, weight) = (bias + outputs, 64);
            let m = Matrix { weight: weight..weight + outputs * inputs, bias: Some(bias..end), inputs, outputs };
            let arena = library.constants(values(m.weight.end));
            let x = library.constants(values(rows * inputs));
            let mut y = library.activations(rows * outputs);
            library.linear(rows, &x, Weights { arena: &arena, packed: None }, &m, &mut y);
            library.status().unwrap();
            let (w, x) = (values(m.weight.end), values(rows * inputs));
            for (i, &got) in library.host(&y).iter().enumerate() {
                let (row, output) = (i / outputs, i % outputs);
                let terms = (0..inputs).map(|k| x[row * inputs + k] * w[weight + output * inputs + k]);
                let want = w[bias + output] + terms.sum::<f32>();
                assert_eq!(got, half::bf16::from_f32(want).to_f32(), "bias at {bias}, output {output}");
            }
        }
    }
}

#[test]
fn logits_that_are_kept_give_the_bits_of_those_that_are_computed_again() {
    let (rows, hidden, vocabulary) = (150, 32, 200);
    let table = Matrix { weight: 0..vocabulary * hidden, bias: None, inputs: hidden, outputs: vocabulary };
    let values = |len: usize| -> Vec<f32> { (0..len).map(|i| (i * 7 % 23) as f32 / 11.0 - 1.0).collect() };
    // Two targets in some rows, none in others.
    let targets: Vec<Target> = (0..2 * rows)
        .filter(|i| i % 5 > 1)
        .map(|i| Target { row: (i / 2) as u32, token: (i * 13 % vocabulary) as u32 })
        .collect();
    for cuda in machines() {
        let arena = cuda.constants(values(table.weight.end));
        let x = cuda.constants(values(rows * hidden));
        let w = Weights { arena: &arena, packed: None };
        let pass = |mut state: HeadState, kept: usize| {
            cuda.keep_logits(kept);
            let (mut dx, mut grads) = (cuda.activations(rows * hidden), cuda.zeros(table.weight.end));
            let found = cuda.head(rows, &x, w, &table, 0.7, &targets, &mut state);
            let of = values(targets.len());
            let wanted = TargetGradients { logp: &of, entropy: &[] };
            cuda.head_backward(rows, &x, w, &table, 0.7, &targets, wanted, &mut state, &mut dx, Some(&mut grads));
            cuda.status().unwrap();
            (found.logp, found.entropy, cuda.host(&dx).into_owned(), cuda.host(&grads).into_owned())
        };
        let (at_once, again, kept) =
            (pass(HeadState::default(), 0), pass(HeadState::in_blocks(1), 0), pass(HeadState::in_blocks(1), 1 << 20));
        assert!(again == kept, "on {}", cuda.describe());
        assert_eq!((&at_once.0, &at_once.1), (&kept.0, &kept.1));
        // Their sum over rows is rounded otherwise.
        assert!(distance(&at_once.2, &kept.2) < 1e-3 && distance(&at_once.3, &kept.3) < 1e-3);
    }
}

#[test]
fn models_that_the_kernels_cannot_compute_are_refused() {
    for cuda in machines() {
        let mut config = ModelConfig::from_folder(&golden("llama")).unwrap();
        config.head_dim = 256;
        let said = cuda.supports(&config).unwrap_err().to_string();
        assert!(said.contains("have 256") && said.contains("--device cpu"), "{said}");
    }
}

/// As far as one GPU allows: a group of one process sums to what it had.
#[test]
fn a_group_of_one_sums_to_itself() {
    for cuda in machines() {
        let name = match cuda.name_group() {
            Ok(name) => name.unwrap(),
            Err(error) => {
                eprintln!("skipped: {error}");
                continue;
            }
        };
        let group = cuda.join(&name, 0, 1).unwrap();
        let values: Vec<f32> = (0..100_000).map(|i| i as f32).collect();
        let mut buffer = cuda.upload(&values);
        cuda.sum(&group, &mut buffer);
        cuda.status().unwrap();
        assert_eq!(cuda.host(&buffer), values);
    }
}

/// Three emulated machines, each driven by a thread: the sum is everywhere, and a bfloat16 copy made before it is not used on.
#[test]
fn a_group_of_several_sums_everywhere() {
    let machines: Vec<Cuda> = (0..3).filter_map(|_| emulated_machine(EMULATED_BYTES)).collect();
    let Some(name) = machines.first().map(|cuda| cuda.name_group().unwrap().unwrap()) else { return };
    let (rows, inputs, outputs) = (4, 8, 16);
    let matrix = Matrix { weight: 0..inputs * outputs, bias: None, inputs, outputs };
    std::thread::scope(|scope| {
        for (rank, cuda) in machines.iter().enumerate() {
            let (name, matrix) = (&name, &matrix);
            scope.spawn(move || {
                let group = cuda.join(name, rank, 3).unwrap();
                let mut w = cuda.parameters(vec![(rank + 1) as f32; inputs * outputs]);
                let (x, mut y) = (cuda.upload(&vec![1.0; rows * inputs]), cuda.zeros(rows * outputs));
                // Makes the copy that products read.
                cuda.linear(rows, &x, Weights { arena: &w, packed: None }, matrix, &mut y);
                cuda.sum(&group, &mut w);
                cuda.linear(rows, &x, Weights { arena: &w, packed: None }, matrix, &mut y);
                cuda.status().unwrap();
                assert!(cuda.host(&w).iter().all(|&value| value == 6.0), "rank {rank}");
                assert!(cuda.host(&y).iter().all(|&value| value == 48.0), "rank {rank}: {:?}", cuda.host(&y));
            });
        }
    });
}
