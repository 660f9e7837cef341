//! Generates pairs of policies and a request from a small vocabulary, so that they often match.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use crate::Pair;

const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "S3:getobject",
    "s3:PutObject",
    "s3:Get*",
    "s3:*",
    "s3:?etObject",
    "s3:*Object",
    "sqs:SendMessage",
    "sqs:*",
    "*",
];

const RESOURCES: &[&str] = &[
    "*",
    "arn:aws:s3:::data/red/1",
    "arn:aws:s3:::data/*",
    "arn:aws:s3:::data/red/?",
    "arn:aws:s3:::data/*/1",
    "arn:aws:s3:::Data/*",
    "arn:aws:s3:::*",
    "arn:aws:sqs:us-east-1:111122223333:red",
    "arn:aws:sqs:*:111122223333:*",
    "arn:aws:sqs:us-east-1:*:r??",
    "arn:aws:s3:::data/${aws:PrincipalTag/team}/*",
    "arn:aws:s3:::data/${aws:PrincipalTag/team, 'red'}/*",
    "arn:aws:s3:::data/${*}/1",
];

/// A condition key with operators, values of policies and values of requests.
type Key = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

const KEYS: &[Key] = &[
    (
        "aws:PrincipalTag/team",
        &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
        &["red", "RED", "r*", "re?", "blue", "*"],
        &["red", "RED", "blue", "rod", "*"],
    ),
    (
        "s3:prefix",
        &[
            "StringEquals",
            "StringNotEquals",
            "StringLike",
            "StringNotLike",
        ],
        &[
            "red/1",
            "red/*",
            "${aws:PrincipalTag/team}/1",
            "${aws:PrincipalTag/team}/*",
        ],
        &["red/1", "blue/1", "red/"],
    ),
    (
        "s3:max-keys",
        &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        &["10", "9", "100", "10.5"],
        &["10", "9", "11", "10.0"],
    ),
    (
        "aws:SecureTransport",
        &["Bool"],
        &["true", "false"],
        &["true", "false"],
    ),
    (
        "aws:CurrentTime",
        &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        &[
            "2026-01-02T00:00:00Z",
            "2026-01-01T23:00:00Z",
            "2027-01-01T00:00:00Z",
        ],
        &[
            "2026-01-02T00:00:00Z",
            "2026-01-02T01:00:00+01:00",
            "2025-06-01T00:00:00Z",
        ],
    ),
    (
        "aws:SourceIp",
        &["IpAddress", "NotIpAddress"],
        &[
            "203.0.113.0/24",
            "203.0.113.7",
            "2001:db8::/32",
            "0.0.0.0/0",
        ],
        &["203.0.113.7", "203.0.113.9", "198.51.100.1", "2001:db8::1"],
    ),
    (
        "aws:SourceArn",
        &["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
        &[
            "arn:aws:sns:us-east-1:111122223333:red",
            "arn:aws:sns:*:111122223333:*",
            "arn:aws:sns:us-east-1:*:r?d",
            "arn:aws:sqs:*:*:*",
        ],
        &[
            "arn:aws:sns:us-east-1:111122223333:red",
            "arn:aws:sns:eu-west-1:999988887777:x:111122223333:red",
            "arn:aws:sqs:us-east-1:111122223333:red",
        ],
    ),
];

const TAGS: &[&str] = &["red", "RED", "blue", "green"];

const SET_TESTS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
];

const REAL_ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListBucket",
    "iam:GetUser",
    "iam:CreateUser",
    "iam:UpdateAccessKey",
    "iam:PassRole",
    "ec2:RunInstances",
    "ec2:DescribeInstances",
    "ec2:DescribeVpcs",
    "sqs:SendMessage",
];

const ACTION_PATTERNS: &[&str] = &[
    "s3:GetObject",
    "S3:GETOBJECTACL",
    "s3:Get*",
    "s3:*Object",
    "s3:*Object*",
    "s3:?etObject",
    "s3:*",
    "iam:*AccessKey",
    "iam:*User",
    "iam:C*",
    "IAM:*",
    "ec2:*Instances",
    "ec2:Describe*s",
    "ec2:D*V*",
    "sqs:SendMessage",
    "*",
];

/// Returns pairs that are the same in every run.
pub(crate) fn pairs(count: usize) -> Vec<Pair> {
    draw(count, "pair", &pair())
}

/// Returns pairs, the same in every run, in which only the actions decide. Implementations without
/// conditions and resources can decide them too.
pub(crate) fn actions(count: usize) -> Vec<Pair> {
    draw(count, "actions", &action_pair())
}

fn draw(count: usize, name: &str, from: &impl Strategy<Value = Pair>) -> Vec<Pair> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let pairs = (0..count).map(|number| {
        let drawn = from.new_tree(&mut runner).expect("no filter can fail");
        Pair {
            id: format!("{name} {number:04}"),
            ..drawn.current()
        }
    });
    pairs.collect()
}

fn action_pair() -> impl Strategy<Value = Pair> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    let element = prop_oneof![4 => Just("Action"), 1 => Just("NotAction")];
    let statement = (effect, element, texts(ACTION_PATTERNS)).prop_map(
        |(effect, element, actions)| json!({"Effect": effect, element: actions, "Resource": "*"}),
    );
    let document = vec(statement, 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}));
    (vec(document, 1..3), select(REAL_ACTIONS)).prop_map(|(policies, action)| Pair {
        id: String::new(),
        policies,
        boundary: None,
        action: action.to_owned(),
        resource: "arn:aws:s3:::data/red/1".to_owned(),
        context: BTreeMap::new(),
    })
}

fn texts(from: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => select(from).prop_map(|text| json!(text)),
        1 => subsequence(from, 2).prop_map(|texts| json!(texts)),
    ]
}

fn condition() -> impl Strategy<Value = (String, String, Value)> {
    let single = select(KEYS).prop_flat_map(|(key, tests, policy, _)| {
        (
            select(tests),
            weighted(0.3, Just("IfExists")),
            texts(policy),
        )
            .prop_map(move |(test, suffix, values)| {
                let operator = format!("{test}{}", suffix.unwrap_or_default());
                (operator, key.to_owned(), values)
            })
    });
    let many = (
        select(&["ForAllValues", "ForAnyValue"][..]),
        select(SET_TESTS),
        texts(TAGS),
    )
        .prop_map(|(set, test, values)| {
            (format!("{set}:{test}"), "aws:TagKeys".to_owned(), values)
        });
    let null = (select(KEYS), select(&["true", "false"][..]))
        .prop_map(|((key, ..), value)| ("Null".to_owned(), key.to_owned(), json!(value)));
    prop_oneof![6 => single, 2 => many, 1 => null]
}

fn conditions() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![2 => Just(0_usize), 3 => Just(1), 1 => Just(2)]
        .prop_flat_map(|count| vec(condition(), count))
        .prop_map(|conditions| {
            let mut operators = Map::new();
            for (operator, key, values) in conditions {
                let keys = operators.entry(operator).or_insert_with(|| json!({}));
                keys[key] = values;
            }
            (!operators.is_empty()).then_some(Value::Object(operators))
        })
}

fn statement() -> impl Strategy<Value = Value> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    let action = prop_oneof![5 => Just("Action"), 1 => Just("NotAction")];
    let resource = prop_oneof![5 => Just("Resource"), 1 => Just("NotResource")];
    (
        effect,
        action,
        texts(ACTIONS),
        resource,
        texts(RESOURCES),
        conditions(),
    )
        .prop_map(
            |(effect, action, actions, resource, resources, conditions)| {
                let mut statement = json!({"Effect": effect, action: actions, resource: resources});
                if let Some(conditions) = conditions {
                    statement["Condition"] = conditions;
                }
                statement
            },
        )
}

fn document() -> impl Strategy<Value = Value> {
    let version = prop_oneof![8 => Just("2012-10-17"), 1 => Just("2008-10-17")];
    (version, vec(statement(), 1..3))
        .prop_map(|(version, statements)| json!({"Version": version, "Statement": statements}))
}

fn context() -> impl Strategy<Value = BTreeMap<String, Vec<String>>> {
    let single = select(KEYS).prop_flat_map(|(key, _, _, request)| {
        select(request).prop_map(move |value| (key.to_owned(), vec![value.to_owned()]))
    });
    let tags = subsequence(TAGS, 1..3)
        .prop_map(|tags| tags.into_iter().map(str::to_owned).collect::<Vec<_>>());
    (vec(single, 3..7), weighted(0.6, tags)).prop_map(|(keys, tags)| {
        let tags = tags.map(|tags| ("aws:TagKeys".to_owned(), tags));
        keys.into_iter().chain(tags).collect()
    })
}

fn pair() -> impl Strategy<Value = Pair> {
    let asked = select(
        &[
            ("s3:GetObject", "arn:aws:s3:::data/red/1"),
            ("s3:GetObject", "arn:aws:s3:::data/blue/2"),
            ("s3:PutObject", "arn:aws:s3:::data/red/1"),
            ("s3:PutObject", "arn:aws:s3:::Data/red/10"),
            ("sqs:SendMessage", "arn:aws:sqs:us-east-1:111122223333:red"),
        ][..],
    );
    (
        vec(document(), 1..3),
        weighted(0.15, document()),
        asked,
        context(),
    )
        .prop_map(|(policies, boundary, (action, resource), context)| Pair {
            id: String::new(),
            policies,
            boundary,
            action: action.to_owned(),
            resource: resource.to_owned(),
            context,
        })
}
