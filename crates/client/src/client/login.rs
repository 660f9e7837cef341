//! Logins.

use std::time::Duration;

use engine_roles_contract::{AwsLogin, AwsToken};
use reqwest::Method;

use super::Client;
use crate::answer::Answer;
use crate::error::Error;

impl Client {
    /// Sends `POST /v1/auth/aws`: exchanges a signed request of an AWS identity for a token, which is used
    /// like an API key. Sends no key.
    ///
    /// # Errors
    /// When the request is not answered with a token.
    pub async fn log_in_with_aws(&self, login: &AwsLogin) -> Result<Answer<AwsToken>, Error> {
        let client = self.without_key();
        let request = client.begin(Method::POST, &["v1", "auth", "aws"])?;
        client
            .fetch(request.json(login), Duration::ZERO)
            .await?
            .read()
    }
}
