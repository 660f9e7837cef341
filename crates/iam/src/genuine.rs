//! Tells AWS's answers from those of a proxy or a captive portal, which may answer 200 to anything.

use std::error::Error;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};

/// The headers in which AWS sends the id of a request.
const REQUEST_IDS: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];

/// Rejects each success that is not AWS's. The SDK does not read the answer to most writes, so any page
/// with status 200 would pass for a success.
#[derive(Debug)]
pub(crate) struct OnlyGenuine;

/// An answer with status 200 that AWS did not send, or of which the end is missing.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not AWS's, or was cut off")]
struct NotGenuine;

impl Intercept for OnlyGenuine {
    fn name(&self) -> &'static str {
        "OnlyGenuine"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let answer = context.response();
        let is_error = context.output_or_error().is_err();
        if is_error || has_request_id(answer) && is_whole_answer(answer) {
            return Ok(());
        }
        Err(NotGenuine.into())
    }
}

/// Returns whether an answer has AWS's request id, as each answer of AWS has.
pub(crate) fn has_request_id(answer: &HttpResponse) -> bool {
    request_id(answer).is_some()
}

/// Returns AWS's id of the request that was answered.
pub(crate) fn request_id(answer: &HttpResponse) -> Option<&str> {
    let ids = REQUEST_IDS.into_iter();
    ids.filter_map(|header| answer.headers().get(header))
        .find(|id| !id.is_empty())
}

/// Returns whether the body is a whole XML document whose root is that of an operation's answer, such as
/// `DeleteRoleResponse`.
///
/// Source: Smithy's AWS query protocol, "Response serialization".
fn is_whole_answer(answer: &HttpResponse) -> bool {
    let body = answer.body().bytes().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let text = text.trim();
    let root = text.strip_prefix("<?xml").map_or(text, |declared| {
        declared
            .split_once("?>")
            .map_or("", |(_, root)| root.trim_start())
    });
    let name = root.strip_prefix('<').unwrap_or_default();
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next();
    let name = name.unwrap_or_default();
    name.ends_with("Response") && text.ends_with(&format!("</{name}>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_document_with_the_root_of_an_answer_is_one() {
        let whole = "<DeleteRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\n\
                     <ResponseMetadata/></DeleteRoleResponse>\n";
        for (body, expected) in [
            (whole.to_owned(), true),
            (format!("<?xml version=\"1.0\"?>\n{whole}"), true),
            ("<DeleteRoleResponse></DeleteRoleResponse>".to_owned(), true),
            (whole.replace("</DeleteRoleResponse>", ""), false),
            (whole.replace("</DeleteRole", "</CreateRole"), false),
            (format!("<html>{whole}</html>"), false),
            (
                "<DeleteRoleResponseX></DeleteRoleResponse>".to_owned(),
                false,
            ),
            ("<?xml".to_owned(), false),
            ("{}".to_owned(), false),
            (String::new(), false),
        ] {
            let answer = HttpResponse::new(200.try_into().expect("a status"), body.clone().into());
            assert_eq!(is_whole_answer(&answer), expected, "{body}");
        }
    }

    #[test]
    fn an_answer_of_aws_has_a_request_id() {
        let mut answer = HttpResponse::new(200.try_into().expect("a status"), "".into());
        assert!(!has_request_id(&answer));
        answer.headers_mut().insert("x-amzn-requestid", "");
        assert!(!has_request_id(&answer));
        answer.headers_mut().insert("x-amzn-requestid", "1-2");
        assert!(has_request_id(&answer));
    }
}
