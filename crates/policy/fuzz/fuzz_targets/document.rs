//! For any text: the parser rejects it, or the document can be written, compared, linted and
//! evaluated without a panic.
//!
//! `cargo +nightly fuzz run document`, in `crates/policy`.

#![no_main]

use engine_roles_policy::{Context, Document, Kind, Principal, Request};
use engine_roles_policy::{evaluate, evaluate_trust, lint, size_of_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = size_of_text(text);
    for kind in [Kind::Identity, Kind::Trust, Kind::Boundary] {
        let Ok(document) = Document::parse(kind, text) else {
            continue;
        };
        let again = Document::parse(kind, &document.to_json()).expect("a document that was written can be parsed");
        assert_eq!(again, document);
        let canonical = Document::from_value(kind, &document.to_value())
            .expect("the canonical form is a document");
        assert_eq!(canonical.to_value(), document.to_value());
        let _ = lint::lint(&document);

        let request = Request {
            principal: Some(Principal::aws("arn:aws:iam::111122223333:user/a")),
            ..Request::new("s3:GetObject", "arn:aws:s3:::a/b")
        };
        for context in [
            Context::new(),
            Context::partial(),
            Context::new().with("aws:username", "*"),
        ] {
            let request = request.clone().in_context(context);
            let same = |one: &Document| {
                (
                    evaluate(&request, &[one], None),
                    evaluate_trust(&request, one),
                )
            };
            let ((one, two), (other, another)) = (same(&document), same(&canonical));
            assert_eq!(
                (one.is_allowed(), two.is_allowed()),
                (other.is_allowed(), another.is_allowed())
            );
        }
    }
});
