//! Every kernel compiles for the GPUs that it is meant for, without a GPU: NVRTC makes machine code for any of them.
//!
//! `SUREFOOT_NVRTC` names the folder of NVRTC's libraries (`.ci/run` fetches them); without it the tests say that they were skipped.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use libloading::Library;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use surefoot_engine::cuda::sources::{HEADERS, HOPPER_UNITS, OPTIONS, UNITS, kernels};

const VARIABLE: &str = "SUREFOOT_NVRTC";

type Program = *mut c_void;
type Texts = *const *const c_char;

/// The part of NVRTC that compiling takes.
struct Nvrtc {
    create: unsafe extern "C" fn(*mut Program, *const c_char, *const c_char, c_int, Texts, Texts) -> c_int,
    compile: unsafe extern "C" fn(Program, c_int, Texts) -> c_int,
    log_size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
    log: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    cubin_size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
    destroy: unsafe extern "C" fn(*mut Program) -> c_int,
    _libraries: [Library; 2],
}

impl Nvrtc {
    fn load() -> Option<Self> {
        let Some(folder) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
            let mut said = std::io::stderr();
            writeln!(said, "skipped: {VARIABLE} does not name the folder of NVRTC's libraries").unwrap();
            return None;
        };
        // NVRTC asks for its builtins by name, and takes those that are loaded already.
        // SAFETY: these are NVRTC's libraries, and have these functions.
        unsafe {
            let builtins = Library::new(find(&folder, "libnvrtc-builtins.so.")).unwrap();
            let nvrtc = Library::new(find(&folder, "libnvrtc.so.")).unwrap();
            Some(Self {
                create: *nvrtc.get(b"nvrtcCreateProgram\0").unwrap(),
                compile: *nvrtc.get(b"nvrtcCompileProgram\0").unwrap(),
                log_size: *nvrtc.get(b"nvrtcGetProgramLogSize\0").unwrap(),
                log: *nvrtc.get(b"nvrtcGetProgramLog\0").unwrap(),
                cubin_size: *nvrtc.get(b"nvrtcGetCUBINSize\0").unwrap(),
                destroy: *nvrtc.get(b"nvrtcDestroyProgram\0").unwrap(),
                _libraries: [builtins, nvrtc],
            })
        }
    }

    /// Compiles one text; the size of the machine code and what the compiler said.
    fn compile(&self, name: &str, text: &str, architecture: &str) -> (usize, String) {
        let own = |texts: &mut dyn Iterator<Item = String>| -> Vec<CString> {
            texts.map(|t| CString::new(t).unwrap()).collect()
        };
        let pointers = |texts: &[CString]| -> Vec<*const c_char> { texts.iter().map(|t| t.as_ptr()).collect() };
        let options = own(&mut OPTIONS
            .iter()
            .map(|&o| o.to_owned())
            .chain([format!("--gpu-architecture={architecture}"), "--ptxas-options=-v".to_owned()]));
        let header_names = own(&mut HEADERS.iter().map(|h| h.0.to_owned()));
        let header_texts = own(&mut HEADERS.iter().map(|h| h.1.to_owned()));
        let (name, text) = (CString::new(name).unwrap(), CString::new(text).unwrap());
        let mut program = std::ptr::null_mut();
        let (mut size, mut bytes) = (0, 0);
        // SAFETY: every text ends with a zero and lives through the call; the log has the size that was asked for.
        unsafe {
            let (names, texts) = (pointers(&header_names), pointers(&header_texts));
            let made = (self.create)(
                &mut program,
                text.as_ptr(),
                name.as_ptr(),
                HEADERS.len() as c_int,
                texts.as_ptr(),
                names.as_ptr(),
            );
            assert_eq!(made, 0, "{name:?}: no program");
            let options = pointers(&options);
            let code = (self.compile)(program, options.len() as c_int, options.as_ptr());
            (self.log_size)(program, &mut size);
            let mut log = vec![0u8; size.max(1)];
            (self.log)(program, log.as_mut_ptr().cast());
            let log = String::from_utf8_lossy(&log[..size.saturating_sub(1)]).into_owned();
            assert_eq!(code, 0, "{name:?} does not compile for {architecture}:\n{log}");
            (self.cubin_size)(program, &mut bytes);
            (self.destroy)(&mut program);
            (bytes, log)
        }
    }
}

fn find(folder: &Path, start: &str) -> PathBuf {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{VARIABLE}: {}: {e}", folder.display()));
    let mut names = entries.map(|e| e.unwrap().path());
    let named = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(start));
    names.find(named).unwrap_or_else(|| panic!("{VARIABLE}: {} holds no {start}*", folder.display()))
}

fn compiles_for(architecture: &str) {
    let Some(nvrtc) = Nvrtc::load() else { return };
    let hopper = if architecture == "sm_90a" { HOPPER_UNITS } else { &[] };
    for (unit, text) in UNITS.iter().chain(hopper) {
        let (bytes, log) = nvrtc.compile(unit, text, architecture);
        assert!(bytes > 0, "{unit}: no machine code for {architecture}");
        for kernel in kernels(text) {
            let mark = format!("entry function '{kernel}'");
            let (_, said) = log.split_once(&mark).unwrap_or_else(|| panic!("{unit} has no {kernel}:\n{log}"));
            let line = said.lines().find(|l| l.contains("spill")).unwrap_or_default().trim();
            assert!(
                line.contains(" 0 bytes spill stores, 0 bytes spill loads"),
                "{kernel} for {architecture} keeps registers in memory: {line}"
            );
        }
        assert!(!log.contains("serialized"), "{unit} for {architecture} waits for each wgmma:\n{log}");
    }
}

#[test]
fn kernels_compile_for_sm_80() {
    compiles_for("sm_80");
}

#[test]
fn kernels_compile_for_sm_90() {
    compiles_for("sm_90");
}

#[test]
fn kernels_compile_for_sm_90a() {
    compiles_for("sm_90a");
}
