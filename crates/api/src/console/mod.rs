//! The console: pages at `/console` for people who would rather look than send requests.
//!
//! The pages only read. They are rendered here, with the same calls to the provisioner as the interface
//! under `/v1`, and work without a script; a script only refreshes pages that are open. Somebody signs in
//! with an API key, which is exchanged for a session: see `auth::console`.

mod access;
mod assets;
mod audit;
mod capabilities;
mod chart;
mod cluster;
mod clusters;
mod event;
mod given;
mod headers;
mod layout;
mod needs_person;
mod overview;
mod pass_through_roles;
mod pieces;
mod policy;
mod session;
mod sign_in;
mod survey;
mod times;
mod viewer;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::request_query::reject_parameters;
use crate::state::Api;

/// Returns the routes of the console. None of them is in the OpenAPI document, which is for programs.
pub(crate) fn routes(api: &Api) -> Router<Api> {
    let pages = Router::new()
        .route("/console", get(overview::show))
        .route("/console/clusters", get(clusters::show))
        .route("/console/clusters/{cluster}", get(cluster::show))
        .route("/console/clusters/{cluster}/access", get(access::show))
        .route("/console/pass-through-roles", get(pass_through_roles::show))
        .route("/console/capabilities", get(capabilities::show))
        .route("/console/audit", get(audit::show))
        .route("/console/{*path}", get(layout::not_found))
        .layer(from_fn_with_state(
            api.authentication.clone(),
            session::require_session,
        ));
    let without_parameters = Router::new()
        .route("/console/", get(async || Redirect::to("/console")))
        .route("/console/sign-in", post(sign_in::post))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/assets/{file}", get(assets::show))
        .layer(from_fn(reject_parameters));
    let without_session = Router::new()
        .route("/console/sign-in", get(sign_in::show))
        .merge(without_parameters)
        .layer(from_fn(sign_in::render_problems));
    pages.merge(without_session).layer(from_fn(headers::add))
}
