use crate::errors::ApiError;
use crate::wire::Params;
use crate::xml::Xml;

/// Which page of a list a request asks for.
pub(crate) struct PageRequest {
    /// The key that the page before ended with.
    after: Option<String>,
    most: usize,
}

/// Keys are hidden in markers: callers must not make them up.
const MARKER: &str = "AAEA";

impl PageRequest {
    /// Reads `Marker` and `MaxItems` (100 where it is missing).
    ///
    /// # Errors
    /// `ValidationError`.
    pub(crate) fn parse(params: &Params) -> Result<Self, ApiError> {
        let most = params.number("MaxItems", 1, 1_000)?.unwrap_or(100);
        let after = match params.get("Marker") {
            Some(marker) => Some(open(marker).ok_or_else(|| ApiError::invalid("Invalid Marker."))?),
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

    /// The page, of items in order of keys.
    pub(crate) fn cut<'a, T>(&self, items: impl Iterator<Item = (&'a str, T)>) -> Page<T> {
        let after = self.after.as_deref();
        let mut items = items.filter(|(key, _)| after.is_none_or(|after| *key > after));
        let mut last = "";
        let mut page = Vec::new();
        for (key, item) in items.by_ref().take(self.most) {
            last = key;
            page.push(item);
        }
        let marker = items.next().map(|_| hide(last));
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
    /// The result of a listing: the items in a list of this name, and where more follows.
    pub(crate) fn to_xml(&self, name: &str, member: impl FnMut(&mut Xml, &T)) -> Xml {
        let mut xml = Xml::default();
        xml.list(name, &self.items, member);
        self.write_end(&mut xml);
        xml
    }

    /// Writes whether more follows, and where.
    pub(crate) fn write_end(&self, xml: &mut Xml) {
        xml.bool("IsTruncated", self.marker.is_some());
        if let Some(marker) = &self.marker {
            xml.text("Marker", marker);
        }
    }
}

fn hide(key: &str) -> String {
    let digits = key.bytes().map(|byte| format!("{byte:02x}"));
    MARKER
        .chars()
        .chain(digits.collect::<String>().chars())
        .collect()
}

fn open(marker: &str) -> Option<String> {
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
    fn pages_hold_every_item_once() {
        let keys: Vec<_> = (0..25).map(|n| format!("k{n:02}")).collect();
        let mut seen = Vec::new();
        let mut marker = None;
        loop {
            let request = PageRequest {
                after: marker.as_deref().and_then(open),
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
    fn a_marker_that_was_made_up_is_refused() {
        assert_eq!(open("k01"), None);
        assert_eq!(open("AAEA6"), None);
        assert_eq!(open("AAEAzz"), None);
        assert_eq!(open(&hide("k01")).as_deref(), Some("k01"));
    }
}
