//! IAM's policy simulator: finds which statements of which policies decide a request.

use std::collections::BTreeSet;

use engine_roles_policy::{Context, Decision, Document, Effect, Kind, Request, evaluate};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A statement that grants everything.
const EVERYTHING: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

/// Policies, split into their statements, and the given context of the requests.
pub(crate) struct Simulation {
    identity: Vec<Clause>,
    boundary: Option<Vec<Clause>>,
    organization: Option<Organization>,
    /// The same keys twice: in one context a key that is not given is absent, in the other it is
    /// unknown.
    given: [Context; 2],
}

/// The service control policy.
enum Organization {
    /// AWS's simulator does not evaluate a service control policy that has a condition, and answers
    /// that the organization allows nothing, although the real call may succeed
    /// (aws/sagemaker-python-sdk#6019).
    NotEvaluated,
    Evaluated(Vec<Clause>),
}

/// A policy, with the id that the simulator shows.
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) document: String,
}

/// One statement, and its position in a policy.
struct Clause {
    source: String,
    kind: &'static str,
    span: Span,
    effect: Effect,
    /// A document with only this statement. For a Deny the document also allows everything, because
    /// a Deny has a visible effect only if the request is otherwise allowed.
    document: Document,
}

/// The position of a statement as AWS counts: from the end of the text before the statement to the
/// end of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Position,
    pub(crate) end: Position,
}

/// A position in a document; lines and columns count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A decision; the order is from the least to the most restrictive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Allowed,
    ImplicitDeny,
    ExplicitDeny,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ImplicitDeny => "implicitDeny",
            Self::ExplicitDeny => "explicitDeny",
        }
    }
}

/// The decision of the policies about one action on one resource, or on several together.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// The statements that decide; empty if no statement allows the action.
    pub(crate) matched: Vec<Match>,
    /// The keys that some statement depends on and that are not given, as the policies write them.
    pub(crate) missing: BTreeSet<String>,
    /// Whether the boundary allows the action; `None` if there is no boundary.
    pub(crate) within_boundary: Option<bool>,
    /// Whether the organization allows the action; `None` if there is no service control policy.
    pub(crate) by_organization: Option<bool>,
}

/// A statement that decides, as the simulator's answer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) source: String,
    /// The type as AWS returns it, which differs from the values in AWS's API model.
    pub(crate) kind: &'static str,
    pub(crate) span: Span,
}

impl Simulation {
    /// Creates a simulation of valid documents; `keys` are the given condition keys.
    pub(crate) fn new(
        identity: &[Source],
        boundary: Option<&Source>,
        organization: Option<&Document>,
        keys: &[(String, Vec<String>)],
    ) -> Self {
        let given = [Context::new(), Context::partial()].map(|context| {
            let keys = keys.iter();
            keys.fold(context, |context, (key, values)| {
                context.with_values(key, values)
            })
        });
        let identity = identity.iter();
        Self {
            identity: identity
                .flat_map(|source| clauses(source, "IAM Policy"))
                .collect(),
            boundary: boundary.map(|source| clauses(source, "Permissions Boundary Policy")),
            organization: organization.map(Organization::new),
            given,
        }
    }

    pub(crate) fn judge(&self, action: &str, resource: &str) -> Verdict {
        let request = Request::new(action, resource);
        let [absent, unknown] = self
            .given
            .clone()
            .map(|given| request.clone().in_context(given));
        let mut missing = BTreeSet::new();
        let mut matching = |clauses: &'_ [Clause], effect| -> Vec<Match> {
            let of_effect = clauses.iter().filter(|clause| clause.effect == effect);
            let matching = of_effect.filter(|clause| {
                missing.extend(clause.missing(&unknown));
                clause.matches(&absent)
            });
            matching.map(Clause::to_match).collect()
        };
        let mut denied = matching(&self.identity, Effect::Deny);
        let allowed = matching(&self.identity, Effect::Allow);
        let within_boundary = self.boundary.as_ref().map(|boundary| {
            let out_of_bounds = matching(boundary, Effect::Deny);
            let within = !matching(boundary, Effect::Allow).is_empty() && out_of_bounds.is_empty();
            denied.extend(out_of_bounds);
            within
        });
        // The statements of the organization are not shown to the account.
        let mut is_denied = !denied.is_empty();
        let by_organization = self
            .organization
            .as_ref()
            .map(|organization| match organization {
                Organization::NotEvaluated => false,
                Organization::Evaluated(clauses) => {
                    let forbids = !matching(clauses, Effect::Deny).is_empty();
                    is_denied |= forbids;
                    !forbids && !matching(clauses, Effect::Allow).is_empty()
                }
            });
        let is_limited = within_boundary == Some(false) || by_organization == Some(false);
        let (outcome, matched) = if is_denied {
            (Outcome::ExplicitDeny, denied)
        } else if !allowed.is_empty() && !is_limited {
            (Outcome::Allowed, allowed)
        } else {
            (Outcome::ImplicitDeny, Vec::new())
        };
        Verdict {
            outcome,
            matched,
            missing,
            within_boundary,
            by_organization,
        }
    }
}

impl Organization {
    fn new(policy: &Document) -> Self {
        let mut statements = policy.statements().iter();
        if statements.any(|statement| !statement.conditions.is_empty()) {
            return Self::NotEvaluated;
        }
        let source = Source {
            id: "service-control-policy".to_owned(),
            document: policy.to_json(),
        };
        Self::Evaluated(clauses(&source, "Organization Policy"))
    }
}

impl Verdict {
    /// Combines the verdicts about several resources: the most restrictive decision.
    pub(crate) fn together(verdicts: &[Self]) -> Self {
        let mut all = verdicts[0].clone();
        for verdict in &verdicts[1..] {
            all.outcome = all.outcome.max(verdict.outcome);
            for matched in &verdict.matched {
                if !all.matched.contains(matched) {
                    all.matched.push(matched.clone());
                }
            }
            all.missing.extend(verdict.missing.iter().cloned());
            all.within_boundary = all.within_boundary.min(verdict.within_boundary);
            all.by_organization = all.by_organization.min(verdict.by_organization);
        }
        all
    }
}

impl Clause {
    /// Whether the statement matches this request if the keys that are not given are absent.
    fn matches(&self, request: &Request) -> bool {
        match self.effect {
            Effect::Allow => self.decide(request).is_allowed(),
            Effect::Deny => !self.decide(request).is_allowed(),
        }
    }

    /// Returns the keys that are not given and on which the match depends.
    fn missing(&self, request: &Request) -> BTreeSet<String> {
        match self.decide(request) {
            Decision::Indeterminate { missing, .. } => missing,
            _ => BTreeSet::new(),
        }
    }

    fn decide(&self, request: &Request) -> Decision {
        evaluate(request, &[&self.document], None)
    }

    fn to_match(&self) -> Match {
        Match {
            source: self.source.clone(),
            kind: self.kind,
            span: self.span,
        }
    }
}

fn clauses(source: &Source, kind: &'static str) -> Vec<Clause> {
    let text = source.document.as_str();
    let whole = Document::parse(Kind::Identity, text).expect("a stored policy is valid");
    let version = whole.version().name();
    let statements = statements(text).into_iter();
    statements
        .map(|(statement, span)| {
            let parse = |statements: &str| {
                let text = format!(r#"{{"Version":"{version}","Statement":[{statements}]}}"#);
                let document = Document::parse(Kind::Identity, &text);
                document.expect("a statement of a valid policy is valid by itself")
            };
            let alone = parse(statement);
            let effect = alone.statements()[0].effect;
            Clause {
                source: source.id.clone(),
                kind,
                span,
                effect,
                document: match effect {
                    Effect::Allow => alone,
                    Effect::Deny => parse(&format!("{statement},{EVERYTHING}")),
                },
            }
        })
        .collect()
}

/// Returns the statements of a valid policy as they are written, with their positions.
fn statements(text: &str) -> Vec<(&str, Span)> {
    #[derive(Deserialize)]
    struct Outline<'a> {
        #[serde(borrow, rename = "Statement")]
        statement: &'a RawValue,
    }
    let outline: Outline<'_> = serde_json::from_str(text).expect("a valid policy is JSON");
    let all = outline.statement.get();
    let each = if all.starts_with('[') {
        let each: Vec<&RawValue> = serde_json::from_str(all).expect("a part of JSON is JSON");
        each.into_iter().map(RawValue::get).collect()
    } else {
        vec![all]
    };
    let each = each.into_iter();
    each.map(|statement| {
        let at = statement.as_ptr().addr() - text.as_ptr().addr();
        let span = Span {
            start: position(text[..at].trim_end()),
            end: position(&text[..at + statement.len()]),
        };
        (statement, span)
    })
    .collect()
}

/// Returns the position after a text.
fn position(before: &str) -> Position {
    let last = before.rsplit('\n').next().unwrap_or_default();
    Position {
        line: before.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str) -> Vec<[usize; 4]> {
        let statements = statements(text).into_iter();
        statements
            .map(|(_, Span { start, end })| [start.line, start.column, end.line, end.column])
            .collect()
    }

    #[test]
    fn statements_have_the_positions_that_awss_simulator_returns() {
        // The positions that the AWS CLI showed for an inline policy on one line, and for
        // `AdministratorAccess`.
        let line = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*"}]}"#;
        assert_eq!(spans(line), [[1, 38, 1, 87]]);
        let lines = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \
                     \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}";
        assert_eq!(spans(lines), [[3, 17, 8, 6]]);
        let single = r#"{"Statement": {"Effect":"Allow","Action":"a:*","Resource":"ä"}}"#;
        assert_eq!(spans(single), [[1, 14, 1, 63]]);
    }

    fn simulation(document: &str) -> Simulation {
        let source = Source {
            id: "p".to_owned(),
            document: document.to_owned(),
        };
        Simulation::new(&[source], None, None, &[])
    }

    #[test]
    fn a_condition_on_a_key_that_is_not_given_fails_and_the_key_is_reported() {
        let both = simulation(
            r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Action":"s3:*","Resource":"*"},
                {"Effect":"Deny","Action":"s3:Put*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}
            ]}"#,
        );
        let verdict = both.judge("s3:PutObject", "*");
        assert_eq!(verdict.outcome, Outcome::Allowed);
        assert_eq!(verdict.missing, ["aws:SecureTransport".to_owned()].into());
        assert!(both.judge("s3:GetObject", "*").missing.is_empty());
    }

    #[test]
    fn a_policy_of_the_old_version_has_no_variables() {
        let old = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:userid}"}}"#;
        let verdict = simulation(old).judge("s3:GetObject", "arn:aws:s3:::x");
        assert_eq!(verdict.outcome, Outcome::ImplicitDeny);
        assert!(verdict.missing.is_empty());
    }
}
