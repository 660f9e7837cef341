//! Settings whose value is a list.

/// Returns the entries of a list that are separated by commas, without empty ones.
pub(crate) fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}
