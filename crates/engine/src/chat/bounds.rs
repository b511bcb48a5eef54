//! How much a template may ask for: it comes with a model, from anywhere, and must not end the process or keep it for ever.
//!
//! What is not bounded is a text that a template keeps to itself and doubles again and again: the library has no place to ask.

use std::io;
use std::thread::{Builder, scope};

use minijinja::value::Serde;
use minijinja::{Error, ErrorKind, Template};
use serde_json::{Map, Value};

use crate::guard::guarded;

/// The longest template, in bytes; those in use have up to some 30,000. The parser's time grows with the square of an expression's
/// length, seconds at this one.
const LONGEST_TEMPLATE: usize = 1 << 17;
/// Instructions of one rendering, less than a second's work. Templates take some tens for a message.
const MOST_INSTRUCTIONS: u64 = 5_000_000;
/// Bytes of stack; what is not used takes no memory. The parser calls itself for every `-` and `not` and every further operator, up
/// to a KiB for a byte of the template. A rendering's values may lie in one another, a level for some seven instructions, and each
/// level takes up to 640 bytes where they are printed or compared.
const STACK: usize = 1 << 29;
/// The longest text, in bytes: so much, and so many times as much as the messages. Templates repeat those once or twice.
const MOST_BYTES: (usize, usize) = (1 << 20, 16);
/// The widest indentation that `tojson` takes; templates ask for 2 or 4.
const WIDEST_INDENT: usize = 64;

/// What an environment takes of these.
pub(super) fn set(environment: &mut minijinja::Environment) {
    environment.set_fuel(Some(MOST_INSTRUCTIONS));
}

/// Runs `parse`, which parses a template.
pub(super) fn parse(source: &str, parse: impl FnMut() -> Result<(), Error> + Send) -> Result<(), Error> {
    if source.len() > LONGEST_TEMPLATE {
        let found = source.len();
        let message = format!("it has {found} bytes, the most are {LONGEST_TEMPLATE}; use a shorter template");
        return Err(Error::new(ErrorKind::SyntaxError, message));
    }
    on_deep_stack(parse)
}

/// The text of a template.
pub(super) fn render(template: &Template, context: &Map<String, Value>) -> Result<String, Error> {
    let given = serde_json::to_vec(context).map_or(0, |text| text.len());
    let mut out = Text { bytes: Vec::new(), most: given.saturating_mul(MOST_BYTES.1).saturating_add(MOST_BYTES.0) };
    let rendered = on_deep_stack(|| template.render_captured_to(Serde(context), &mut out).map(drop));
    if out.full() {
        let message =
            format!("its text is longer than {} bytes, for messages of {given}; correct the template", out.most);
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    rendered?;
    String::from_utf8(out.bytes).map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// Checks the indentation that a template asks of `tojson`.
pub(super) fn indent(indent: Option<usize>) -> Result<(), Error> {
    match indent {
        Some(width) if width > WIDEST_INDENT => {
            let message = format!("tojson: indent is {width}, the most is {WIDEST_INDENT}; correct the template");
            Err(Error::new(ErrorKind::InvalidOperation, message))
        }
        _ => Ok(()),
    }
}

/// What is said of a template that does not come to an end.
pub(super) fn too_long() -> String {
    format!("it takes more than {MOST_INSTRUCTIONS} instructions; correct its loops, or shorten the messages")
}

/// Runs `work` on a thread with [`STACK`], or here where the system gives none: no sound template needs it.
fn on_deep_stack(mut work: impl FnMut() -> Result<(), Error> + Send) -> Result<(), Error> {
    let done = scope(|scope| {
        let thread = Builder::new().stack_size(STACK).spawn_scoped(scope, || guarded(&mut work)).ok()?;
        let gave_up = || Err(Error::new(ErrorKind::InvalidOperation, "the template's library gave up"));
        Some(thread.join().ok().and_then(Result::ok).unwrap_or_else(gave_up))
    });
    done.unwrap_or_else(work)
}

/// A text that is at most so long; one byte more marks that it is full.
struct Text {
    bytes: Vec<u8>,
    most: usize,
}

impl Text {
    fn full(&self) -> bool {
        self.bytes.len() > self.most
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (self.most + 1).saturating_sub(self.bytes.len());
        if room == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len().min(room))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
