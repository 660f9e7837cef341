//! The headers `ETag`, `If-Match` and `If-None-Match` (RFC 9110, sections 8.8.3 and 13).

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use engine_roles_contract::Code;
use engine_roles_domain::binding::{Binding, Conditions, IfMatch, IfNoneMatch, Revised};

use crate::problem::Problem;

/// The conditions of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditional(pub(crate) Conditions);

impl<S: Sync> FromRequestParts<S> for Conditional {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let if_match = tags(parts, &IF_MATCH, "If-Match")?.map(|listed| match listed {
            Listed::Any => IfMatch::Any,
            // A weak tag never matches, because the comparison is strong.
            Listed::Tags(tags) => IfMatch::Revisions(
                tags.iter()
                    .filter(|tag| !tag.is_weak)
                    .filter_map(EntityTag::revised)
                    .collect(),
            ),
        });
        let if_none_match =
            tags(parts, &IF_NONE_MATCH, "If-None-Match")?.map(|listed| match listed {
                Listed::Any => IfNoneMatch::Any,
                Listed::Tags(tags) => {
                    IfNoneMatch::Revisions(tags.iter().filter_map(EntityTag::revised).collect())
                }
            });
        Ok(Self(Conditions {
            if_match,
            if_none_match,
            digest: None,
        }))
    }
}

/// The value of a conditional header.
#[derive(Debug, PartialEq, Eq)]
enum Listed {
    /// `*`.
    Any,
    /// A list of entity tags.
    Tags(Vec<EntityTag>),
}

/// An entity tag, without its quotes.
#[derive(Debug, PartialEq, Eq)]
struct EntityTag {
    is_weak: bool,
    opaque: String,
}

impl EntityTag {
    /// Returns what a tag of this service stands for; none for a tag that this service never gave.
    fn revised(&self) -> Option<Revised> {
        let (generation, revision) = self.opaque.split_once('-')?;
        let revised = Revised {
            generation: generation.parse().ok()?,
            revision: revision.parse().ok()?,
        };
        (opaque(revised) == self.opaque).then_some(revised)
    }
}

/// Reads a conditional header, which may be sent in several lines.
fn tags(parts: &Parts, name: &HeaderName, field: &str) -> Result<Option<Listed>, Problem> {
    let lines = parts.headers.get_all(name).iter();
    let lines = lines.map(|line| line.to_str().unwrap_or("not ASCII"));
    let lines: Vec<&str> = lines.collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let listed = parse(&lines.join(","));
    listed.map(Some).ok_or_else(|| {
        let rule = "must be * or a list of entity tags in double quotes, such as \"3-17\"";
        Problem::field(Code::InvalidRequest, field, rule)
    })
}

fn parse(text: &str) -> Option<Listed> {
    if text.trim() == "*" {
        return Some(Listed::Any);
    }
    let mut tags = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (is_weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        let is_valid = opaque
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..));
        if !is_valid {
            return None;
        }
        tags.push(EntityTag {
            is_weak,
            opaque: opaque.to_owned(),
        });
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with(',') {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    (!tags.is_empty()).then_some(Listed::Tags(tags))
}

/// Returns the `ETag` of a binding. It changes with every change of the representation.
pub(crate) fn etag(binding: &Binding) -> String {
    format!("\"{}\"", opaque(Revised::of(binding)))
}

fn opaque(revised: Revised) -> String {
    format!("{}-{}", revised.generation, revised.revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(is_weak: bool, opaque: &str) -> EntityTag {
        EntityTag {
            is_weak,
            opaque: opaque.to_owned(),
        }
    }

    #[test]
    fn lists_of_entity_tags_are_parsed_as_rfc_9110_demands() {
        let lists = [
            ("\"3-17\"", vec![tag(false, "3-17")]),
            ("W/\"3-17\"", vec![tag(true, "3-17")]),
            (
                "\"1-2\" ,, W/\"a,b\",\"\"",
                vec![tag(false, "1-2"), tag(true, "a,b"), tag(false, "")],
            ),
        ];
        for (text, tags) in lists {
            assert_eq!(parse(text), Some(Listed::Tags(tags)), "{text}");
        }
        assert_eq!(parse(" * "), Some(Listed::Any));
        for text in [
            "",
            ",",
            "3",
            "\"3",
            "3\"",
            "w/\"3\"",
            "\"1\" \"2\"",
            "\"a b\"",
            "*, \"1-1\"",
            "\"1-1\", *",
            "\"1-1\"x",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_tag_that_this_service_gives_stands_for_a_revision() {
        let revised = tag(true, "3-17").revised().expect("a revision");
        assert_eq!((revised.generation, revised.revision), (3, 17));
        for opaque in ["3", "3-", "-17", "03-17", "3-17-1", "3-+17", "a-b"] {
            assert_eq!(tag(false, opaque).revised(), None, "{opaque}");
        }
    }
}
