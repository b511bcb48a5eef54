//! Messages as bytes: numbers in little endian, sequences with their length before them.
use super::RanksError;

/// Writes a message.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub fn flag(&mut self, value: bool) -> &mut Self {
        self.0.push(u8::from(value));
        self
    }

    pub fn double(&mut self, value: f64) -> &mut Self {
        self.number(value.to_bits())
    }

    pub fn value(&mut self, value: f32) -> &mut Self {
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
        self
    }

    pub fn values(&mut self, values: &[f32]) -> &mut Self {
        self.number(values.len() as u64);
        values.iter().for_each(|value| self.0.extend_from_slice(&value.to_bits().to_le_bytes()));
        self
    }

    pub fn words(&mut self, words: &[u64]) -> &mut Self {
        self.number(words.len() as u64);
        words.iter().for_each(|word| self.0.extend_from_slice(&word.to_le_bytes()));
        self
    }

    pub fn tokens(&mut self, tokens: &[u32]) -> &mut Self {
        self.number(tokens.len() as u64);
        tokens.iter().for_each(|token| self.0.extend_from_slice(&token.to_le_bytes()));
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// The message.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what a [`Writer`] wrote. Everything but that is [`RanksError::Broken`].
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], RanksError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(RanksError::Broken)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// The bytes of a sequence of elements of `size` bytes.
    fn sequence(&mut self, size: usize) -> Result<&'a [u8], RanksError> {
        let len = usize::try_from(self.number()?).ok().and_then(|count| count.checked_mul(size));
        let (bytes, rest) = len.and_then(|len| self.0.split_at_checked(len)).ok_or(RanksError::Broken)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn number(&mut self) -> Result<u64, RanksError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A number of things that follow.
    pub fn count(&mut self) -> Result<usize, RanksError> {
        usize::try_from(self.number()?).map_err(|_| RanksError::Broken)
    }

    pub fn flag(&mut self) -> Result<bool, RanksError> {
        Ok(self.bytes::<1>()? == [1])
    }

    pub fn double(&mut self) -> Result<f64, RanksError> {
        Ok(f64::from_bits(self.number()?))
    }

    pub fn value(&mut self) -> Result<f32, RanksError> {
        Ok(f32::from_le_bytes(self.bytes()?))
    }

    pub fn values(&mut self) -> Result<Vec<f32>, RanksError> {
        let bytes = self.sequence(4)?.as_chunks().0;
        Ok(bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    pub fn words(&mut self) -> Result<Vec<u64>, RanksError> {
        let bytes = self.sequence(8)?.as_chunks().0;
        Ok(bytes.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    }

    pub fn tokens(&mut self) -> Result<Vec<u32>, RanksError> {
        let bytes = self.sequence(4)?.as_chunks().0;
        Ok(bytes.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }

    pub fn text(&mut self) -> Result<String, RanksError> {
        String::from_utf8(self.sequence(1)?.to_vec()).map_err(|_| RanksError::Broken)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_cut_is_refused() {
        let mut writer = Writer::default();
        writer
            .number(7)
            .flag(true)
            .double(0.25)
            .value(-0.0)
            .values(&[1.5, f32::NAN])
            .tokens(&[3, 9])
            .words(&[u64::MAX])
            .text("é");
        let message = writer.done();
        let read = |message: &[u8]| {
            let mut reader = Reader::new(message);
            let head = (reader.number()?, reader.flag()?, reader.double()?, reader.value()?.to_bits());
            let values: Vec<u32> = reader.values()?.into_iter().map(f32::to_bits).collect();
            Ok::<_, RanksError>((head, values, (reader.tokens()?, reader.words()?), reader.text()?))
        };
        let expected = ((7, true, 0.25, (-0.0f32).to_bits()), vec![1.5f32.to_bits(), f32::NAN.to_bits()]);
        let (head, values, tokens, text) = read(&message).unwrap();
        assert_eq!((head, values), expected);
        assert_eq!((tokens, text.as_str()), ((vec![3, 9], vec![u64::MAX]), "é"));
        for cut in 0..message.len() {
            assert_eq!(read(&message[..cut]).unwrap_err(), RanksError::Broken, "{cut}");
        }
        // A length that no memory has.
        assert!(Reader::new(&[255; 8]).values().is_err());
    }
}
