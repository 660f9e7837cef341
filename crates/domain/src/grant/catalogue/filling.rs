//! Replaces a document's placeholders, string by string.

use std::collections::BTreeMap;

use engine_roles_policy::render::{self, RenderError};
use serde_json::Value;

use crate::account::Partition;
use crate::grant::catalogue::error::CatalogueError;
use crate::grant::catalogue::placeholders::{Placeholders, field};

/// Fills in each string of a document, and removes the statements that are left without a resource
/// or a condition value.
pub(super) fn fill(
    document: &'static str,
    text: &str,
    values: &Placeholders,
    partition: Option<Partition>,
) -> Result<String, CatalogueError> {
    let filler = Filler {
        document,
        values,
        partition,
    };
    // Text that is not JSON is returned unchanged: the policy parser rejects it and reports why.
    let Ok(mut whole) = serde_json::from_str::<Value>(text) else {
        return Ok(text.to_owned());
    };
    filler.fill_value(&mut whole)?;
    if let Some(statements) = whole.get_mut("Statement").and_then(Value::as_array_mut) {
        statements.retain(|statement| !is_emptied(statement));
    }
    let text = whole.to_string();
    match render::placeholders(&text) {
        Ok(left) if left.is_empty() => Ok(text),
        // A placeholder in a member's name stays, because only values are filled in.
        Ok(left) => {
            let placeholder = left.iter().copied().collect();
            let source = RenderError::Unfilled { placeholder };
            Err(CatalogueError::Fill { document, source })
        }
        Err(source) => Err(CatalogueError::Fill { document, source }),
    }
}

struct Filler<'a> {
    document: &'static str,
    values: &'a Placeholders,
    partition: Option<Partition>,
}

impl Filler<'_> {
    fn fill_value(&self, value: &mut Value) -> Result<(), CatalogueError> {
        match value {
            Value::Object(members) => {
                for member in members.values_mut() {
                    self.fill_value(member)?;
                }
            }
            Value::Array(items) => {
                let mut filled = Vec::with_capacity(items.len());
                for mut item in std::mem::take(items) {
                    if let Value::String(text) = &item {
                        let texts = self.fill_text(text)?;
                        filled.extend(texts.into_iter().map(Value::from));
                    } else {
                        self.fill_value(&mut item)?;
                        filled.push(item);
                    }
                }
                *items = filled;
            }
            // A single string is treated as a list of one.
            Value::String(text) => {
                let mut texts = self.fill_text(text)?;
                *value = match texts.len() {
                    1 => Value::from(texts.remove(0)),
                    _ => Value::from(texts),
                };
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    /// Returns the text once for each combination of the values of its placeholders.
    fn fill_text(&self, text: &str) -> Result<Vec<String>, CatalogueError> {
        let flaw = |source: RenderError| CatalogueError::Fill {
            document: self.document,
            source,
        };
        let mut chosen: Vec<BTreeMap<&str, String>> = vec![BTreeMap::new()];
        for name in render::placeholders(text).map_err(flaw)? {
            let values = match self.values.single(name, self.partition) {
                Some(value) => vec![value.to_owned()],
                None => self
                    .values
                    .many(name, self.partition)
                    .ok_or_else(|| self.missing(name))?,
            };
            let with_each = chosen.iter().flat_map(|choice| {
                values.iter().map(move |value| {
                    let mut choice = choice.clone();
                    choice.insert(name, value.clone());
                    choice
                })
            });
            chosen = with_each.collect();
        }
        let filled = chosen.iter().map(|choice| {
            let choice = choice.iter().map(|(name, value)| (*name, value.as_str()));
            render::fill(text, &choice.collect())
        });
        filled.collect::<Result<_, _>>().map_err(flaw)
    }

    fn missing(&self, placeholder: &str) -> CatalogueError {
        let document = self.document;
        let placeholder = placeholder.to_owned();
        match field(&placeholder, self.values.account.as_ref()) {
            Some(field) => CatalogueError::Missing {
                field,
                document,
                placeholder,
            },
            None => CatalogueError::Fill {
                document,
                source: RenderError::Unfilled { placeholder },
            },
        }
    }
}

/// Returns whether an Allow statement has lost all its resources, or all values of one of its
/// conditions. A Deny statement that has lost them is kept, and the document is then rejected as
/// invalid: without the Deny, more would be allowed.
fn is_emptied(statement: &Value) -> bool {
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let resources = ["Resource", "NotResource"].map(|element| &statement[element]);
    let operators = statement["Condition"].as_object();
    let mut conditions = operators
        .into_iter()
        .flat_map(|operators| operators.values())
        .filter_map(Value::as_object)
        .flat_map(|keys| keys.values());
    statement["Effect"] == "Allow"
        && (resources.into_iter().any(is_empty) || conditions.any(is_empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, roles: &[&str]) -> Result<String, CatalogueError> {
        let roles = roles.iter().map(|role| role.parse().expect("a role"));
        let values = Placeholders {
            account: Some("123456789012".parse().expect("an account")),
            pass_through_roles: roles
                .map(crate::cluster::spec::RoleReference::Name)
                .collect(),
            ..Placeholders::default()
        };
        fill("test", text, &values, Some(Partition::Aws))
    }

    #[test]
    fn a_single_string_is_treated_as_a_list_of_one() {
        let text = r#"{"Statement": [{"Effect": "Allow", "Resource": "<PASS_THROUGH_ROLE>"}]}"#;
        let one = filled(text, &["a"]).expect("the placeholders are filled in");
        assert!(
            one.contains(r#""Resource":"arn:aws:iam::123456789012:role/a""#),
            "{one}"
        );
        let two = filled(text, &["a", "b"]).expect("the placeholders are filled in");
        let both = r#"["arn:aws:iam::123456789012:role/a","arn:aws:iam::123456789012:role/b"]"#;
        assert!(two.contains(both), "{two}");
        assert_eq!(
            filled(text, &[]).expect("the placeholders are filled in"),
            r#"{"Statement":[]}"#
        );
    }

    #[test]
    fn an_allow_with_an_emptied_condition_is_removed_and_a_deny_is_kept() {
        let statement = |effect: &str| {
            format!(
                r#"{{"Statement": [{{"Effect": "{effect}", "Resource": "*",
                    "Condition": {{"ArnEquals": {{"aws:PrincipalArn": ["<PASS_THROUGH_ROLE>"]}}}}}}]}}"#
            )
        };
        let allow = filled(&statement("Allow"), &[]).expect("the placeholders are filled in");
        assert_eq!(allow, r#"{"Statement":[]}"#);
        let deny = filled(&statement("Deny"), &[]).expect("the placeholders are filled in");
        assert!(deny.contains(r#""aws:PrincipalArn":[]"#), "{deny}");
    }

    #[test]
    fn an_unknown_placeholder_or_one_in_a_member_name_is_an_error() {
        for text in [
            r#"{"Id": "<UNKNOWN>"}"#,
            r#"{"<ACCOUNT_ID>": "x"}"#,
            r#"{"Id": "a > b"}"#,
        ] {
            let failed = filled(text, &[]);
            assert!(
                matches!(failed, Err(CatalogueError::Fill { .. })),
                "{failed:?}"
            );
        }
    }
}
