//! The command `openapi`.

/// Prints the OpenAPI document.
pub(crate) fn print() -> anyhow::Result<()> {
    let document = serde_json::to_string_pretty(&engine_roles_api::document())?;
    Ok(crate::print::line(document)?)
}
