use std::collections::BTreeMap;

use crate::errors::ApiError;

/// The parameters of one request in AWS's query protocol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

/// Parameters that are credentials or belong to a signature; they are never logged.
const SECRET: [&str; 6] = [
    "X-Amz-",
    "Signature",
    "AWSAccessKeyId",
    "SecurityToken",
    "TokenCode",
    "WebIdentityToken",
];

impl Params {
    /// Parses the parameters of a query string and a form body together.
    pub(crate) fn parse(query: Option<&str>, body: &[u8]) -> Self {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let body = form_urlencoded::parse(body);
        let pairs = query.chain(body);
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&String> {
        self.0.get(name)
    }

    /// Returns a required parameter.
    ///
    /// # Errors
    /// `ValidationError` if the parameter is missing.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name)
            .map(String::as_str)
            .ok_or_else(|| ApiError::missing(&member(name)))
    }

    /// Parses a number within limits.
    ///
    /// # Errors
    /// `ValidationError` for a text that is not a number, or a number outside the limits.
    pub(crate) fn number(
        &self,
        name: &str,
        least: u32,
        most: u32,
    ) -> Result<Option<u32>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let member = member(name);
        let Ok(number) = text.parse::<i64>() else {
            return Err(ApiError::new(
                "MalformedInput",
                format!("'{text}' at '{member}' is not a number"),
            ));
        };
        if number < i64::from(least) {
            let rule = format!("Member must have value greater than or equal to {least}");
            return Err(ApiError::constraint(text, &member, &rule));
        }
        u32::try_from(number)
            .ok()
            .filter(|number| *number <= most)
            .map(Some)
            .ok_or_else(|| {
                let rule = format!("Member must have value less than or equal to {most}");
                ApiError::constraint(text, &member, &rule)
            })
    }

    /// Returns the elements of `name.member.N` in order of N, each as parameters. The value of an
    /// element that is a plain value has the empty name.
    pub(crate) fn list(&self, name: &str) -> Vec<Params> {
        let prefix = format!("{name}.member.");
        let mut elements = BTreeMap::<u64, Params>::new();
        for (key, value) in &self.0 {
            let Some(rest) = key.strip_prefix(&prefix) else {
                continue;
            };
            let (index, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(index) = index.parse() {
                let element = elements.entry(index).or_default();
                element.0.insert(field.to_owned(), value.clone());
            }
        }
        elements.into_values().collect()
    }

    /// Returns the plain values of `name.member.N`.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let elements = self.list(name).into_iter();
        elements
            .filter_map(|mut element| element.0.remove(""))
            .collect()
    }

    /// Returns the parameters that the call log shows.
    pub(crate) fn shown(&self) -> BTreeMap<String, String> {
        let mut shown = self.0.clone();
        shown.retain(|name, _| {
            name != "Action"
                && name != "Version"
                && !SECRET.iter().any(|secret| name.starts_with(secret))
        });
        shown
    }
}

/// Returns a parameter's name as AWS's messages spell it.
pub(crate) fn member(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_parsed_in_the_order_of_its_numbers() {
        let body =
            "Tags.member.10.Key=c&Tags.member.2.Key=b&Tags.member.2.Value=2&TagKeys.member.1=a";
        let params = Params::parse(None, body.as_bytes());
        let keys: Vec<_> = params
            .list("Tags")
            .iter()
            .map(|tag| tag.get("Key").cloned())
            .collect();
        assert_eq!(keys, [Some("b".into()), Some("c".into())]);
        assert_eq!(params.values("TagKeys"), ["a"]);
    }

    #[test]
    fn credentials_are_not_logged() {
        let query = "Action=GetRole&RoleName=r&X-Amz-Signature=s&X-Amz-Security-Token=t";
        let shown = Params::parse(Some(query), b"").shown();
        assert_eq!(shown.into_keys().collect::<Vec<_>>(), ["RoleName"]);
    }
}
