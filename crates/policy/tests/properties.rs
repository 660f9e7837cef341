//! Properties of every document and every request.

mod generated;

use std::collections::BTreeSet;

use engine_roles_policy::{
    Context, Decision, Document, Effect, Grant, Kind, evaluate, evaluate_trust, grants_beyond,
    grants_within, lint, pattern, size_of_text,
};
use proptest::prelude::*;

fn denied(decision: &Decision) -> bool {
    matches!(decision, Decision::Denied { .. } | Decision::NotAllowed)
}

/// The decision without the statement that made it.
fn word(decision: &Decision) -> String {
    match decision {
        Decision::Allowed { .. } => "allowed".to_owned(),
        Decision::Denied { .. } => "denied".to_owned(),
        Decision::NotAllowed => "not allowed".to_owned(),
        Decision::Indeterminate { missing, .. } => {
            let missing: BTreeSet<_> = missing.iter().map(|key| key.to_lowercase()).collect();
            format!("depends on {missing:?}")
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_order_of_statements_makes_no_difference(
        document in generated::document(), request in generated::request()
    ) {
        let mut statements = document.statements().to_vec();
        statements.reverse();
        let reversed = Document::new(Kind::Identity, statements).unwrap();
        prop_assert_eq!(
            word(&evaluate(&request, &[&document], None)),
            word(&evaluate(&request, &[&reversed], None))
        );
        prop_assert!(document.equivalent(&reversed));
    }

    #[test]
    fn writing_and_parsing_gives_the_same_document(document in generated::document()) {
        let text = document.to_json();
        prop_assert_eq!(&Document::parse(Kind::Identity, &text).unwrap(), &document);
        prop_assert_eq!(document.size(), size_of_text(&text));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(size_of_text(&pretty), document.size());
        prop_assert!(Document::from_value(Kind::Identity, &value).unwrap().equivalent(&document));
    }

    #[test]
    fn the_canonical_form_has_the_same_meaning(
        document in generated::document(), request in generated::request()
    ) {
        let canonical = Document::from_value(Kind::Identity, &document.to_value()).unwrap();
        prop_assert_eq!(
            word(&evaluate(&request, &[&document], None)),
            word(&evaluate(&request, &[&canonical], None)),
            "{}", canonical.to_json()
        );
    }

    #[test]
    fn the_canonical_form_of_a_trust_policy_has_the_same_meaning(
        document in generated::trust(), request in generated::request()
    ) {
        let canonical = Document::from_value(Kind::Trust, &document.to_value()).unwrap();
        prop_assert_eq!(
            word(&evaluate_trust(&request, &document)),
            word(&evaluate_trust(&request, &canonical)),
            "{}", canonical.to_json()
        );
        prop_assert_eq!(canonical.to_value(), document.to_value());
        prop_assert_eq!(&Document::parse(Kind::Trust, &document.to_json()).unwrap(), &document);
    }

    #[test]
    fn the_canonical_form_of_a_canonical_form_is_the_same(document in generated::document()) {
        let canonical = Document::from_value(Kind::Identity, &document.to_value()).unwrap();
        prop_assert_eq!(canonical.to_value(), document.to_value());
    }

    #[test]
    fn splitting_a_statement_does_not_change_the_canonical_form(statement in generated::statement()) {
        use engine_roles_policy::Scope;
        let whole = Document::new(Kind::Identity, vec![statement.clone()]).unwrap();
        if let Scope::Only(actions) = &statement.actions {
            let split = actions
                .iter()
                .map(|action| {
                    let mut part = statement.clone();
                    part.actions = Scope::Only(vec![action.clone()]);
                    part
                })
                .collect();
            let split = Document::new(Kind::Identity, split).unwrap();
            prop_assert_eq!(whole.to_value(), split.to_value());
        }
    }

    #[test]
    fn equivalent_documents_give_the_same_decisions(
        one in generated::document(), two in generated::document(), request in generated::request()
    ) {
        if one.equivalent(&two) {
            prop_assert_eq!(
                word(&evaluate(&request, &[&one], None)),
                word(&evaluate(&request, &[&two], None))
            );
        }
    }

    #[test]
    fn a_boundary_never_widens_access(
        document in generated::document(), boundary in generated::document(), request in generated::request()
    ) {
        let bounded = evaluate(&request, &[&document], Some(&boundary));
        if bounded.is_allowed() {
            prop_assert!(evaluate(&request, &[&document], None).is_allowed());
            prop_assert!(evaluate(&request, &[&boundary], None).is_allowed());
        } else {
            prop_assert!(
                !evaluate(&request, &[&document], None).is_allowed()
                    || !evaluate(&request, &[&boundary], None).is_allowed()
            );
        }
    }

    #[test]
    fn a_deny_overrides_an_allow_in_either_order(
        document in generated::document(), request in generated::request()
    ) {
        use engine_roles_policy::Statement;
        let deny = Statement::deny("", [request.action.clone()], ["*"]);
        for first in [true, false] {
            let mut statements = document.statements().to_vec();
            let at = if first { 0 } else { statements.len() };
            statements.insert(at, deny.clone());
            let denied = Document::new(Kind::Identity, statements).unwrap();
            let decision = evaluate(&request, &[&denied], None);
            prop_assert!(matches!(decision, Decision::Denied { .. }), "{:?}", decision);
        }
    }

    #[test]
    fn a_certain_decision_stays_the_same_when_unknown_keys_become_known(
        document in generated::document(),
        request in generated::request(),
        facts in generated::facts(),
        known in proptest::collection::vec(any::<bool>(), 3),
    ) {
        let partial = facts.iter().zip(known).fold(
            Context::partial(),
            |context, ((key, values), known)| match (known, values) {
                (false, _) => context,
                (true, Some(values)) => context.with_values(key, values.iter().copied()),
                (true, None) => context.with_absent(key),
            },
        );
        let before = evaluate(&request.clone().in_context(partial), &[&document], None);
        let after = evaluate(&request.in_context(generated::context(&facts)), &[&document], None);
        match before {
            Decision::Indeterminate { missing, doubts } => {
                prop_assert!(!missing.is_empty() || !doubts.is_empty());
            }
            Decision::NotAllowed => prop_assert!(denied(&after)),
            certain => prop_assert_eq!(word(&certain), word(&after)),
        }
    }

    #[test]
    fn a_document_within_its_limits_allows_nothing_beyond_them(
        document in generated::document(), request in generated::request()
    ) {
        let limits = [Grant::new("t:*", "arn:aws:t:::x*"), Grant::new("u:A", "*")];
        if grants_within(&document, &limits).is_ok()
            && evaluate(&request, &[&document], None).is_allowed()
        {
            let within = limits.iter().any(|limit| {
                pattern::matches_action(&limit.action, &request.action)
                    && pattern::matches(&limit.resource, &request.resource)
            });
            prop_assert!(within);
        }
    }

    #[test]
    fn without_an_allow_nothing_is_allowed(
        document in generated::document(), request in generated::request()
    ) {
        if document.statements().iter().all(|one| one.effect == Effect::Deny) {
            prop_assert!(denied(&evaluate(&request, &[&document], None)));
        }
    }

    #[test]
    fn any_text_is_safe_to_parse(text in ".{0,200}") {
        for kind in [Kind::Identity, Kind::Trust, Kind::Boundary] {
            let _ = Document::parse(kind, &text);
        }
    }

    /// The two parsers differ only in what the strict one rejects.
    #[test]
    fn a_document_that_parses_is_read_as_the_same_document(document in generated::document()) {
        let text = document.to_json();
        let read = Document::read(Kind::Identity, &text).unwrap();
        prop_assert_eq!(read, document);
    }

    #[test]
    fn any_json_is_safe_to_read_to_evaluate_and_to_lint(
        text in json(), request in generated::request()
    ) {
        for kind in [Kind::Identity, Kind::Trust, Kind::Boundary] {
            let Ok(read) = Document::read(kind, &text) else {
                continue;
            };
            if let Ok(parsed) = Document::parse(kind, &text) {
                prop_assert_eq!(&read, &parsed);
            }
            let _ = (read.to_value(), read.to_json(), lint::lint(&read));
            let _ = (evaluate_trust(&request, &read), grants_beyond(&[&read], Some(&read), &[]));
            let decision = evaluate(&request, &[&read], None);
            let by = match &decision {
                Decision::Allowed { by } | Decision::Denied { by } => Some(by),
                _ => None,
            };
            prop_assert!(by.is_none_or(|by| by.statement < read.statements().len()));
        }
    }

    #[test]
    fn any_json_is_safe_to_parse_to_write_and_to_lint(text in json()) {
        for kind in [Kind::Identity, Kind::Trust, Kind::Boundary] {
            if let Ok(document) = Document::parse(kind, &text) {
                prop_assert_eq!(&Document::parse(kind, &document.to_json()).unwrap(), &document);
                let canonical = Document::from_value(kind, &document.to_value()).unwrap();
                prop_assert_eq!(canonical.to_value(), document.to_value());
                let _ = lint::lint(&document);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_document_allows_every_counterexample_that_lint_shows(
        document in generated::document(),
        trust in generated::trust(),
    ) {
        for example in lint::lint(&document).iter().flat_map(|found| &found.counterexample) {
            let decision = evaluate(&example.to_request(), &[&document], None);
            prop_assert!(decision.is_allowed(), "{example} under {}", document.to_json());
        }
        for example in lint::lint(&trust).iter().flat_map(|found| &found.counterexample) {
            let decision = evaluate_trust(&example.to_request(), &trust);
            prop_assert!(decision.is_allowed(), "{example} under {}", trust.to_json());
        }
    }
}

/// Generates JSON that resembles a policy.
fn json() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        proptest::sample::select(vec![
            "Version",
            "2012-10-17",
            "2008-10-17",
            "Statement",
            "Sid",
            "Effect",
            "Allow",
            "Deny",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Principal",
            "AWS",
            "Service",
            "*",
            "Condition",
            "StringLike",
            "Null",
            "ForAllValues:ArnLikeIfExists",
            "aws:username",
            "s3:Get*",
            "arn:aws:s3:::a/${aws:username, 'x'}",
            "${*}",
            "${",
            "true",
            "ec2.amazonaws.com",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ];
    let quote = |text: String| serde_json::Value::from(text).to_string();
    let leaf = prop_oneof![
        5 => word.clone().prop_map(quote),
        1 => proptest::sample::select(vec!["null", "true", "1", "-1.5e3", "{}", "[]"]).prop_map(str::to_owned),
    ];
    let tree = leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((word.clone(), inner), 0..5).prop_map(move |members| {
                let members: Vec<_> = members
                    .into_iter()
                    .map(|(name, value)| format!("{}:{value}", quote(name)))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    let near = (tree.clone(), tree.clone(), tree.clone()).prop_map(|(action, resource, condition)| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{action},"Resource":{resource},"Condition":{{"StringLike":{{"t:k":{condition}}}}}}}]}}"#
        )
    });
    prop_oneof![tree, near]
}
