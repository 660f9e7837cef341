//! The files that pages load: the style sheet, the script and the icon.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use engine_roles_contract::Code;

use crate::problem::Problem;

/// A file. Its name changes with the release, so that no browser takes the file of another one.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// Makes the name of a file of this release.
macro_rules! numbered {
    ($name:literal, $ending:literal) => {
        concat!($name, "-", env!("CARGO_PKG_VERSION"), ".", $ending)
    };
}

/// The name of the style sheet.
pub(super) const STYLE: &str = numbered!("console", "css");
/// The name of the script, htmx.
pub(super) const SCRIPT: &str = "htmx-2.0.11.min.js";
/// The name of the icon.
pub(super) const ICON: &str = numbered!("icon", "svg");

const ASSETS: [Asset; 3] = [
    Asset {
        name: STYLE,
        content_type: "text/css; charset=utf-8",
        text: include_str!("assets/console.css"),
    },
    Asset {
        name: SCRIPT,
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("assets/htmx-2.0.11.min.js"),
    },
    Asset {
        name: ICON,
        content_type: "image/svg+xml",
        text: include_str!("assets/icon.svg"),
    },
];

/// Returns the path of a file.
pub(super) fn path(name: &str) -> String {
    format!("/console/assets/{name}")
}

/// Returns a file. It has no secret, so that it is served without a session.
pub(super) async fn show(Path(file): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == file) else {
        return Problem::new(Code::NotFound, "the console has no such file").into_response();
    };
    let headers = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, "private, max-age=300"),
    ];
    (headers, asset.text).into_response()
}
