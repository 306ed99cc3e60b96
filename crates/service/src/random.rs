//! What must not be guessed.

use std::io;

/// Random bytes from the operating system.
///
/// # Errors
/// The operating system gives none.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(format!("the operating system gives no random bytes: {error}")))?;
    Ok(bytes)
}

/// A password of 20 characters that can be told over the telephone: no 0, O, 1, l, I. About 114 bits.
///
/// # Errors
/// As [`bytes`].
pub fn password() -> io::Result<String> {
    const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut text = String::with_capacity(20);
    while text.len() < 20 {
        for byte in bytes::<32>()? {
            // Bytes beyond the last whole multiple are dropped, so that no character is likelier than another.
            if usize::from(byte) < 256 / ALPHABET.len() * ALPHABET.len() && text.len() < 20 {
                text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_readable_and_differ() {
        let (one, two) = (password().unwrap(), password().unwrap());
        assert_eq!(one.len(), 20);
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric() && !"0O1lI".contains(c)), "{one}");
        assert_ne!(one, two);
    }
}
