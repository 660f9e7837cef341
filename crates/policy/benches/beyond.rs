//! How long it takes to read policies and to find what they grant beyond limits, by their size.
//!
//! Run with `cargo bench -p engine-roles-policy`. Each row is the fastest of three runs, so that
//! other work on the machine disturbs the figures less.

use std::slice::from_ref;
use std::time::{Duration, Instant};

use engine_roles_policy::{Document, Grant, Kind, Statement, grants_beyond};

/// IAM's quotas for the documents of a role, in characters without white space.
const MANAGED: usize = 6_144;
const INLINE: usize = 10_240;

const SERVICES: [&str; 8] = ["s3", "ec2", "iam", "kms", "sqs", "sns", "logs", "dynamodb"];
const VERBS: [&str; 6] = ["Get", "List", "Describe", "Put", "Create", "Delete"];

fn action(index: usize) -> String {
    let service = SERVICES[index % SERVICES.len()];
    let verb = VERBS[index / SERVICES.len() % VERBS.len()];
    let end = if index.is_multiple_of(5) { "*" } else { "" };
    format!("{service}:{verb}Thing{}{end}", index / 7)
}

fn resource(index: usize) -> String {
    let service = SERVICES[index % SERVICES.len()];
    format!("arn:aws:{service}:us-east-1:111122223333:thing/team-{index}/*")
}

/// A statement with one action and one resource; every tenth is a Deny of a part.
fn single(index: usize) -> Statement {
    if index % 10 == 9 {
        let part = resource(index - 1).replace('*', "secret-*");
        return Statement::deny("", [action(index - 1)], [part]);
    }
    Statement::allow("", [action(index)], [resource(index)])
}

/// A statement with twenty actions and ten resources.
fn dense(index: usize) -> Statement {
    let of = |count: usize, make: fn(usize) -> String| {
        (0..count).map(move |each| make(index * count + each))
    };
    Statement::allow("", of(20, action), of(10, resource))
}

fn document(kind: Kind, statements: Vec<Statement>) -> Document {
    Document::new(kind, statements).expect("a valid document")
}

/// Returns a document with as many statements as fit into a size, beginning with number `from`.
fn filled(size: usize, from: usize, make: fn(usize) -> Statement) -> Document {
    let mut statements = Vec::new();
    let mut used = r#"{"Version":"2012-10-17","Statement":[]}"#.len();
    let empty = document(Kind::Identity, vec![make(from)]).size() - used;
    for index in from.. {
        let statement = make(index);
        used += document(Kind::Identity, vec![statement.clone()]).size() - 39 + 1;
        if used > size && used > empty {
            break;
        }
        statements.push(statement);
    }
    document(Kind::Identity, statements)
}

/// Returns the policies of a role that uses up all of IAM's quotas, and its boundary.
fn role_within_quotas(make: fn(usize) -> Statement) -> (Vec<Document>, Document) {
    let mut policies: Vec<Document> = (0..10)
        .map(|index| filled(MANAGED, index * 100, make))
        .collect();
    policies.push(filled(INLINE, 1_000, make));
    // The boundary allows everything and denies a little of it, so it removes few grants.
    let mut boundary = vec![Statement::allow("", ["*"], ["*"])];
    for index in 0..52 {
        boundary.push(Statement::deny("", [action(index * 7)], [resource(index)]));
    }
    (policies, document(Kind::Boundary, boundary))
}

/// Returns a policy like AWS's `ReadOnlyAccess`: 1,500 actions of 300 services on all resources.
fn read_only_access() -> Document {
    let actions = (0..1_500).map(|index| {
        let service = index % 300;
        let verb = ["Get", "List", "Describe", "BatchGet", "Search"][index / 300];
        let end = if index % 3 == 0 { "Thing" } else { "*" };
        format!("service{service}:{verb}{end}")
    });
    document(Kind::Identity, vec![Statement::allow("", actions, ["*"])])
}

fn measure(name: &str, identity: &[Document], boundary: &Document) {
    let statements: usize = identity
        .iter()
        .chain([boundary])
        .map(|document| document.statements().len())
        .sum();
    let texts: Vec<String> = identity
        .iter()
        .chain([boundary])
        .map(Document::to_json)
        .collect();
    let reading = fastest_of_three(|| {
        for text in &texts {
            // AWS holds no document as long as the longest here.
            let read = Document::read(Kind::Identity, text);
            let read = read.or_else(|_| Document::parse(Kind::Identity, text));
            assert!(read.is_ok());
        }
    });
    let identity: Vec<&Document> = identity.iter().collect();
    let limits = [Grant::new("s3:Get*", "arn:aws:s3:::own/*")];
    let mut grants = 0;
    let finding = fastest_of_three(|| {
        let found = grants_beyond(&identity, Some(boundary), &limits);
        grants = found.expect("within the bound").len();
    });
    println!("{name:<48} {statements:>10} {grants:>8} {reading:>10.3} {finding:>10.3}");
}

/// Returns the milliseconds of the fastest of three runs.
fn fastest_of_three(mut run: impl FnMut()) -> f64 {
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        run();
        fastest = fastest.min(start.elapsed());
    }
    fastest.as_secs_f64() * 1_000.0
}

fn main() {
    println!(
        "{:<48} {:>10} {:>8} {:>10} {:>10}",
        "policies", "statements", "grants", "read (ms)", "find (ms)"
    );
    let (policies, boundary) = role_within_quotas(single);
    measure(
        "a role at IAM's quotas, one grant a statement",
        &policies,
        &boundary,
    );
    let (policies, boundary) = role_within_quotas(dense);
    measure(
        "a role at IAM's quotas, 200 grants a statement",
        &policies,
        &boundary,
    );
    let read_only = read_only_access();
    measure(
        "1,500 actions on all resources under themselves",
        from_ref(&read_only),
        &read_only,
    );
    for count in [10, 100, 1_000, 5_000] {
        let one = document(Kind::Identity, (0..count).map(single).collect());
        measure("statements under themselves", from_ref(&one), &one);
    }
}
