//! Which device a command runs on.
use super::DeviceError;
use crate::cuda::Cuda;
use std::fmt;
use std::str::FromStr;

/// A device as it is asked for: `auto`, `cpu`, `cuda` or `cuda:1`.
///
/// ```
/// use surefoot_engine::device::Wanted;
/// assert_eq!("cuda:1".parse(), Ok(Wanted::Cuda(1)));
/// assert_eq!(Wanted::Cuda(0).to_string(), "cuda");
/// assert!("gpu".parse::<Wanted>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The first CUDA device (of several processes on one machine: one for each) if there is one that works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) => match number.parse() {
                Ok(number) => Ok(Self::Cuda(number)),
                Err(_) => Err(format!("`{text}`: {number:?} is no number of a device; write as in `cuda:0`")),
            },
            _ => Err(format!("`{text}` is no device; there are auto, cpu, cuda and cuda:N")),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// A device that was found.
#[derive(Clone)]
pub enum Chosen {
    /// The CPU, and why.
    Cpu(String),
    /// A CUDA device, and why.
    Cuda(Cuda, String),
}

impl Chosen {
    /// The device and why it was chosen, in one line.
    pub fn describe(&self) -> String {
        match self {
            Self::Cpu(why) => format!("device: cpu ({why})"),
            Self::Cuda(cuda, why) => format!("device: {}, {why}", cuda.describe()),
        }
    }
}

/// Finds the device that is asked for, by the process that is number `local` of this machine: `auto` gives each a GPU of its own, as
/// far as there are so many.
///
/// # Errors
/// [`DeviceError::Unavailable`] where a CUDA device was asked for by name and cannot be used; `auto` takes the CPU then.
pub fn select(wanted: Wanted, local: usize) -> Result<Chosen, DeviceError> {
    match wanted {
        Wanted::Cpu => Ok(Chosen::Cpu("as asked for".to_string())),
        Wanted::Cuda(number) => Ok(Chosen::Cuda(Cuda::open(number)?, "as asked for".to_string())),
        Wanted::Auto => {
            let number = if local > 0 { local.checked_rem(Cuda::count()).unwrap_or(0) } else { 0 };
            Ok(match Cuda::open(number) {
                Ok(cuda) if number == 0 => Chosen::Cuda(cuda, "auto: the first GPU".to_string()),
                Ok(cuda) => Chosen::Cuda(cuda, format!("auto: this is process {local} of the machine, from 0 on")),
                Err(DeviceError::Unavailable { reason, .. }) => Chosen::Cpu(format!("auto: {reason}")),
                Err(other) => Chosen::Cpu(format!("auto: {other}")),
            })
        }
    }
}
