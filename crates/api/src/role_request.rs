//! Maps the body of a PUT to the domain's request. Every wrong field is reported, by its path, all at once.

use engine_roles_contract::{Code, FieldError};
use engine_roles_domain::account::Region;
use engine_roles_domain::cluster::{Mode, RoleReference, RoleRequest, SecretName, Secrets};
use engine_roles_domain::grant::BoundaryArn;
use engine_roles_domain::invalid::Invalid;
use engine_roles_domain::resources::{RolePrefix, Tags};

use crate::problem::{self, Problem};
use crate::request_body::RequestBody;
use crate::strict_json::Json;
use crate::words::{mode_from_wire, read_word};

/// Parses each member of the body by its own rule. A member that is null counts as absent.
pub(crate) fn parse(body: &RequestBody) -> Result<RoleRequest, Problem> {
    let mut wrong = Wrong::default();
    let mut request = RoleRequest::default();
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in body.members() {
        if seen.contains(&name.as_str()) {
            wrong.add(name, "occurs more than once");
            continue;
        }
        seen.push(name);
        match (name.as_str(), value) {
            ("mode", value) => request.mode = wrong.mode(value),
            ("iam_role", value) => {
                request.iam_role = wrong.text("iam_role", value, RoleReference::parse);
            }
            ("secrets", value) => request.secrets = wrong.secrets(value),
            ("session_manager", value) => {
                request.session_manager = wrong.flag("session_manager", value);
            }
            ("region", value) => request.region = wrong.text("region", value, Region::parse),
            ("role_prefix", value) => {
                request.role_prefix = wrong.text("role_prefix", value, RolePrefix::parse);
            }
            ("permissions_boundary", value) => {
                request.permissions_boundary =
                    wrong.text("permissions_boundary", value, BoundaryArn::parse);
            }
            ("tags", value) => request.tags = wrong.tags(value),
            (unknown, _) => wrong.add(
                unknown,
                "is not a member of a request; there are mode, iam_role, secrets, session_manager, \
                 region, role_prefix, permissions_boundary and tags",
            ),
        }
    }
    Problem::all(wrong.0)?;
    Ok(request)
}

/// The wrong fields that were found so far.
#[derive(Default)]
struct Wrong(Vec<(Code, FieldError)>);

impl Wrong {
    fn add(&mut self, field: &str, reason: impl Into<String>) {
        self.add_as(Code::InvalidRequest, field, reason);
    }

    fn add_as(&mut self, code: Code, field: &str, reason: impl Into<String>) {
        let error = FieldError {
            field: field.to_owned(),
            reason: reason.into(),
        };
        self.0.push((code, error));
    }

    fn add_invalid(&mut self, field: &str, invalid: &Invalid) {
        self.add_as(
            problem::invalid_code(invalid.kind),
            field,
            invalid.to_string(),
        );
    }

    fn text<T>(
        &mut self,
        field: &str,
        value: &Json,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        match value {
            Json::Null => None,
            Json::Text(text) => match parse(text) {
                Ok(parsed) => Some(parsed),
                Err(invalid) => {
                    self.add_invalid(field, &invalid);
                    None
                }
            },
            _ => {
                self.add(field, "must be text");
                None
            }
        }
    }

    fn flag(&mut self, field: &str, value: &Json) -> Option<bool> {
        match value {
            Json::Null => None,
            Json::Flag(flag) => Some(*flag),
            _ => {
                self.add(field, "must be true or false");
                None
            }
        }
    }

    fn mode(&mut self, value: &Json) -> Option<Mode> {
        let word = match value {
            Json::Null => return None,
            Json::Text(text) => read_word(text),
            _ => None,
        };
        if word.is_none() {
            self.add("mode", "must be create or pass_through");
        }
        word.map(mode_from_wire)
    }

    fn secrets(&mut self, value: &Json) -> Option<Secrets> {
        let names = match value {
            Json::Null => return None,
            Json::Text(word) if word == "all" => return Some(Secrets::All),
            Json::List(names) => names,
            Json::Text(_) => {
                let reason = "must be \"all\" or a list of secret names";
                self.add_as(Code::InvalidSecretName, "secrets", reason);
                return None;
            }
            _ => {
                self.add("secrets", "must be \"all\" or a list of secret names");
                return None;
            }
        };
        let mut parsed = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let field = format!("secrets[{index}]");
            match name {
                Json::Text(_) => parsed.extend(self.text(&field, name, SecretName::parse)),
                _ => self.add(&field, "must be the name of a secret"),
            }
        }
        if parsed.len() < names.len() {
            return None;
        }
        let secrets = Secrets::named(parsed);
        secrets
            .map_err(|error| self.add_invalid("secrets", &error))
            .ok()
    }

    fn tags(&mut self, value: &Json) -> Option<Tags> {
        let members = match value {
            Json::Null => return None,
            Json::Object(members) => members,
            _ => {
                self.add("tags", "must be an object of keys and values");
                return None;
            }
        };
        let mut pairs = Vec::with_capacity(members.len());
        for (key, value) in members {
            let field = format!("tags.{key}");
            let Json::Text(value) = value else {
                self.add(&field, "must be text");
                continue;
            };
            let pair = (key.clone(), value.clone());
            match Tags::new([pair.clone()]) {
                Ok(_) => pairs.push(pair),
                Err(error) => self.add_invalid(&field, &error),
            }
        }
        if pairs.len() < members.len() {
            return None;
        }
        let tags = Tags::new(pairs);
        tags.map_err(|error| self.add_invalid("tags", &error)).ok()
    }
}
