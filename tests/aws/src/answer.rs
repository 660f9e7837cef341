//! An answer of AWS as it came over the wire.

use quick_xml::escape::unescape;

/// An answer of AWS, or of the sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// AWS's id of the request; none where the answer has no such header.
    pub(crate) request_id: Option<String>,
    /// The body: XML of IAM and STS, JSON of Secrets Manager.
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        self.status == 200
    }

    /// Returns the code of an error; empty for a success.
    pub(crate) fn code(&self) -> String {
        if self.is_success() {
            return String::new();
        }
        self.text("Code").unwrap_or_default()
    }

    /// Returns the text of the first element with this name.
    pub(crate) fn text(&self, element: &str) -> Option<String> {
        self.texts(element).into_iter().next()
    }

    /// Returns the texts of all elements with this name that have no elements in them.
    pub(crate) fn texts(&self, element: &str) -> Vec<String> {
        let (start, end) = (format!("<{element}>"), format!("</{element}>"));
        let parts = self.body.split(&start).skip(1);
        let texts = parts.filter_map(|part| part.split_once(&end).map(|(text, _)| text));
        let texts = texts.filter(|text| !text.contains('<'));
        texts
            .map(|text| unescape(text).map_or_else(|_| text.to_owned(), Into::into))
            .collect()
    }

    /// Returns the answer in one line: the status, and the code and message of an error.
    pub(crate) fn outcome(&self) -> String {
        if self.is_success() {
            return "200".to_owned();
        }
        let message = self.text("Message").unwrap_or_default();
        format!("{} {}: {message}", self.status, self.code())
    }

    /// Returns status and code, without the message.
    pub(crate) fn class(&self) -> String {
        format!("{} {}", self.status, self.code())
    }

    /// Returns the tags in the answer as `key=value`.
    pub(crate) fn tags(&self) -> Vec<(String, String)> {
        let tags = self.body.split("<Tags>").nth(1);
        let tags = tags.and_then(|tags| tags.split("</Tags>").next());
        let tags = Self {
            body: tags.unwrap_or_default().to_owned(),
            ..self.clone()
        };
        tags.texts("Key")
            .into_iter()
            .zip(tags.texts("Value"))
            .collect()
    }
}
