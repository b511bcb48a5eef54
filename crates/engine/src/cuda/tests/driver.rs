//! The tests of this folder once more, in a process of its own, on a GPU whose driver is emulated (`kernels/emulation/driver.cpp`): there the calls of
//! the driver, of cuBLASLt and of NVRTC are what is tested. NVRTC is the real one, of which `SUREFOOT_NVRTC` names the folder.
use super::super::Cuda;
use super::super::machine::{Address, Launch, Parameter, Rows};
use super::library;
use crate::device::DeviceError;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Set in the process on the emulated driver.
const INSIDE: &str = "SUREFOOT_EMULATED_DRIVER";
/// Bytes of its GPU.
const BYTES: usize = 1 << 30;

pub(super) fn is_emulated() -> bool {
    std::env::var_os(INSIDE).is_some()
}

#[test]
fn the_driver_is_called_as_it_wants() {
    if is_emulated() {
        return;
    }
    let Some(nvrtc) = std::env::var_os("SUREFOOT_NVRTC") else {
        let mut said = std::io::stderr();
        writeln!(said, "skipped: SUREFOOT_NVRTC does not name the folder of NVRTC's libraries").unwrap();
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // Not `libcuda.so.1`: NVRTC would look for a driver there, and ask it for more than it has.
    if !library::build("driver.cpp", &folder.path().join("libcuda.so"), "-O2") {
        return;
    }
    std::fs::hard_link(folder.path().join("libcuda.so"), folder.path().join("libcublasLt.so.13")).unwrap();
    let paths = std::env::join_paths([folder.path(), Path::new(&nvrtc)]).unwrap();
    let mut inside = Command::new(std::env::current_exe().unwrap());
    inside.arg("cuda::").env(INSIDE, "1").env("SUREFOOT_REQUIRE_CUDA", "1").env("LD_LIBRARY_PATH", paths);
    inside.env("SUREFOOT_CUDA_CACHE", folder.path().join("cache")).env("EMULATED_GPU_BYTES", BYTES.to_string());
    let output = inside.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.contains("driver::errors_of_the_driver_are_told ... ok"), "{said}");
}

/// A GPU on the emulated driver, with failures of its own.
fn gpu() -> Option<Cuda> {
    is_emulated().then(|| super::machines().remove(0))
}

fn said<T>(result: Result<T, DeviceError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn errors_of_the_driver_are_told() {
    let Some(cuda) = gpu() else { return };
    let machine = &cuda.shared.machine;
    assert!(machine.name().contains("emulated GPU"), "{}", machine.name());
    let (free, total) = machine.memory().unwrap();
    assert!(free < total && total == BYTES);
    let error = machine.allocate(2 * BYTES).err().unwrap();
    assert!(matches!(error, DeviceError::OutOfMemory { wanted, .. } if wanted == 2 * BYTES), "{error}");

    let at = machine.allocate(1000).unwrap();
    let beside = said(machine.zero(at + 8, 1000));
    assert!(beside.contains("filling with zeros") && beside.contains("cuda:0 (emulated GPU)"), "{beside}");
    assert!(said(machine.upload(at, &[0; 1001])).contains("a copy to the GPU"));
    assert!(said(machine.download(at, &mut [0; 1001])).contains("a copy from the GPU"));
    let rows = Rows { to: at, from: at + 500, to_pitch: 100, from_pitch: 100, bytes: 100, rows: 6 };
    assert!(said(machine.copy(&rows)).contains("a copy of rows"));

    let narrow = |block, grid| Launch { kernel: "narrow", grid: [grid, 1, 1], block, shared: 0 };
    let parameters = [Parameter::from(at), Parameter::from(at), Parameter::from(0u64)];
    assert!(
        said(machine.launch(&narrow(512, 1), &parameters)).contains("narrow"),
        "more threads than it was compiled for"
    );
    assert!(said(machine.launch(&narrow(256, 0), &parameters)).contains("narrow"), "no blocks");
    let none = Launch { kernel: "no such kernel", ..narrow(256, 1) };
    assert!(said(machine.launch(&none, &parameters)).contains("this GPU has no such kernel"));
    machine.launch(&narrow(256, 1), &parameters).unwrap();

    let spoiled = machine.record(&mut || assert!(machine.allocate(8).is_err()));
    assert!(said(spoiled).contains("recording a decoding step"));
    machine.release(at);
    assert!(said(machine.zero(at, 8)).contains("filling with zeros"), "memory that was given back");
}

/// A record is what it was when it was made, and reads memory as it is when it is played.
#[test]
fn a_record_is_played_in_order() {
    let Some(cuda) = gpu() else { return };
    let machine = &cuda.shared.machine;
    let [from, half, back] = [0; 3].map(|_| machine.allocate(256).unwrap());
    let started = |kernel, from: Address, to: Address| {
        let launch = Launch { kernel, grid: [1, 1, 1], block: 256, shared: 0 };
        machine.launch(&launch, &[from.into(), to.into(), 64u64.into()]).unwrap();
    };
    let record = machine
        .record(&mut || {
            started("narrow", from, half);
            started("widen", half, back);
        })
        .unwrap();
    for value in [1.5f32, -3.0] {
        let values: Vec<u8> = std::iter::repeat_n(value.to_le_bytes(), 64).flatten().collect();
        machine.upload(from, &values).unwrap();
        record.play().unwrap();
        let mut got = vec![0; 256];
        machine.download(back, &mut got).unwrap();
        assert_eq!(got, values);
    }
    [from, half, back].into_iter().for_each(|at| machine.release(at));
}
