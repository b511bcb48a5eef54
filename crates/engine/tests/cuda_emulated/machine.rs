//! Compiles the kernels, launches them, and holds their memory between guards.
use crate::library;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

/// The emulation's library.
pub struct Machine {
    launch: library::Launch,
    error: unsafe extern "C" fn() -> *const c_char,
    order: unsafe extern "C" fn(c_int),
    _library: libloading::Library,
}

/// The kernels, compiled once; none without a compiler.
pub fn machine() -> Option<&'static Machine> {
    static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
    MACHINE.get_or_init(compile).as_ref()
}

fn compile() -> Option<Machine> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let library = library::compile(folder.path(), "-O1")?;
    // SAFETY: the emulation has these functions.
    unsafe {
        Some(Machine {
            launch: *library.get(b"emulated_launch\0").unwrap(),
            error: *library.get(b"emulated_error\0").unwrap(),
            order: *library.get(b"emulated_order\0").unwrap(),
            _library: library,
        })
    }
}

/// Words of 16 bytes before and behind a memory.
const GUARD: usize = 16;

/// Device memory: elements between guards that a kernel must not touch.
pub struct Memory {
    words: Vec<u128>,
    bytes: usize,
}

impl Memory {
    pub fn new<T: Copy>(values: &[T]) -> Self {
        let mut memory = Self::unset::<T>(values.len());
        // SAFETY: the memory has room for the values, which are plain numbers.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr().cast::<u8>(), memory.start().cast(), memory.bytes) };
        memory
    }

    /// `len` elements of which every bit is set: not-a-numbers.
    pub fn unset<T: Copy>(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        Self { words: vec![u128::MAX; 2 * GUARD + bytes.div_ceil(16)], bytes }
    }

    fn start(&mut self) -> *mut c_void {
        self.words[GUARD..].as_mut_ptr().cast()
    }

    /// The same memory for a second parameter.
    pub fn address(&mut self) -> u64 {
        self.start() as u64
    }

    /// The elements.
    pub fn read<T: Copy>(&self) -> Vec<T> {
        let from = self.words[GUARD..].as_ptr().cast::<T>();
        // SAFETY: the memory was made with elements of this type, which are plain numbers.
        (0..self.bytes / size_of::<T>()).map(|i| unsafe { from.add(i).read() }).collect()
    }

    /// Elements that are bfloat16, widened.
    pub fn read_halves(&self) -> Vec<f32> {
        self.read::<u16>().into_iter().map(|b| half::bf16::from_bits(b).to_f32()).collect()
    }

    fn check(&self, kernel: &str) {
        let all = self.words.as_ptr().cast::<u8>();
        let outside = (0..GUARD * 16).chain(GUARD * 16 + self.bytes..self.words.len() * 16);
        for at in outside {
            // SAFETY: within the words.
            assert_eq!(
                unsafe { all.add(at).read() },
                255,
                "{kernel} wrote outside of a buffer of {} bytes",
                self.bytes
            );
        }
    }
}

/// One parameter of a kernel.
pub enum Argument<'a> {
    Memory(&'a mut Memory),
    Word([u8; 8]),
}

impl<'a> From<&'a mut Memory> for Argument<'a> {
    fn from(memory: &'a mut Memory) -> Self {
        Self::Memory(memory)
    }
}

impl From<f32> for Argument<'_> {
    fn from(value: f32) -> Self {
        Self::from(u64::from(value.to_bits()))
    }
}

impl From<u64> for Argument<'_> {
    fn from(value: u64) -> Self {
        Self::Word(value.to_le_bytes())
    }
}

/// An `int`.
impl From<usize> for Argument<'_> {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

/// A null pointer.
pub const NULL: u64 = 0;

impl Machine {
    /// Launches a kernel three times, with threads in other orders, each time on the same memory; fails unless all leave the same.
    #[track_caller]
    pub fn launch(&self, kernel: &str, grid: [usize; 3], block: usize, shared: usize, mut arguments: Vec<Argument>) {
        let before: Vec<Vec<u128>> = memories(&mut arguments).map(|m| m.words.clone()).collect();
        let mut first: Vec<Vec<u128>> = Vec::new();
        for order in [0, 1, 7] {
            for (memory, before) in memories(&mut arguments).zip(&before) {
                memory.words.clone_from(before);
            }
            self.run(kernel, grid, block, shared, order, &mut arguments);
            let after: Vec<Vec<u128>> = memories(&mut arguments).map(|m| m.words.clone()).collect();
            if first.is_empty() {
                first = after;
            } else {
                assert!(first == after, "{kernel}: the order of threads changes the result (a barrier is missing)");
            }
        }
        memories(&mut arguments).for_each(|m| m.check(kernel));
    }

    #[track_caller]
    fn run(
        &self,
        kernel: &str,
        [x, y, z]: [usize; 3],
        block: usize,
        shared: usize,
        order: c_int,
        arguments: &mut [Argument],
    ) {
        let mut words: Vec<[u8; 8]> = arguments
            .iter_mut()
            .map(|a| match a {
                Argument::Memory(memory) => (memory.start() as u64).to_le_bytes(),
                Argument::Word(word) => *word,
            })
            .collect();
        let mut pointers: Vec<*mut c_void> = words.iter_mut().map(|w| w.as_mut_ptr().cast()).collect();
        let name = CString::new(kernel).unwrap();
        let [x, y, z, block, shared] = [x, y, z, block, shared].map(|v| v as c_uint);
        // SAFETY: the parameters are those of the kernel (README), and live through the call.
        let message = unsafe {
            (self.order)(order);
            let code = (self.launch)(name.as_ptr(), x, y, z, block, 1, 1, shared, pointers.as_mut_ptr());
            (code != 0).then(|| CStr::from_ptr((self.error)()).to_string_lossy().into_owned())
        };
        assert_eq!(message, None);
    }
}

fn memories<'a, 'b: 'a>(arguments: &'a mut [Argument<'b>]) -> impl Iterator<Item = &'a mut Memory> {
    arguments.iter_mut().filter_map(|a| match a {
        Argument::Memory(memory) => Some(&mut **memory),
        Argument::Word(_) => None,
    })
}

/// `launch!(machine, "kernel", [x, y, z], block, shared; parameters…)`.
macro_rules! launch {
    ($machine:expr, $kernel:expr, $grid:expr, $block:expr, $shared:expr; $($argument:expr),* $(,)?) => {
        $machine.launch($kernel, $grid, $block, $shared, vec![$(crate::machine::Argument::from($argument)),*])
    };
}
pub(crate) use launch;

#[test]
fn what_is_wrong_is_told() {
    let Some(machine) = machine() else { return };
    let message = |kernel: &str, block: usize| {
        let mut x = Memory::new(&[0f32; 4]);
        let mut y = Memory::new(&[0u16; 4]);
        let run = std::panic::AssertUnwindSafe(|| launch!(machine, kernel, [1, 1, 1], block, 0; &mut x, &mut y, 4u64));
        let panic = std::panic::catch_unwind(run).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    assert!(message("nothing", 256).contains("no kernel is called nothing"));
    assert!(message("narrow", 100).contains("whole warps"));
}
