//! The kernels compiled as C++, for the tests of whole models and for those of single kernels (`tests/cuda_emulated`).
use std::ffi::{OsString, c_char, c_int, c_uint, c_void};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// `emulated_launch`: name, grid, block, shared bytes, parameters.
pub type Launch = unsafe extern "C" fn(
    *const c_char,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    *mut *mut c_void,
) -> c_int;

/// The library of the emulation, compiled in `folder` with this level of optimization; none, and a word on stderr, without a compiler or
/// sources.
pub fn compile(folder: &Path, level: &str) -> Option<libloading::Library> {
    let file = folder.join("kernels.so");
    // SAFETY: the library is the one that is compiled here, and does nothing when it is loaded.
    build("kernels.cpp", &file, level).then(|| unsafe { libloading::Library::new(&file).unwrap() })
}

/// Compiles a source of the emulation as the library `to`; `false`, and a word on stderr, without a compiler or sources.
pub fn build(source: &str, to: &Path, level: &str) -> bool {
    let mut said = std::io::stderr();
    let mut skipped = |why: String| writeln!(said, "skipped: {why}").unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda/kernels/emulation").join(source);
    if !source.exists() {
        skipped("the kernels' sources are not where they were when this was built".to_string());
        return false;
    }
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| OsString::from("c++"));
    let flags = ["-std=c++17", level, "-ffp-contract=off", "-shared", "-fPIC", "-o"];
    let Ok(output) = Command::new(&compiler).args(flags).arg(to).arg(&source).output() else {
        skipped(format!("no C++ compiler is called {compiler:?} (CXX names another)"));
        return false;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler:?} says of {}:\n{said}", source.display());
    true
}
