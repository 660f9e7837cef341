use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value, json};

use crate::errors::ApiError;
use crate::xml::Xml;

/// Returns an answer of STS in JSON, as AWS gives it where `Accept` asks for it.
pub(crate) fn answer(action: &str, request_id: &str, result: Option<&Xml>) -> String {
    let result = result.map_or_else(Map::new, |result| members(result.as_str()));
    let mut response = Map::new();
    response.insert(format!("{action}Result"), Value::Object(result));
    let metadata = json!({ "RequestId": request_id });
    response.insert("ResponseMetadata".to_owned(), metadata);
    let mut answer = Map::new();
    answer.insert(format!("{action}Response"), Value::Object(response));
    Value::Object(answer).to_string()
}

/// Returns an error of STS in JSON.
pub(crate) fn error(error: &ApiError, request_id: &str) -> String {
    let answer = json!({
        "Error": {"Code": error.code, "Message": error.message, "Type": error.kind()},
        "RequestId": request_id,
    });
    answer.to_string()
}

/// Returns the elements of a result whose elements have text only.
fn members(xml: &str) -> Map<String, Value> {
    let mut reader = Reader::from_str(xml);
    let (mut members, mut name) = (Map::new(), String::new());
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(start) => {
                start.name().as_ref().clone_into(&mut name);
            }
            Event::Text(text) => {
                members.insert(name.clone(), Value::String((*text).to_owned()));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_shape_of_awss() {
        let mut xml = Xml::default();
        xml.text("Arn", "arn:aws:iam::123456789012:user/ann")
            .text("Account", "123456789012");
        let answer = answer("GetCallerIdentity", "1-2", Some(&xml));
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let expected = json!({"GetCallerIdentityResponse": {
            "GetCallerIdentityResult": {
                "Arn": "arn:aws:iam::123456789012:user/ann", "Account": "123456789012",
            },
            "ResponseMetadata": {"RequestId": "1-2"},
        }});
        assert_eq!(answer, expected);
        let error = error(&ApiError::of_code("ExpiredToken"), "1-2");
        let error: Value = serde_json::from_str(&error).expect("JSON");
        assert_eq!(error["Error"]["Code"], "ExpiredToken");
        assert_eq!(error["Error"]["Type"], "Sender");
    }
}
