//! Reads the corpus; `corpus/README.md` describes the format.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use engine_roles_policy::{Context, Grant, Kind, Principal, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The members of a case, each as it is written, so that no number is rounded.
type Members = BTreeMap<String, Box<RawValue>>;

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) form: Form,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) page: String,
    pub(crate) heading: String,
}

#[derive(Debug)]
pub(crate) enum Form {
    Decision(Asked),
    Parsing {
        kind: Kind,
        text: String,
        rule: Option<String>,
    },
    Containment {
        document: String,
        limits: Vec<Grant>,
        within: bool,
    },
    Equivalence {
        documents: Vec<String>,
        equivalent: bool,
    },
}

/// The policies of a decision, as text, with the request and the decision.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) policies: Vec<String>,
    pub(crate) boundary: Option<String>,
    pub(crate) trust: Option<String>,
    pub(crate) request: Request,
    /// The values of each key; none for a key that is known to be absent.
    pub(crate) keys: BTreeMap<String, Vec<String>>,
    pub(crate) partial: bool,
    /// Whether the documents are read as AWS holds them, and not parsed strictly.
    pub(crate) lenient: bool,
    pub(crate) expected: Decided,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    Allowed,
    ExplicitlyDenied,
    ImplicitlyDenied,
    Indeterminate,
}

/// Returns the cases of each file.
pub(crate) fn load() -> Vec<(String, Vec<Case>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let cases: Vec<Members> =
                serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            let cases = cases.into_iter().map(|members| case(&name, members));
            (name.clone(), cases.collect())
        })
        .collect()
}

/// Returns the texts of all documents of the corpus, valid or not.
pub(crate) fn documents() -> Vec<(Kind, String)> {
    let cases = load().into_iter().flat_map(|(_, cases)| cases);
    cases
        .flat_map(|case| match case.form {
            Form::Decision(asked) => {
                let identity = asked
                    .policies
                    .into_iter()
                    .map(|text| (Kind::Identity, text));
                let boundary = asked.boundary.map(|text| (Kind::Boundary, text));
                let trust = asked.trust.map(|text| (Kind::Trust, text));
                identity.chain(boundary).chain(trust).collect()
            }
            Form::Parsing { kind, text, .. } => vec![(kind, text)],
            Form::Containment { document, .. } => vec![(Kind::Identity, document)],
            Form::Equivalence { documents, .. } => documents
                .into_iter()
                .map(|text| (Kind::Identity, text))
                .collect(),
        })
        .collect()
}

fn case(file: &str, mut members: Members) -> Case {
    let name: String = read(&mut members, "name").expect("a name");
    let source = read(&mut members, "source").expect("a source");
    let _: Option<String> = read(&mut members, "note");
    let form = if members.contains_key("expected") {
        Form::Decision(asked(&mut members))
    } else if members.contains_key("parses") {
        parsing(&mut members)
    } else if members.contains_key("within") {
        containment(&mut members)
    } else {
        Form::Equivalence {
            documents: texts(&mut members, "documents"),
            equivalent: read(&mut members, "equivalent").expect("equivalent"),
        }
    };
    assert!(members.is_empty(), "{file}: {name}: {:?}", members.keys());
    Case { name, source, form }
}

fn asked(members: &mut Members) -> Asked {
    let expected: String = read(members, "expected").expect("expected");
    let deny: Option<String> = read(members, "deny");
    let expected = match (expected.as_str(), deny.as_deref()) {
        ("allowed", None) => Decided::Allowed,
        ("denied", Some("explicit")) => Decided::ExplicitlyDenied,
        ("denied", Some("implicit")) => Decided::ImplicitlyDenied,
        ("indeterminate", None) => Decided::Indeterminate,
        other => panic!("{other:?} is no decision"),
    };
    let keys: BTreeMap<String, serde_json::Value> = read(members, "context").unwrap_or_default();
    let keys: BTreeMap<String, Vec<String>> = keys
        .into_iter()
        .map(|(key, value)| (key, values(value)))
        .collect();
    let partial = read(members, "partial").unwrap_or(false);
    let lenient = read(members, "lenient").unwrap_or(false);
    let mut request: BTreeMap<String, serde_json::Value> =
        read(members, "request").expect("a request");
    let mut word = |name: &str| request.remove(name)?.as_str().map(str::to_owned);
    let (action, resource) = (word("action").unwrap(), word("resource").unwrap());
    let principal = request.remove("principal").map(|named| principal(&named));
    assert!(request.is_empty(), "{request:?}");
    let context = if partial {
        Context::partial()
    } else {
        Context::new()
    };
    let context = keys.iter().fold(context, |context, (key, values)| {
        context.with_values(key, values)
    });
    Asked {
        policies: texts(members, "policies"),
        boundary: raw(members, "boundary"),
        trust: raw(members, "trust"),
        request: Request {
            principal,
            ..Request::new(action, resource).in_context(context)
        },
        keys,
        partial,
        lenient,
        expected,
    }
}

fn values(value: serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Null => Vec::new(),
        serde_json::Value::Array(values) => values.into_iter().flat_map(self::values).collect(),
        serde_json::Value::String(value) => vec![value],
        other => panic!("{other} is no value of a key"),
    }
}

fn principal(named: &serde_json::Value) -> Principal {
    let (kind, id) = named.as_object().unwrap().iter().next().unwrap();
    let id = id.as_str().unwrap().to_owned();
    match kind.as_str() {
        "AWS" => Principal::Aws(id),
        "Service" => Principal::Service(id),
        "Federated" => Principal::Federated(id),
        other => panic!("{other} is no type of principal"),
    }
}

fn parsing(members: &mut Members) -> Form {
    let kind: String = read(members, "kind").expect("a kind");
    let text = raw(members, "document").or_else(|| read(members, "text"));
    let rule: Option<String> = read(members, "rule");
    let parses: bool = read(members, "parses").expect("parses");
    assert_eq!(parses, rule.is_none());
    Form::Parsing {
        kind: match kind.as_str() {
            "identity" => Kind::Identity,
            "trust" => Kind::Trust,
            "boundary" => Kind::Boundary,
            other => panic!("{other} is no kind"),
        },
        text: text.expect("a document or a text"),
        rule,
    }
}

fn containment(members: &mut Members) -> Form {
    let limits: Vec<BTreeMap<String, String>> = read(members, "limits").expect("limits");
    Form::Containment {
        document: raw(members, "document").expect("a document"),
        limits: limits
            .iter()
            .map(|limit| Grant::new(&limit["action"], &limit["resource"]))
            .collect(),
        within: read(members, "within").expect("within"),
    }
}

fn raw(members: &mut Members, name: &str) -> Option<String> {
    members.remove(name).map(|value| value.get().to_owned())
}

fn texts(members: &mut Members, name: &str) -> Vec<String> {
    let list: Option<Vec<Box<RawValue>>> = read(members, name);
    let list = list.unwrap_or_default().into_iter();
    list.map(|value| value.get().to_owned()).collect()
}

fn read<T: DeserializeOwned>(members: &mut Members, name: &str) -> Option<T> {
    let value = members.remove(name)?;
    Some(serde_json::from_str(value.get()).unwrap_or_else(|error| panic!("{name}: {error}")))
}
