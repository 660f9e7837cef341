use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::errors::ApiError;

/// The body of an answer, written element by element.
#[derive(Default)]
pub(crate) struct Xml(String);

/// The unreserved characters of RFC 3986 are not encoded.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Xml {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn text(&mut self, name: &str, text: impl AsRef<str>) -> &mut Self {
        // Messages repeat text of the caller, which may have characters that are invalid in XML.
        let text = text.as_ref().replace(is_not_xml, "\u{fffd}");
        let text = quick_xml::escape::escape(text);
        write!(self.0, "<{name}>{text}</{name}>").expect("writing to a String can't fail");
        self
    }

    pub(crate) fn number(&mut self, name: &str, number: usize) -> &mut Self {
        self.text(name, number.to_string())
    }

    pub(crate) fn bool(&mut self, name: &str, value: bool) -> &mut Self {
        self.text(name, if value { "true" } else { "false" })
    }

    pub(crate) fn date(&mut self, name: &str, date: DateTime<Utc>) -> &mut Self {
        self.text(name, date.to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    /// Writes a policy document, percent-encoded as in IAM's answers (RFC 3986).
    pub(crate) fn document(&mut self, name: &str, document: &str) -> &mut Self {
        self.text(name, utf8_percent_encode(document, UNRESERVED).to_string())
    }

    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        write!(self.0, "<{name}>").expect("writing to a String can't fail");
        content(self);
        write!(self.0, "</{name}>").expect("writing to a String can't fail");
        self
    }

    /// Writes a list, each item in a `member` element.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut member: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.element(name, |xml| {
            for item in items {
                xml.element("member", |xml| member(xml, item));
            }
        })
    }

    /// Writes a list of plain texts.
    pub(crate) fn texts<T: AsRef<str>>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.element(name, |xml| {
            for item in items {
                xml.text("member", item);
            }
        })
    }
}

pub(crate) fn answer(
    action: &str,
    namespace: &str,
    request_id: &str,
    result: Option<&Xml>,
) -> String {
    let result = result.map_or_else(String::new, |Xml(result)| {
        format!("<{action}Result>{result}</{action}Result>")
    });
    format!(
        "<{action}Response xmlns=\"{namespace}\">{result}<ResponseMetadata><RequestId>{request_id}\
         </RequestId></ResponseMetadata></{action}Response>"
    )
}

pub(crate) fn error(error: &ApiError, namespace: &str, request_id: &str) -> String {
    let mut xml = Xml::default();
    xml.element("Error", |xml| {
        xml.text("Type", error.kind())
            .text("Code", &error.code)
            .text("Message", &error.message);
    });
    xml.text("RequestId", request_id);
    format!(
        "<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>",
        xml.0
    )
}

fn is_not_xml(char: char) -> bool {
    matches!(char, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_a_document_is_percent_encoded() {
        let mut xml = Xml::default();
        xml.text("A", "<&>\r\0").document("B", "{\"a\": \"ü+~\"}");
        assert_eq!(
            xml.0,
            "<A>&lt;&amp;&gt;&#13;\u{fffd}</A><B>%7B%22a%22%3A%20%22%C3%BC%2B~%22%7D</B>"
        );
    }
}
