//! The size of a document as IAM counts it.

/// Returns the number of characters of a policy's text without the white space between its
/// elements.
///
/// "IAM and AWS STS quotas", IAM User Guide, says that white space is not counted, but not whether
/// this includes white space inside a string. Here white space inside a string is counted, so that
/// the result is never smaller than IAM's count.
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
