//! Kernels compiled at run time by NVRTC, and kept on disk.
//!
//! A file of the cache is named by a hash of everything that the binary depends on: source, headers, options, architecture and NVRTC's
//! version. It holds the binary and its sum, is written under a temporary name and renamed, and is made anew where the sum is wrong.
use super::sources;
use crate::device::DeviceError;
use crate::folder::write_atomically;
use cudarc::nvrtc::sys;
use std::ffi::{CStr, CString, c_char, c_int};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Environment variable with the folder of the cache.
pub const CACHE: &str = "SUREFOOT_CUDA_CACHE";

/// Compute capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// As 9 of 9.0.
    pub major: usize,
    /// As 0 of 9.0.
    pub minor: usize,
    /// Whether instructions are used that no later architecture has, as in `sm_90a`.
    pub own: bool,
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "sm_{}{}{}", self.major, self.minor, if self.own { "a" } else { "" })
    }
}

/// A compiled module.
pub struct Module {
    /// The cubin.
    pub binary: Vec<u8>,
    /// Whether it was compiled now, and not read from the cache.
    pub fresh: bool,
}

/// NVRTC with the folder of its results.
pub struct Compiler {
    architecture: Architecture,
    version: (i32, i32),
    folder: PathBuf,
}

impl Compiler {
    /// NVRTC for GPUs of `architecture`, with the user's cache.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] where the library is not there.
    pub fn open(architecture: Architecture) -> Result<Self, DeviceError> {
        Self::at(architecture, &cache_folder())
    }

    /// As [`Compiler::open`], with the cache in `folder`.
    ///
    /// # Errors
    /// As [`Compiler::open`].
    pub fn at(architecture: Architecture, folder: &Path) -> Result<Self, DeviceError> {
        // SAFETY: loading the library runs NVIDIA's own initialisers.
        if !unsafe { sys::is_culib_present() } {
            return Err(DeviceError::Unavailable {
                wanted: "the compiler of the kernels".to_string(),
                reason: "libnvrtc of CUDA 13 was not found".to_string(),
                hint: "install it as in `pip install nvidia-cuda-nvrtc==13.*`, and put its folder into LD_LIBRARY_PATH"
                    .to_string(),
            });
        }
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both places outlive the call.
        check(unsafe { sys::nvrtcVersion(&mut major, &mut minor) }, "its version")?;
        Ok(Self { architecture, version: (major, minor), folder: folder.to_path_buf() })
    }

    /// Where results are kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn options(&self) -> Vec<String> {
        let architecture = format!("--gpu-architecture={}", self.architecture);
        sources::OPTIONS.iter().map(ToString::to_string).chain([architecture]).collect()
    }

    /// The file of a module of the cache.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let mut hash = Hash::new();
        let version = format!("nvrtc {}.{}", self.version.0, self.version.1);
        let options = self.options();
        let mut parts: Vec<&str> = vec![name, text, &version];
        parts.extend(sources::HEADERS.iter().flat_map(|(name, text)| [*name, *text]));
        parts.extend(options.iter().map(String::as_str));
        for part in parts {
            // With its length, so that no two lists run together to the same text.
            hash.add(&part.len().to_le_bytes());
            hash.add(part.as_bytes());
        }
        let stem = name.strip_suffix(".cu").unwrap_or(name);
        self.folder.join(format!("{stem}-{}-{:032x}.cubin", self.architecture, hash.0))
    }

    /// The module `name` with the source `text`, from the cache or compiled. A cache that cannot be written is no error.
    ///
    /// # Errors
    /// [`DeviceError::Failed`] with what the compiler said.
    pub fn compile(&self, name: &str, text: &str) -> Result<Module, DeviceError> {
        let file = self.file(name, text);
        if let Some(binary) = std::fs::read(&file).ok().and_then(unwrap) {
            return Ok(Module { binary, fresh: false });
        }
        let binary = self.build(name, text)?;
        let write = || write_atomically::<_, io::Error>(&file, |to| to.write_all(&wrap(&binary)));
        let kept = std::fs::create_dir_all(&self.folder).and_then(|()| write());
        // The next run compiles again, then.
        let _not_kept = kept;
        Ok(Module { binary, fresh: true })
    }

    fn build(&self, name: &str, text: &str) -> Result<Vec<u8>, DeviceError> {
        let c = |text: &str| CString::new(text).map_err(|_| failed(name, "a zero byte in the source".to_string()));
        let (source, file) = (c(text)?, c(name)?);
        let headers: Vec<(CString, CString)> =
            sources::HEADERS.iter().map(|(name, text)| Ok((c(name)?, c(text)?))).collect::<Result<_, DeviceError>>()?;
        let names: Vec<*const c_char> = headers.iter().map(|(name, _)| name.as_ptr()).collect();
        let texts: Vec<*const c_char> = headers.iter().map(|(_, text)| text.as_ptr()).collect();
        let options: Vec<CString> = self.options().iter().map(|option| c(option)).collect::<Result<_, _>>()?;
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program = std::ptr::null_mut();
        // SAFETY: all texts end with a zero byte and outlive the program, which is destroyed below.
        unsafe {
            let count = names.len() as c_int;
            check(
                sys::nvrtcCreateProgram(
                    &mut program,
                    source.as_ptr(),
                    file.as_ptr(),
                    count,
                    texts.as_ptr(),
                    names.as_ptr(),
                ),
                name,
            )?;
            let compiled = sys::nvrtcCompileProgram(program, options.len() as c_int, options.as_ptr());
            let found = if compiled == sys::nvrtcResult::NVRTC_SUCCESS {
                binary(program, name)
            } else {
                Err(failed(name, log(program)))
            };
            sys::nvrtcDestroyProgram(&mut program);
            found
        }
    }
}

/// The cubin of a program.
///
/// # Safety
/// `program` is one that was compiled.
unsafe fn binary(program: sys::nvrtcProgram, name: &str) -> Result<Vec<u8>, DeviceError> {
    let mut size = 0;
    // SAFETY: the second call writes as many bytes as the first one said.
    unsafe {
        check(sys::nvrtcGetCUBINSize(program, &mut size), name)?;
        let mut binary = vec![0u8; size];
        check(sys::nvrtcGetCUBIN(program, binary.as_mut_ptr().cast()), name)?;
        Ok(binary)
    }
}

/// What the compiler said.
///
/// # Safety
/// `program` is one that was to be compiled.
unsafe fn log(program: sys::nvrtcProgram) -> String {
    let mut size = 0;
    // SAFETY: the second call writes as many bytes as the first one said, the last of them zero.
    unsafe {
        if sys::nvrtcGetProgramLogSize(program, &mut size) != sys::nvrtcResult::NVRTC_SUCCESS {
            return "the compiler gave no reason".to_string();
        }
        let mut text = vec![0u8; size + 1];
        sys::nvrtcGetProgramLog(program, text.as_mut_ptr().cast());
        CStr::from_bytes_until_nul(&text).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

fn failed(name: &str, message: String) -> DeviceError {
    DeviceError::Failed { device: "NVRTC".to_string(), operation: format!("compiling {name}"), message }
}

fn check(result: sys::nvrtcResult, what: &str) -> Result<(), DeviceError> {
    match result {
        sys::nvrtcResult::NVRTC_SUCCESS => Ok(()),
        error => Err(failed(what, format!("{error:?}"))),
    }
}

/// [`CACHE`], else the system's place for what can be made again.
fn cache_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").or_else(|| set("USERPROFILE")).map(|home| home.join(".cache"));
    let base = || set("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir);
    set(CACHE).unwrap_or_else(|| base().join("surefoot").join("kernels"))
}

/// FNV-1a of 128 bits.
struct Hash(u128);

impl Hash {
    fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}

/// The binary behind its sum.
fn wrap(binary: &[u8]) -> Vec<u8> {
    let mut hash = Hash::new();
    hash.add(binary);
    [&hash.0.to_le_bytes()[..], binary].concat()
}

/// The binary of a file, if it is whole.
fn unwrap(file: Vec<u8>) -> Option<Vec<u8>> {
    let (sum, binary) = file.split_first_chunk::<16>()?;
    let mut hash = Hash::new();
    hash.add(binary);
    (*sum == hash.0.to_le_bytes()).then(|| binary.to_vec())
}
