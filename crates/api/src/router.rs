//! All routes, and the layers around them.

use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use engine_roles_contract::Code;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{Problem, render_problems};
use crate::state::Api;
use crate::{
    access, audit, auth, capabilities, clusters, health, metrics, openapi, pass_through_roles,
    plan, policies, request_context, role,
};

/// The whole interface.
fn router(api: Api) -> Router {
    let (routes, document) = documented(&api).split_for_parts();
    routes
        .route(
            "/openapi.json",
            axum::routing::get(move || async move { Json(document) }),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(render_problems))
        .layer(from_fn(metrics::count_requests))
        .layer(from_fn(request_context::identify))
        .with_state(api)
}

/// Serves until `stop`, then accepts nothing more and waits for the requests that run.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(api))
        .with_graceful_shutdown(stop)
        .await
}

/// Returns the OpenAPI document, generated from the routes themselves.
pub fn document() -> utoipa::openapi::OpenApi {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(keyed())
        .merge(open())
        .into_openapi()
}

/// The documented routes: with keys, and without.
fn documented(api: &Api) -> OpenApiRouter<Api> {
    let with_key = keyed().layer(from_fn_with_state(
        api.authentication.clone(),
        auth::require_key,
    ));
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(with_key)
        .merge(open())
}

fn keyed() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(role::put, role::get, role::delete))
        .routes(routes!(plan::post))
        .routes(routes!(access::get))
        .routes(routes!(pass_through_roles::list))
        .routes(routes!(capabilities::get))
        .routes(routes!(clusters::list))
        .routes(routes!(policies::list))
        .routes(routes!(policies::get))
        .routes(routes!(audit::list))
}

fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::healthcheck))
        .routes(routes!(metrics::show))
}

async fn not_found(request: Request) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("there is nothing at {}", request.uri().path()),
    )
}

async fn method_not_allowed(request: Request) -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        format!(
            "{} does not take {}",
            request.uri().path(),
            request.method()
        ),
    )
}

fn panicked(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    // What it says may hold anything; the panic hook has put it into the log.
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests;
