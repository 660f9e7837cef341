//! The parameters of the console's pages.

use engine_roles_e2e::Installation;

use super::browser::Browser;

#[tokio::test]
async fn a_parameter_that_a_page_does_not_have_is_rejected_by_its_name_even_without_a_value() {
    let installation = Installation::build().rarely_checked().start().await;
    installation.client().provision("one").await.expect(201);
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    for path in [
        "/console",
        "/console/clusters",
        "/console/clusters/one",
        "/console/clusters/one/access",
        "/console/pass-through-roles",
        "/console/capabilities",
        "/console/audit",
        "/console/sign-in",
        "/console/",
        "/console/assets/htmx-2.0.11.min.js",
    ] {
        let without = browser.get(path).await;
        assert!([200, 303].contains(&without.status), "{path}");
        for query in ["foo=1", "foo=", "foo", "foo=&foo="] {
            let answer = browser.get(&format!("{path}?{query}")).await;
            let page = answer.expect(400);
            let named = "<code>foo</code> is not a parameter of this path";
            assert!(page.contains(named), "{path}?{query}: {page}");
        }
    }
    for path in ["/console/sign-in", "/console/sign-out"] {
        for query in ["foo=1", "foo="] {
            let key = [("key", installation.key())];
            let answer = browser.post(&format!("{path}?{query}"), &key).await;
            answer.expect(400);
        }
    }
    browser.get("/console").await.expect(200);
}

#[tokio::test]
async fn a_field_that_is_not_filled_in_is_no_filter_and_a_repeated_one_is_rejected() {
    let installation = Installation::build().rarely_checked().start().await;
    installation.client().provision("one").await.expect(201);
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    for (path, fields) in [
        (
            "/console/clusters",
            &[
                "state", "mode", "drifted", "prefix", "role", "sort", "cursor",
            ][..],
        ),
        (
            "/console/audit",
            &[
                "cluster", "actor", "action", "since", "until", "before", "after",
            ],
        ),
    ] {
        let all = fields.join("=&");
        let unfiltered = browser.get(&format!("{path}?{all}=")).await;
        let page = unfiltered.expect(200);
        assert!(page.contains("/console/clusters/one"), "{page}");
        assert!(!page.contains("Show all"), "{page}");
        for field in fields {
            for repeated in ["{}=&{}=", "{}=&{}=1", "{}=1&{}="] {
                let query = repeated.replace("{}", field);
                let page = browser.get(&format!("{path}?{query}")).await;
                let named = format!("<code>{field}</code> must not be given more than once");
                assert!(page.expect(400).contains(&named), "{query}: {}", page.text);
            }
        }
    }
}
