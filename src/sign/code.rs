//! Authentication codes under a secret that kgate and a backend share.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A shared secret, ready to be used.
#[derive(Clone)]
pub struct CodeKey(Hmac<Sha256>);

impl CodeKey {
    /// Takes the secret's bytes; 32 or more are wise.
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
    }

    /// Returns HMAC-SHA-256 of the parts, one after the other.
    pub fn code(&self, parts: &[&[u8]]) -> [u8; 32] {
        // The keyed state is copied, so that the secret is not hashed again.
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Says whether `code` is that of the parts, in a time that does not tell how much of it was right.
    pub fn has_made(&self, code: &[u8], parts: &[&[u8]]) -> bool {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.verify_slice(code).is_ok()
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let code = CodeKey::new(b"Jefe").code(&[b"what do ya want ", b"for nothing?"]);
        let digits: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digits, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
