//! All routes, and the middleware around them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use engine_roles_contract::Code;
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{Problem, render_problems};
use crate::reference::Page;
use crate::request_query::reject_parameters;
use crate::state::Api;
use crate::{
    about, access, audit, audit_tree, auth, aws_login, capabilities, clusters, compression,
    console, health, incarnations, log_level, metrics, openapi, pass_through_roles, plan, policies,
    request_context, request_host, role,
};

/// Returns the whole HTTP interface.
pub(crate) fn router(api: Api) -> Router {
    let (routes, document) = documented(&api).split_for_parts();
    // Rendered once and shared: axum copies handlers, with all that they own.
    let document = openapi::complete(document);
    let page = Page::of(&json!(document));
    let document = serde_json::to_vec(&document).expect("plain data with text keys serialises");
    let document = Bytes::from(document);
    routes
        .merge(console::routes(&api))
        .route(
            "/openapi.json",
            axum::routing::get(async move || ([(CONTENT_TYPE, "application/json")], document))
                .layer(from_fn(reject_parameters)),
        )
        .route(
            "/docs",
            axum::routing::get(async move || page).layer(from_fn(reject_parameters)),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(request_host::require_host))
        .layer(from_fn(render_problems))
        .layer(from_fn(metrics::count_requests))
        .layer(from_fn_with_state(
            Arc::clone(&api.traces),
            request_context::identify,
        ))
        .with_state(api)
}

/// Returns the OpenAPI document, generated from the routes themselves.
pub fn document() -> utoipa::openapi::OpenApi {
    let document = OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(routes_with_key())
        .merge(routes_without_key())
        .into_openapi();
    openapi::complete(document)
}

/// Returns the documented routes. The routes that need a key check the key.
fn documented(api: &Api) -> OpenApiRouter<Api> {
    let with_key = routes_with_key().layer(from_fn_with_state(
        api.authentication.clone(),
        auth::require_key,
    ));
    // Compression costs time, which only callers with a key can make the service spend.
    let with_key = with_key
        .layer(compression::layer())
        .layer(from_fn(compression::prefer_an_answer));
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(with_key)
        .merge(routes_without_key())
}

/// The routes that need an API key.
fn routes_with_key() -> OpenApiRouter<Api> {
    let without_parameters = OpenApiRouter::new()
        .routes(routes!(role::put, role::get, role::delete))
        .routes(routes!(plan::post))
        .routes(routes!(access::get))
        .routes(routes!(pass_through_roles::list))
        .routes(routes!(capabilities::get))
        .routes(routes!(policies::list))
        .routes(routes!(log_level::get, log_level::put))
        .layer(from_fn(reject_parameters));
    OpenApiRouter::new()
        .merge(without_parameters)
        .routes(routes!(clusters::list))
        .routes(routes!(incarnations::list))
        .routes(routes!(policies::get))
        .routes(routes!(audit::list))
        .routes(routes!(audit_tree::checkpoint))
        .routes(routes!(audit_tree::inclusion))
        .routes(routes!(audit_tree::consistency))
        .routes(routes!(audit_tree::tile))
}

/// The routes that need no API key.
fn routes_without_key() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(about::show))
        .routes(routes!(about::version))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::healthcheck))
        .routes(routes!(metrics::show))
        .routes(routes!(aws_login::post))
        .layer(from_fn(reject_parameters))
}

async fn not_found(request: Request) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("no resource exists at {}", request.uri().path()),
    )
}

async fn method_not_allowed(request: Request) -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        format!(
            "{} does not support {}",
            request.uri().path(),
            request.method()
        ),
    )
}

fn panicked(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    // The panic's message may contain anything, so the answer does not contain the message. The
    // panic hook has logged the message.
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests;
