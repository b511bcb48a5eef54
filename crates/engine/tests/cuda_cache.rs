//! The cache of compiled kernels, with the real NVRTC and without a GPU. `SUREFOOT_NVRTC` names the folder of its libraries (`.ci/run` fetches them);
//! without it the tests say that they were skipped.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use surefoot_engine::cuda::compile::{Architecture, Compiler};
use surefoot_engine::cuda::sources::UNITS;

const HOPPER: Architecture = Architecture { major: 9, minor: 0, own: false };

/// Loads NVRTC from its folder: who asks for it by name then finds it.
fn nvrtc() -> bool {
    let Some(folder) = std::env::var_os("SUREFOOT_NVRTC").map(PathBuf::from) else {
        // Not by `eprintln!`, which the test harness keeps to itself.
        let mut said = std::io::stderr();
        writeln!(said, "skipped: SUREFOOT_NVRTC does not name the folder of NVRTC's libraries").unwrap();
        return false;
    };
    for start in ["libnvrtc-builtins.so.", "libnvrtc.so."] {
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let starts = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(start);
        let file = names.into_iter().find(starts).unwrap();
        // SAFETY: NVIDIA's library, which stays loaded.
        std::mem::forget(unsafe { libloading::Library::new(file) }.unwrap());
    }
    true
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn kernels_are_compiled_once_and_broken_files_are_made_anew() {
    if !nvrtc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("kernels");
    let compiler = Compiler::at(HOPPER, &cache).unwrap();
    let (name, text) = *UNITS.iter().find(|(name, _)| *name == "convert.cu").unwrap();
    let first = compiler.compile(name, text).unwrap();
    assert!(first.fresh && first.binary.starts_with(b"\x7fELF"));
    let second = compiler.compile(name, text).unwrap();
    assert!(!second.fresh && second.binary == first.binary);
    assert_eq!(files(&cache), 1);

    // Half a file, and one with another byte.
    let file = compiler.file(name, text);
    let whole = std::fs::read(&file).unwrap();
    for broken in [whole[..whole.len() / 2].to_vec(), [&whole[..99], &[!whole[99]], &whole[100..]].concat(), Vec::new()]
    {
        std::fs::write(&file, broken).unwrap();
        assert!(compiler.compile(name, text).unwrap().fresh);
        assert_eq!(std::fs::read(&file).unwrap(), whole);
    }

    // Whatever the binary depends on has a file of its own.
    let changed = format!("{text}\n// changed\n");
    assert!(compiler.compile(name, &changed).unwrap().fresh);
    assert_eq!(files(&cache), 2);
    let ampere = Compiler::at(Architecture { major: 8, minor: 0, own: false }, &cache).unwrap();
    assert!(ampere.compile(name, text).unwrap().fresh);
    assert_eq!(files(&cache), 3);

    // A folder that cannot be written to costs time alone.
    let occupied = folder.path().join("file");
    std::fs::write(&occupied, "").unwrap();
    let nowhere = Compiler::at(HOPPER, &occupied.join("kernels")).unwrap();
    assert!(nowhere.compile(name, text).unwrap().fresh && nowhere.compile(name, text).unwrap().fresh);

    let said = compiler.compile("wrong.cu", "extern \"C\" __global__ void wrong( {}").err().unwrap().to_string();
    assert!(said.contains("compiling wrong.cu") && said.contains("wrong.cu(1): error"), "{said}");
    assert_eq!(files(&cache), 3);
}
