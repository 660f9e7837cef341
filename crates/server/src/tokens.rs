//! Tokens of the service's AWS identity in place of a database password.

use std::sync::Arc;

use engine_roles_iam::{DatabaseTokens, Iam, IamConfig};
use engine_roles_store::TokenSource;

/// Returns what makes the tokens, with the AWS identity of a client of IAM.
pub(crate) fn of(iam: &Iam) -> TokenSource {
    source(iam.database_tokens())
}

/// As [`of`], for a command that does not use IAM otherwise.
pub(crate) async fn of_this_identity() -> TokenSource {
    let config = IamConfig {
        region: None,
        call_timeout: std::time::Duration::from_secs(10),
    };
    of(&Iam::connect(&config).await)
}

fn source(tokens: DatabaseTokens) -> TokenSource {
    Arc::new(move |request| {
        let tokens = tokens.clone();
        Box::pin(async move {
            let token = tokens.token(&request.host, request.port, &request.user);
            token.await.map_err(Into::into)
        })
    })
}
