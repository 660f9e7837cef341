use crate::errors::ApiError;
use crate::wire::Params;
use crate::xml::Xml;

/// The page of a list that a request asks for.
pub(crate) struct PageRequest {
    /// The last key of the previous page.
    after: Option<String>,
    most: usize,
}

/// The prefix of markers. Markers encode the key, because callers must treat markers as opaque.
const MARKER: &str = "AAEA";

impl PageRequest {
    /// Parses `Marker` and `MaxItems` (100 if absent).
    ///
    /// # Errors
    /// `ValidationError`.
    pub(crate) fn parse(params: &Params) -> Result<Self, ApiError> {
        let most = params.number("MaxItems", 1, 1_000)?.unwrap_or(100);
        let after = match params.get("Marker") {
            Some(marker) => {
                Some(decode(marker).ok_or_else(|| ApiError::invalid("Invalid Marker."))?)
            }
            None => None,
        };
        Ok(Self {
            after,
            most: usize::try_from(most).expect("at most 1,000"),
        })
    }

    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Returns the page of these items, which must be in order of keys.
    pub(crate) fn cut<'a, T>(&self, items: impl Iterator<Item = (&'a str, T)>) -> Page<T> {
        let after = self.after.as_deref();
        let mut items = items.filter(|(key, _)| after.is_none_or(|after| *key > after));
        let mut last = "";
        let mut page = Vec::new();
        for (key, item) in items.by_ref().take(self.most) {
            last = key;
            page.push(item);
        }
        let marker = items.next().map(|_| encode(last));
        Page {
            items: page,
            marker,
        }
    }
}

/// One page of a list.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    marker: Option<String>,
}

impl<T> Page<T> {
    /// Returns the result of a list request: the items in a list with this name, and the marker of
    /// the next page.
    pub(crate) fn to_xml(&self, name: &str, member: impl FnMut(&mut Xml, &T)) -> Xml {
        let mut xml = Xml::default();
        xml.list(name, &self.items, member);
        self.write_end(&mut xml);
        xml
    }

    /// Writes whether more pages follow, and the marker of the next page.
    pub(crate) fn write_end(&self, xml: &mut Xml) {
        xml.bool("IsTruncated", self.marker.is_some());
        if let Some(marker) = &self.marker {
            xml.text("Marker", marker);
        }
    }
}

fn encode(key: &str) -> String {
    let digits = key.bytes().map(|byte| format!("{byte:02x}"));
    MARKER
        .chars()
        .chain(digits.collect::<String>().chars())
        .collect()
}

fn decode(marker: &str) -> Option<String> {
    let digits = marker.strip_prefix(MARKER)?;
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok());
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_contain_every_item_once() {
        let keys: Vec<_> = (0..25).map(|n| format!("k{n:02}")).collect();
        let mut seen = Vec::new();
        let mut marker = None;
        loop {
            let request = PageRequest {
                after: marker.as_deref().and_then(decode),
                most: 10,
            };
            let page = request.cut(keys.iter().map(|key| (key.as_str(), key.clone())));
            seen.extend(page.items);
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, keys);
    }

    #[test]
    fn a_marker_that_the_sandbox_did_not_create_is_rejected() {
        assert_eq!(decode("k01"), None);
        assert_eq!(decode("AAEA6"), None);
        assert_eq!(decode("AAEAzz"), None);
        assert_eq!(decode(&encode("k01")).as_deref(), Some("k01"));
    }
}
