//! The command `openapi`.

use crate::print;

pub(crate) fn run() -> anyhow::Result<()> {
    let document = serde_json::to_string_pretty(&engine_roles_api::document())?;
    Ok(print::line(document)?)
}
