//! Tokens of the service's AWS identity in place of a database password.

use std::sync::Arc;

use engine_roles_iam::DatabaseTokens;
use engine_roles_store::TokenSource;

/// Returns what makes a token for each new connection that needs one.
pub(crate) fn source(tokens: DatabaseTokens) -> TokenSource {
    Arc::new(move |request| {
        let tokens = tokens.clone();
        Box::pin(async move {
            let token = tokens.token(&request.host, request.port, &request.user);
            token.await.map_err(Into::into)
        })
    })
}
