//! Rows of the store, as a damaged or a foreign file might have them.

/// It is read or refused, and what is read is written as it was.
pub fn record(data: &[u8]) {
    kgate::store::read_as_each(data);
}
