use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::config::ModelConfig;

fn golden(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/models").join(model)
}

/// Names and shapes.
type Tensors = Vec<(String, Vec<usize>)>;

/// A file with this header text and as many zero bytes of data.
fn file_with(header: &str, data: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn open_error(header: &str, data: usize) -> FolderError {
    let (folder, path) = file_with(header, data);
    let error = TensorFolder::open(folder.path()).unwrap_err();
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    error
}

#[test]
fn every_format_round_trips_to_its_own_precision() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let values: Vec<f32> = (0..1500).map(|i| ((i as f32) - 700.3) * 0.01).collect();
    let scalar = [f32::MIN_POSITIVE];
    for (dtype, tolerance) in [(Dtype::F32, 0.0), (Dtype::F16, 1.0 / 2048.0), (Dtype::BF16, 1.0 / 256.0)] {
        let tensors = [("b", [3, 500].as_slice(), values.as_slice()), ("a", &[1], &scalar), ("empty", &[0, 4], &[])];
        write_safetensors(&path, tensors, dtype).unwrap();
        let opened = TensorFolder::open(folder.path()).unwrap();
        assert_eq!(opened.names().collect::<Vec<_>>(), ["a", "b", "empty"]);
        assert_eq!((opened.shape("b"), opened.shape("c")), (Some([3, 500].as_slice()), None));
        let mut read = vec![f32::NAN; 1500];
        opened.read_into("b", &mut read).unwrap();
        for (read, value) in read.iter().zip(&values) {
            assert!((read - value).abs() <= tolerance * value.abs(), "{dtype:?}: {read} instead of {value}");
        }
        opened.read_into("empty", &mut []).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
}

#[test]
fn halves_are_rounded_to_nearest_even() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let values = [1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, -0.0, f32::INFINITY];
    write_safetensors(&path, [("x", [4].as_slice(), values.as_slice())], Dtype::BF16).unwrap();
    let mut read = [0.0; 4];
    TensorFolder::open_file(&path).unwrap().read_into("x", &mut read).unwrap();
    assert_eq!(read.map(f32::to_bits), [1.0, 1.0 + 1.0 / 64.0, -0.0, f32::INFINITY].map(f32::to_bits));
}

#[test]
fn reads_folders_of_transformers_single_and_sharded() {
    for model in ["llama", "qwen2", "qwen3"] {
        let config = ModelConfig::from_folder(&golden(model)).unwrap();
        let opened = TensorFolder::open(&golden(model)).unwrap();
        for parameter in config.parameters() {
            assert_eq!(opened.dtype(&parameter.name).unwrap(), config.dtype);
            let mut values = vec![f32::NAN; parameter.len()];
            opened.read_into(&parameter.name, &mut values).unwrap();
            assert!(values.iter().all(|value| value.abs() < 8.0), "{model}: {}", parameter.name);
        }
    }
}

#[test]
fn a_saved_folder_reads_back_the_same() {
    let target = tempfile::tempdir().unwrap();
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("tokenizer.json"), "{}").unwrap();
    fs::write(source.path().join("generation_config.json"), r#"{"eos_token_id": 7}"#).unwrap();
    fs::create_dir(source.path().join("additional_chat_templates")).unwrap();
    fs::write(source.path().join("additional_chat_templates/tool.jinja"), "t").unwrap();
    let config = ModelConfig::from_folder(&golden("qwen2")).unwrap();
    let opened = TensorFolder::open(&golden("qwen2")).unwrap();
    let read = |folder: &TensorFolder, parameter: &crate::config::Parameter| {
        let mut values = vec![0.0; parameter.len()];
        folder.read_into(&parameter.name, &mut values).unwrap();
        values
    };
    let parameters = config.parameters();
    let values: Vec<_> = parameters.iter().map(|parameter| read(&opened, parameter)).collect();
    let tensors = || parameters.iter().zip(&values).map(|(p, v)| (p.name.as_str(), p.shape.as_slice(), v.as_slice()));

    save_folder(target.path(), &config, tensors(), Dtype::F32, Some(source.path())).unwrap();
    let saved = ModelConfig::from_folder(target.path()).unwrap();
    assert_eq!(saved, ModelConfig { dtype: Dtype::F32, ..config.clone() });
    let opened = TensorFolder::open(target.path()).unwrap();
    assert_eq!(opened.check(&saved).unwrap(), Vec::<String>::new());
    for (parameter, values) in parameters.iter().zip(&values) {
        assert_eq!(&read(&opened, parameter), values);
    }
    for (name, text) in [
        ("tokenizer.json", "{}"),
        ("generation_config.json", r#"{"eos_token_id": 7}"#),
        ("additional_chat_templates/tool.jinja", "t"),
    ] {
        assert_eq!(fs::read_to_string(target.path().join(name)).unwrap(), text);
    }
    // Without a source the generation config is made from the model's.
    save_folder(target.path(), &config, tensors(), Dtype::BF16, None).unwrap();
    let generation = fs::read_to_string(target.path().join("generation_config.json")).unwrap();
    assert!(generation.contains("\"eos_token_id\": 2"), "{generation}");
}

#[test]
fn missing_extra_and_misshapen_tensors_are_named() {
    let config = ModelConfig::from_folder(&golden("llama")).unwrap();
    let parameters = config.parameters();
    let zeros = vec![0.0; parameters.iter().map(|p| p.len()).max().unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let write = |change: &dyn Fn(&mut Tensors)| {
        let mut list: Vec<_> = parameters.iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
        change(&mut list);
        let tensors = list
            .iter()
            .map(|(name, shape)| (name.as_str(), shape.as_slice(), &zeros[..shape.iter().product::<usize>()]));
        write_safetensors(&path, tensors, Dtype::F32).unwrap();
        TensorFolder::open(folder.path()).unwrap().check(&config)
    };

    let missing = write(&|list| drop(list.remove(3))).unwrap_err();
    let expected = format!(
        "{}: tensor `model.layers.0.self_attn.k_proj.weight` is missing, expected shape [16, 32]",
        path.display()
    );
    assert_eq!(missing.to_string(), expected);
    assert!(matches!(missing, FolderError::MissingTensor { .. }));

    let wrong = write(&|list| list[0].1 = vec![96, 32]).unwrap_err();
    let expected =
        format!("{}: tensor `model.embed_tokens.weight`: expected shape [97, 32], found [96, 32]", path.display());
    assert_eq!(wrong.to_string(), expected);

    let extra = write(&|list| {
        list.push(("model.vision.weight".into(), vec![2]));
        list.push(("model.layers.0.self_attn.rotary_emb.inv_freq".into(), vec![4]));
    });
    assert_eq!(extra.unwrap(), ["model.vision.weight"]);

    let opened = TensorFolder::open(folder.path()).unwrap();
    assert!(matches!(opened.read_into("model.norm.weight", &mut [0.0; 31]), Err(FolderError::Shape { .. })));
    assert!(matches!(opened.read_into("none", &mut []), Err(FolderError::MissingTensor { .. })));
}

#[test]
fn a_tied_model_may_carry_a_copy_of_its_head() {
    let config = ModelConfig::from_folder(&golden("qwen3")).unwrap();
    let mut list: Vec<_> = config.parameters();
    list.push(crate::config::Parameter { name: "lm_head.weight".into(), shape: vec![97, 32] });
    let zeros = vec![0.0; 97 * 64];
    let folder = tempfile::tempdir().unwrap();
    let tensors = list.iter().map(|p| (p.name.as_str(), p.shape.as_slice(), &zeros[..p.len()]));
    write_safetensors(&folder.path().join("model.safetensors"), tensors, Dtype::F32).unwrap();
    assert!(TensorFolder::open(folder.path()).unwrap().check(&config).unwrap().is_empty());
}

#[test]
fn every_truncation_is_an_error_that_says_so() {
    let bytes = fs::read(golden("llama").join("model.safetensors")).unwrap();
    let header_end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for length in [0, 1, 7, 8, 9, header_end - 1, header_end, header_end + 1, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = TensorFolder::open(folder.path()).unwrap_err();
        assert!(matches!(&error, FolderError::Truncated { found, .. } if *found == length as u64), "{length}: {error}");
        if length >= header_end {
            assert!(error.to_string().contains("tensor `"), "{error}");
        }
    }
    fs::write(&path, &bytes).unwrap();
    TensorFolder::open(folder.path()).unwrap();
}

#[test]
fn hostile_headers_are_errors() {
    let tensor = |fields: &str| format!(r#"{{"x": {{{fields}}}}}"#);
    for (fields, data) in [
        (r#""dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]"#, 0),
        (r#""dtype":"F32","shape":[2],"data_offsets":[8,0]"#, 8),
        (r#""dtype":"F32","shape":[3],"data_offsets":[0,8]"#, 8),
        (r#""dtype":"F32","shape":[-1],"data_offsets":[0,8]"#, 8),
        (r#""dtype":"F32","shape":[2]"#, 8),
    ] {
        let error = open_error(&tensor(fields), data);
        assert!(matches!(&error, FolderError::Tensor { tensor, .. } if tensor == "x"), "{error}");
    }
    let far = tensor(r#""dtype":"F32","shape":[0],"data_offsets":[18446744073709551615,18446744073709551615]"#);
    assert!(matches!(open_error(&far, 8), FolderError::Truncated { .. }));
    assert!(matches!(open_error("not json", 8), FolderError::Header { .. }));
    assert!(matches!(open_error("[]", 8), FolderError::Header { .. }));

    let (folder, path) = file_with("{}", 0);
    fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    assert!(matches!(TensorFolder::open(folder.path()), Err(FolderError::Header { .. })));

    let (folder, _) = file_with(&tensor(r#""dtype":"I64","shape":[1],"data_offsets":[0,8]"#), 8);
    let opened = TensorFolder::open(folder.path()).unwrap();
    let error = opened.read_into("x", &mut [0.0; 2]).unwrap_err();
    assert!(error.to_string().contains("expected F32, F16 or BF16, found I64"), "{error}");
}

#[test]
fn wrong_indices_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(TensorFolder::open(folder.path()), Err(FolderError::NoWeights { .. })));
    let index = folder.path().join("model.safetensors.index.json");
    let open = |text: &str| {
        fs::write(&index, text).unwrap();
        TensorFolder::open(folder.path()).unwrap_err()
    };
    assert!(matches!(open("{"), FolderError::Index { .. }));
    assert!(matches!(open("{}"), FolderError::Index { .. }));
    assert!(matches!(open(r#"{"weight_map": {"x": 3}}"#), FolderError::Index { .. }));
    for path in ["../x.safetensors", "/etc/passwd", "", ".."] {
        let error = open(&format!(r#"{{"weight_map": {{"x": "{path}"}}}}"#));
        assert!(matches!(error, FolderError::Index { .. }), "{path}: {error}");
    }
    let absent = open(r#"{"weight_map": {"x": "a.safetensors"}}"#);
    assert!(matches!(&absent, FolderError::Read { file, .. } if file.ends_with("a.safetensors")), "{absent}");
    write_safetensors(&folder.path().join("a.safetensors"), [("y", [1].as_slice(), [0.0].as_slice())], Dtype::F32)
        .unwrap();
    let error = open(r#"{"weight_map": {"x": "a.safetensors"}}"#);
    assert!(matches!(&error, FolderError::MissingTensor { tensor, .. } if tensor == "x"), "{error}");
}

#[test]
fn a_failed_write_leaves_the_old_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomically(&path, |writer| writer.write_all(b"old")).unwrap();
    let full = |writer: &mut io::BufWriter<fs::File>| {
        // More than the buffer, so that a part is on the disk when the error comes.
        writer.write_all(&[0; 200_000])?;
        Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull))
    };
    let error: io::Error = write_atomically(&path, full).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere: io::Error = write_atomically(&folder.path().join("no/file"), |_| Ok(())).unwrap_err();
    assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
}

#[test]
fn contradicting_tensors_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let wrong = write_safetensors(&path, [("x", [3].as_slice(), [0.0].as_slice())], Dtype::F32).unwrap_err();
    assert!(matches!(wrong, FolderError::Write { .. }) && wrong.to_string().contains("`x`"), "{wrong}");
    let x = ("x", [1].as_slice(), [0.0].as_slice());
    assert!(write_safetensors(&path, [x, x], Dtype::F32).unwrap_err().to_string().contains("twice"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_pointer_of_git_lfs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 538090408\n";
    fs::write(folder.path().join("model.safetensors"), pointer).unwrap();
    let error = TensorFolder::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("Git LFS pointer") && error.contains("git lfs pull"), "{error}");
}
