//! The spans of store operations, for traces.

use tracing::field::Empty;
use tracing::{Span, debug_span};

use crate::StoreError;

/// Returns the span of a store operation, for traces. `place` is the type name of a closure in the
/// operation's function, which contains the name of that function.
pub(crate) fn operation_span(place: &str) -> Span {
    debug_span!(
        "database",
        operation = operation_name(place),
        failure = Empty
    )
}

/// Returns the last part of a type's name that is not a closure.
fn operation_name(place: &str) -> &str {
    let mut parts = place.rsplit("::");
    parts
        .find(|part| !part.starts_with('{'))
        .unwrap_or_default()
}

/// Records in the span of an operation why the operation failed.
pub(crate) fn note_failure<T>(
    span: &Span,
    answered: Result<T, StoreError>,
) -> Result<T, StoreError> {
    answered.inspect_err(|error| {
        span.record("failure", error.kind());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_operation_has_the_name_of_its_function() {
        async fn read_something() -> &'static str {
            let place = async { std::any::type_name_of_val(&|| ()) }.await;
            operation_name(place)
        }
        assert_eq!(read_something().await, "read_something");
    }
}
