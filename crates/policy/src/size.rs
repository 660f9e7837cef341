//! The size of a document as IAM counts it.

/// The characters of a policy's text without the white space between its elements.
///
/// "IAM and AWS STS quotas", IAM User Guide, says that white space is not counted and leaves open
/// whether that goes for white space inside of a string. Here that counts, so that a document is
/// never held for smaller than IAM holds it.
pub fn of_text(text: &str) -> usize {
    let (mut size, mut in_string, mut escaped) = (0, false, false);
    for character in text.chars() {
        if in_string {
            size += 1;
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
        } else if !character.is_ascii_whitespace() {
            size += 1;
            in_string = character == '"';
        }
    }
    size
}
