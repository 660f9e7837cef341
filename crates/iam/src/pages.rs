//! Reads listings that IAM returns in pages.

use crate::IamError;

/// One page of a listing.
pub(crate) struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> Page<T> {
    pub(crate) fn new(
        items: impl IntoIterator<Item = T>,
        is_truncated: bool,
        marker: Option<String>,
    ) -> Self {
        Self {
            items: items.into_iter().collect(),
            next: next_marker(is_truncated, marker),
        }
    }
}

/// Returns the marker of the next page; none after the last. IAM's marker counts only where the
/// answer is marked as truncated.
pub(crate) fn next_marker(is_truncated: bool, marker: Option<String>) -> Option<String> {
    marker.filter(|_| is_truncated)
}

/// Returns the items of all pages. `page_from` requests the page at a marker, none for the first.
///
/// # Errors
/// The first page that could not be read.
pub(crate) async fn all_pages<T, F>(
    mut page_from: impl FnMut(Option<String>) -> F,
) -> Result<Vec<T>, IamError>
where
    F: Future<Output = Result<Page<T>, IamError>>,
{
    let mut items = Vec::new();
    let mut marker = None;
    loop {
        let page = page_from(marker.take()).await?;
        items.extend(page.items);
        match page.next {
            Some(next) => marker = Some(next),
            None => return Ok(items),
        }
    }
}
