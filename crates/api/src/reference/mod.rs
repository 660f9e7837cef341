//! The page at `/docs`: the OpenAPI document for people, without a script and without another server.

mod operation;
mod schema;
mod text;

use axum::body::Bytes;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::operation::Operation;

const STYLE: &str = include_str!("style.css");

/// The rendered page. Clones share the text.
#[derive(Clone)]
pub(crate) struct Page {
    html: Bytes,
    content_security_policy: String,
}

impl Page {
    /// Renders an OpenAPI document.
    pub(crate) fn of(document: &Value) -> Self {
        // A browser applies no other style than this one, and runs no script.
        let digest = BASE64.encode(&Sha256::digest(STYLE));
        let content_security_policy = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        );
        Self {
            html: Bytes::from(render(document).into_string()),
            content_security_policy,
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (CONTENT_SECURITY_POLICY, self.content_security_policy),
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        (headers, self.html).into_response()
    }
}

/// A group of operations: a tag of the document.
struct Group<'a> {
    name: &'a str,
    description: &'a str,
    operations: Vec<Operation<'a>>,
}

fn render(document: &Value) -> Markup {
    let info = &document["info"];
    let title = text::of(&info["title"]);
    let groups = groups(document);
    let schemas = document["components"]["schemas"].as_object();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) " " (text::of(&info["version"])) ": HTTP interface" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a .skip href="#content" { "Skip to the content" }
                nav aria-label="Operations" { (contents(title, &groups)) }
                main #content {
                    header {
                        h1 { (title) }
                        p .version { "Version " (text::of(&info["version"])) }
                        (text::paragraphs(text::of(&info["description"])))
                        p { a href="/openapi.json" { "The OpenAPI document, for programs" } }
                        h2 #key { "The API key" }
                        (key(document))
                    }
                    @for group in &groups {
                        section {
                            h2 id=(format!("group-{}", group.name)) { (text::title(group.name)) }
                            (text::paragraphs(group.description))
                            @for operation in &group.operations { (operation.render(document)) }
                        }
                    }
                    section {
                        h2 #schemas { "Types" }
                        @for (name, found) in schemas.into_iter().flatten() {
                            (schema::definition(name, found))
                        }
                    }
                }
            }
        }
    }
}

fn contents(title: &str, groups: &[Group<'_>]) -> Markup {
    html! {
        p .product { a href="#content" { (title) } }
        ul {
            li { a href="#key" { "The API key" } }
            @for group in groups {
                li {
                    a .group href=(format!("#group-{}", group.name)) { (text::title(group.name)) }
                    ul {
                        @for operation in &group.operations {
                            li { a href=(format!("#{}", operation.id())) { (text::inline(operation.name())) } }
                        }
                    }
                }
            }
            li { a .group href="#schemas" { "Types" } }
        }
    }
}

fn key(document: &Value) -> Markup {
    let scheme = &document["components"]["securitySchemes"]["bearer"];
    html! {
        (text::paragraphs(text::of(&scheme["description"])))
        pre tabindex="0" { code { "Authorization: Bearer $ENGINE_ROLES_API_KEY" } }
    }
}

/// Returns the operations by the first of their tags, in the order of the tags.
fn groups(document: &Value) -> Vec<Group<'_>> {
    let paths = || document["paths"].as_object().into_iter().flatten();
    let tags = document["tags"].as_array().into_iter().flatten();
    tags.map(|tag| {
        let name = text::of(&tag["name"]);
        let operations = paths().flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, found)| Operation::new(path, method, found))
        });
        Group {
            name,
            description: text::of(&tag["description"]),
            operations: operations.filter(|found| found.tag() == name).collect(),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests;
