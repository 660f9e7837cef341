//! Compares the schemas of two documents.

use std::collections::BTreeSet;

use serde_json::Value;

use super::members;

/// Who writes a value of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// The client: the new schema must accept all that the old one accepted.
    Request,
    /// The service: the new schema must promise all that the old one promised.
    Answer,
}

/// A comparison of two documents.
pub(super) struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    /// The pairs of named schemas that are compared already.
    compared: BTreeSet<(String, String, Direction)>,
    pub(super) broken: Vec<String>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(old: &'a Value, new: &'a Value) -> Self {
        Self {
            old,
            new,
            compared: BTreeSet::new(),
            broken: Vec::new(),
        }
    }

    pub(super) fn report(&mut self, place: &str, what: &str) {
        self.broken.push(format!("{place} {what}"));
    }

    /// Compares two schemas, and the schemas in them.
    pub(super) fn schemas(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        if let (Some(one), Some(other)) = (old["$ref"].as_str(), new["$ref"].as_str()) {
            let pair = (one.to_owned(), other.to_owned(), direction);
            if !self.compared.insert(pair) {
                return;
            }
        }
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        self.types(place, old, new, direction);
        self.enumerations(place, old, new, direction);
        if old["format"] != new["format"] && !old["format"].is_null() {
            self.report(place, "has another format");
        }
        match direction {
            Direction::Request => self.bounds(place, old, new),
            Direction::Answer => self.kept_members(place, old, new),
        }
        self.required_members(place, old, new, direction);
        for (name, schema) in members(&old["properties"]) {
            let now = &new["properties"][name];
            let place = format!("{place}.{name}");
            if now.is_null() {
                self.report(&place, "was removed");
            } else {
                self.schemas(&place, schema, now, direction);
            }
        }
        for member in ["items", "additionalProperties", "propertyNames"] {
            if old[member].is_object() && new[member].is_object() {
                self.schemas(&format!("{place}[]"), &old[member], &new[member], direction);
            }
        }
        self.alternatives(place, old, new, direction);
    }

    fn types(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        let (before, after) = (types(old), types(new));
        let fits = match direction {
            _ if before.is_empty() && after.is_empty() => true,
            Direction::Request => after.is_empty() || before.is_subset(&after),
            Direction::Answer => after.is_subset(&before) && !after.is_empty(),
        };
        if !fits {
            self.report(place, "has another type");
        }
    }

    fn enumerations(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        let (before, after) = (old["enum"].as_array(), new["enum"].as_array());
        let lacks = |all: &[Value], some: &[Value]| some.iter().any(|word| !all.contains(word));
        let is_broken = match (direction, before, after) {
            (Direction::Request, None, Some(_)) | (Direction::Answer, Some(_), None) => true,
            (Direction::Request, Some(before), Some(after)) => lacks(after, before),
            (Direction::Answer, Some(before), Some(after)) => lacks(before, after),
            (_, _, None) | (Direction::Answer, None, Some(_)) => false,
        };
        if is_broken {
            let what = match direction {
                Direction::Request => "accepts fewer words",
                Direction::Answer => "has new words",
            };
            self.report(place, what);
        }
    }

    /// Reports a narrower pattern or bound of a request.
    fn bounds(&mut self, place: &str, old: &Value, new: &Value) {
        if !new["pattern"].is_null() && new["pattern"] != old["pattern"] {
            self.report(place, "has another pattern");
        }
        for bound in ["maximum", "maxLength", "maxItems", "maxProperties"] {
            if greater(&old[bound], &new[bound], f64::INFINITY) {
                self.report(place, &format!("has a smaller {bound}"));
            }
        }
        for bound in ["minimum", "minLength", "minItems", "minProperties"] {
            if greater(&new[bound], &old[bound], f64::NEG_INFINITY) {
                self.report(place, &format!("has a greater {bound}"));
            }
        }
        if new["additionalProperties"] == false && old["additionalProperties"] != false {
            self.report(place, "accepts no other members");
        }
    }

    /// Reports a member of an answer that is no longer always present.
    fn kept_members(&mut self, place: &str, old: &Value, new: &Value) {
        for name in required(old).difference(&required(new)) {
            self.report(&format!("{place}.{name}"), "may be absent now");
        }
    }

    fn required_members(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        if direction == Direction::Answer {
            return;
        }
        for name in required(new).difference(&required(old)) {
            self.report(&format!("{place}.{name}"), "is required now");
        }
    }

    /// Compares the alternatives of a schema, of which a value fits one. The alternatives keep their
    /// order; a request may get new ones, and an answer may lose some.
    fn alternatives(&mut self, place: &str, old: &Value, new: &Value, direction: Direction) {
        for member in ["oneOf", "anyOf", "allOf"] {
            let list = |schema: &'_ Value| schema[member].as_array().cloned().unwrap_or_default();
            let (before, after) = (list(old), list(new));
            let (must_fit, others) = match direction {
                Direction::Request => (&before, &after),
                Direction::Answer => (&after, &before),
            };
            for one in must_fit {
                let fits = others.iter().any(|other| {
                    let mut trial = Comparison::new(self.old, self.new);
                    match direction {
                        Direction::Request => trial.schemas("", one, other, direction),
                        Direction::Answer => trial.schemas("", other, one, direction),
                    }
                    trial.broken.is_empty()
                });
                if !fits {
                    self.report(place, "has other alternatives");
                }
            }
        }
    }
}

/// Returns whether a bound is greater than another. An absent bound is `absent`.
fn greater(one: &Value, other: &Value, absent: f64) -> bool {
    one.as_f64().unwrap_or(absent) > other.as_f64().unwrap_or(absent)
}

fn types(schema: &Value) -> BTreeSet<&str> {
    match &schema["type"] {
        Value::String(one) => BTreeSet::from([one.as_str()]),
        several => {
            let several = several.as_array().into_iter().flatten();
            several.filter_map(Value::as_str).collect()
        }
    }
}

fn required(schema: &Value) -> BTreeSet<&str> {
    let names = schema["required"].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).collect()
}

/// Follows a reference in the document.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str();
    let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
    pointer.map_or(schema, |pointer| {
        let target = document.pointer(pointer);
        target.unwrap_or_else(|| panic!("{pointer} is not in the document"))
    })
}
