//! [`Machine`] on the host: the kernels compiled as C++, memory of the host, products as plain loops.
use super::library;
use crate::cuda::machine::{Address, Group, Launch, Machine, Number, Parameter, Product, Recorded, Rows};
use crate::device::DeviceError;
use half::bf16;
use std::alloc::Layout;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_uint, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};

/// The kernels' library; it runs one kernel at a time.
struct Library {
    start: Mutex<library::Launch>,
    error: unsafe extern "C" fn() -> *const c_char,
    _library: libloading::Library,
}

/// The kernels, compiled once; none without a compiler.
fn loaded() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY.get_or_init(compile).as_ref()
}

fn compile() -> Option<Library> {
    let folder = tempfile::tempdir().unwrap();
    let library = library::compile(folder.path(), "-O2")?;
    // SAFETY: the emulation has these functions.
    unsafe {
        Some(Library {
            start: Mutex::new(*library.get(b"emulated_launch\0").unwrap()),
            error: *library.get(b"emulated_error\0").unwrap(),
            _library: library,
        })
    }
}

/// Work that can be done again.
#[derive(Clone)]
enum Work {
    Kernel(Launch, Vec<Parameter>),
    Product(Product),
}

/// A place, and how much of it was asked for.
struct Piece {
    place: Layout,
    bytes: usize,
}

/// What a machine of so many bytes has given out.
#[derive(Default)]
struct Given {
    pieces: HashMap<Address, Piece>,
    /// Places that were given back, the last one last. They are given out again, as those of a GPU are: who kept an address finds
    /// something else there.
    back: Vec<(Address, Layout)>,
    bytes: usize,
    recording: Option<Vec<Work>>,
}

/// The emulated machine.
pub struct Emulated {
    limit: usize,
    given: Arc<Mutex<Given>>,
}

/// A machine of `limit` bytes; none without a C++ compiler.
pub fn emulated(limit: usize) -> Option<Emulated> {
    loaded().map(|_| Emulated { limit, given: Arc::default() })
}

fn failed(message: String) -> DeviceError {
    DeviceError::Failed { device: "emulation".to_string(), operation: "a test".to_string(), message }
}

impl Emulated {
    /// Does work, or records it.
    fn start(&self, work: Work) -> Result<(), DeviceError> {
        if let Some(recorded) = &mut self.given.lock().unwrap().recording {
            recorded.push(work);
            return Ok(());
        }
        work.run()
    }

    /// Memory traffic must not be recorded.
    fn not_recording(&self) -> Result<(), DeviceError> {
        match self.given.lock().unwrap().recording {
            Some(_) => Err(failed("memory traffic in a record".to_string())),
            None => Ok(()),
        }
    }
}

impl Work {
    fn run(&self) -> Result<(), DeviceError> {
        match self {
            Self::Kernel(launch, parameters) => kernel(launch, parameters),
            Self::Product(product) => {
                multiply(product);
                Ok(())
            }
        }
    }
}

fn kernel(launch: &Launch, parameters: &[Parameter]) -> Result<(), DeviceError> {
    let library = loaded().unwrap();
    let mut words: Vec<u64> = parameters.iter().map(|parameter| parameter.0).collect();
    let mut places: Vec<*mut c_void> = words.iter_mut().map(|word| std::ptr::from_mut(word).cast()).collect();
    let name = CString::new(launch.kernel).unwrap();
    let [x, y, z] = launch.grid.map(|blocks| blocks as c_uint);
    let start = library.start.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // SAFETY: what the emulation does with the parameters is what is being tested; it is the host's memory.
    let message = unsafe {
        let (block, shared) = (launch.block as c_uint, launch.shared as c_uint);
        let code = start(name.as_ptr(), x, y, z, block, 1, 1, shared, places.as_mut_ptr());
        (code != 0).then(|| CStr::from_ptr((library.error)()).to_string_lossy().into_owned())
    };
    message.map_or(Ok(()), |message| Err(failed(message)))
}

/// The product as its definition says, sums in f32.
fn multiply(Product { shape: s, a, b, c, bias }: &Product) {
    // SAFETY: the operands have the sizes that the shape says.
    let half = |at: u64, i: usize| unsafe { (at as *const bf16).add(i).read_unaligned() }.to_f32();
    for column in 0..s.n {
        for row in 0..s.m {
            let mut sum = 0f32;
            for k in 0..s.k {
                let left = if s.transpose_a { k + row * s.lda } else { row + k * s.lda };
                let right = if s.transpose_b { column + k * s.ldb } else { k + column * s.ldb };
                sum += half(*a, left) * half(*b, right);
            }
            if s.bias {
                sum += half(*bias, row);
            }
            let at = row + column * s.ldc;
            // SAFETY: as above.
            unsafe {
                match s.out {
                    Number::F32 => {
                        let to = (*c as *mut f32).add(at);
                        to.write_unaligned(if s.accumulate { to.read_unaligned() + sum } else { sum });
                    }
                    Number::Bf16 => (*c as *mut bf16).add(at).write_unaligned(bf16::from_f32(sum)),
                }
            }
        }
    }
}

struct Tape(Vec<Work>);

impl Recorded for Tape {
    fn play(&self) -> Result<(), DeviceError> {
        self.0.iter().try_for_each(Work::run)
    }
}

/// Where machines of several threads sum.
struct Meeting {
    all: Barrier,
    brought: Mutex<Vec<Vec<f32>>>,
}

struct Member {
    meeting: Arc<Meeting>,
    rank: usize,
}

impl Group for Member {
    fn sum(&self, at: Address, values: usize) -> Result<(), DeviceError> {
        // SAFETY: a range of one buffer, whose machine this thread drives.
        let own = unsafe { std::slice::from_raw_parts_mut(at as *mut f32, values) };
        self.meeting.brought.lock().unwrap()[self.rank] = own.to_vec();
        self.meeting.all.wait();
        let brought = self.meeting.brought.lock().unwrap();
        for (i, sum) in own.iter_mut().enumerate() {
            *sum = brought.iter().map(|part| part[i]).sum();
        }
        drop(brought);
        self.meeting.all.wait();
        Ok(())
    }
}

impl Machine for Emulated {
    fn name(&self) -> String {
        "emulation".to_string()
    }

    fn has(&self, _: &str) -> bool {
        true
    }

    fn shared(&self) -> usize {
        227 << 10
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        self.not_recording()?;
        let mut given = self.given.lock().unwrap();
        if given.bytes + bytes > self.limit {
            let (device, free) = (self.name(), self.limit - given.bytes);
            let hint = "test with more".to_string();
            return Err(DeviceError::OutOfMemory { device, wanted: bytes, free, total: self.limit, hint });
        }
        let (address, place) = match given.back.iter().rposition(|(_, place)| place.size() >= bytes) {
            Some(known) => given.back.remove(known),
            None => {
                let place = Layout::from_size_align(bytes, 256).unwrap();
                // SAFETY: a size of at least one; the bytes are written below.
                (unsafe { std::alloc::alloc(place) } as Address, place)
            }
        };
        // All bits set are not-a-numbers: what is read before it is written shows.
        // SAFETY: the place has at least so many bytes.
        unsafe { (address as *mut u8).write_bytes(0xff, bytes) };
        given.bytes += bytes;
        given.pieces.insert(address, Piece { place, bytes });
        Ok(address)
    }

    fn release(&self, address: Address) {
        let mut given = self.given.lock().unwrap();
        let Piece { place, bytes } = given.pieces.remove(&address).unwrap();
        given.bytes -= bytes;
        given.back.push((address, place));
    }

    fn memory(&self) -> Option<(usize, usize)> {
        Some((self.limit - self.given.lock().unwrap().bytes, self.limit))
    }

    fn zero(&self, to: Address, bytes: usize) -> Result<(), DeviceError> {
        self.not_recording()?;
        // SAFETY: a range of one buffer.
        unsafe { (to as *mut u8).write_bytes(0, bytes) };
        Ok(())
    }

    fn upload(&self, to: Address, from: &[u8]) -> Result<(), DeviceError> {
        self.not_recording()?;
        // SAFETY: a range of one buffer.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to as *mut u8, from.len()) };
        Ok(())
    }

    fn download(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        self.not_recording()?;
        // SAFETY: a range of one buffer.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    fn copy(&self, rows: &Rows) -> Result<(), DeviceError> {
        self.not_recording()?;
        for row in 0..rows.rows {
            let (from, to) = (rows.from as usize + row * rows.from_pitch, rows.to as usize + row * rows.to_pitch);
            // SAFETY: rows of buffers.
            unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, rows.bytes) };
        }
        Ok(())
    }

    fn launch(&self, launch: &Launch, parameters: &[Parameter]) -> Result<(), DeviceError> {
        self.start(Work::Kernel(*launch, parameters.to_vec()))
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        if product.shape.bias && !product.bias.is_multiple_of(16) {
            return Err(failed("cuBLASLt can read a bias sixteen bytes at a time".to_string()));
        }
        self.start(Work::Product(*product))
    }

    fn record(&self, work: &mut dyn FnMut()) -> Result<Box<dyn Recorded>, DeviceError> {
        self.given.lock().unwrap().recording = Some(Vec::new());
        work();
        Ok(Box::new(Tape(self.given.lock().unwrap().recording.take().unwrap())))
    }

    fn another_queue(&self) -> Result<Arc<dyn Machine>, DeviceError> {
        Ok(Arc::new(Self { limit: self.limit, given: self.given.clone() }))
    }

    fn name_group(&self) -> Result<Vec<u8>, DeviceError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Ok(NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes().to_vec())
    }

    fn join(&self, name: &[u8], rank: usize, size: usize) -> Result<Box<dyn Group>, DeviceError> {
        static MEETINGS: Mutex<Vec<(Vec<u8>, Arc<Meeting>)>> = Mutex::new(Vec::new());
        let mut meetings = MEETINGS.lock().unwrap();
        let known = meetings.iter().find(|(known, _)| known == name).map(|(_, meeting)| meeting.clone());
        let meeting = known.unwrap_or_else(|| {
            let meeting = Arc::new(Meeting { all: Barrier::new(size), brought: Mutex::new(vec![Vec::new(); size]) });
            meetings.push((name.to_vec(), meeting.clone()));
            meeting
        });
        drop(meetings);
        meeting.all.wait();
        Ok(Box::new(Member { meeting, rank }))
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        for (address, place) in self.back.drain(..) {
            // SAFETY: taken in `allocate`, and given out to nobody.
            unsafe { std::alloc::dealloc(address as *mut u8, place) };
        }
        assert!(std::thread::panicking() || self.pieces.is_empty(), "memory was not given back");
    }
}
