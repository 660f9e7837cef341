//! The level of the log.

use engine_roles_contract::{LogLevel, LogLevelRequest};
use reqwest::Method;
use std::time::Duration;

use super::Client;
use crate::answer::Answer;
use crate::error::Error;

const PATH: [&str; 2] = ["v1", "log-level"];

impl Client {
    /// Sends `GET /v1/log-level`: the level at which the replica that answers logs.
    ///
    /// # Errors
    /// When the request is not answered with a level.
    pub async fn log_level(&self) -> Result<Answer<LogLevel>, Error> {
        self.get(&PATH, &()).await
    }

    /// Sends `PUT /v1/log-level`: changes the level at which the replica that answers logs.
    ///
    /// # Errors
    /// When the request is not answered with a level.
    pub async fn set_log_level(
        &self,
        request: &LogLevelRequest,
    ) -> Result<Answer<LogLevel>, Error> {
        let begun = self.begin(Method::PUT, &PATH)?;
        self.fetch(begun.json(request), Duration::ZERO)
            .await?
            .read()
    }
}
