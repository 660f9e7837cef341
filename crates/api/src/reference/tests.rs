use std::collections::HashSet;

use regex::Regex;
use serde_json::{Value, json};

use super::{render, text};

fn page() -> (Value, String) {
    let document = json!(crate::document());
    let html = render(&document).into_string();
    (document, html)
}

#[test]
fn the_page_shows_each_operation_each_type_and_each_answer() {
    let (document, html) = page();
    let paths = document["paths"].as_object().expect("paths");
    for (path, item) in paths {
        assert!(html.contains(&format!("<code>{path}</code>")), "{path}");
        for operation in item.as_object().expect("an item").values() {
            let id = operation["operationId"].as_str().expect("an id");
            let article = html.split(&format!("<h3 id=\"{id}\">")).nth(1);
            let article = article.unwrap_or_else(|| panic!("{id} is not shown"));
            let article = article.split("</article>").next().expect("a first part");
            let answers = operation["responses"].as_object().expect("answers");
            for status in answers.keys() {
                let shown = format!("<span class=\"status\">{status}</span>");
                assert!(article.contains(&shown), "{id} {status}");
            }
        }
    }
    let schemas = document["components"]["schemas"].as_object();
    for name in schemas.expect("schemas").keys() {
        assert!(html.contains(&format!("<h3 id=\"type-{name}\">")), "{name}");
    }
}

#[test]
fn each_link_has_a_target_and_each_target_is_unique() {
    let (_, html) = page();
    let all = |pattern: &str| -> Vec<String> {
        let pattern = Regex::new(pattern).expect("a pattern");
        let found = pattern.captures_iter(&html);
        found.map(|found| found[1].to_owned()).collect()
    };
    let ids = all(r#" id="([^"]*)""#);
    let targets: HashSet<_> = ids.iter().collect();
    assert_eq!(targets.len(), ids.len());
    let links = all(r##" href="#([^"]*)""##);
    assert!(links.len() > 100);
    for link in &links {
        assert!(targets.contains(link), "{link}");
    }
    let others = all(r#" (?:href|src)="([^#"][^"]*)""#);
    assert_eq!(others, ["data:,", "/openapi.json"]);
}

#[test]
fn a_text_of_the_document_is_never_markup() {
    let shown = text::paragraphs("a <b>`<i>`\n\n- one\n- `two`").into_string();
    assert_eq!(
        shown,
        "<p>a &lt;b&gt;<code>&lt;i&gt;</code></p><ul><li>one</li><li><code>two</code></li></ul>"
    );
    let document = json!({
        "info": {"title": "<script>", "version": "\"><script>"},
        "tags": [{"name": "a"}],
        "paths": {"/<script>": {"get": {"tags": ["a"], "operationId": "\"><script>"}}},
        "components": {"schemas": {"<script>": {"properties": {"<script>": {"type": "<script>"}}}}},
    });
    assert!(!render(&document).into_string().contains("<script>"));
}
