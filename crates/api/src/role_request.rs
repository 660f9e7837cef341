//! Maps the body of a PUT to the domain's request. The error for an invalid field names the field.

use engine_roles_contract as contract;
use engine_roles_contract::Code;
use engine_roles_domain::account::Region;
use engine_roles_domain::cluster::{RoleReference, RoleRequest, SecretName, Secrets};
use engine_roles_domain::grant::BoundaryArn;
use engine_roles_domain::invalid::Invalid;
use engine_roles_domain::resources::{RolePrefix, Tags};

use crate::problem::{self, Problem};
use crate::words::mode_from_wire;

/// Parses each field of the body by the field's own rule.
pub(crate) fn parse(body: contract::RoleRequest) -> Result<RoleRequest, Problem> {
    Ok(RoleRequest {
        mode: body.mode.map(mode_from_wire),
        iam_role: parse_field("iam_role", body.iam_role, RoleReference::parse)?,
        secrets: body.secrets.map(parse_secrets).transpose()?,
        session_manager: body.session_manager,
        region: parse_field("region", body.region, Region::parse)?,
        role_prefix: parse_field("role_prefix", body.role_prefix, RolePrefix::parse)?,
        permissions_boundary: parse_field(
            "permissions_boundary",
            body.permissions_boundary,
            BoundaryArn::parse,
        )?,
        tags: body
            .tags
            .map(|tags| Tags::new(tags.0).map_err(|error| problem::invalid("tags", &error)))
            .transpose()?,
    })
}

/// Parses an optional field with the given function.
pub(crate) fn parse_field<T>(
    field: &'static str,
    text: Option<String>,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<Option<T>, Problem> {
    let parsed = text.map(|text| parse(&text)).transpose();
    parsed.map_err(|error| problem::invalid(field, &error))
}

fn parse_secrets(body: contract::Secrets) -> Result<Secrets, Problem> {
    let names = match body {
        contract::Secrets::Word(word) if word == "all" => return Ok(Secrets::All),
        contract::Secrets::Word(_) => {
            let reason = "must be \"all\" or a list of secret names";
            return Err(Problem::field(Code::InvalidSecretName, "secrets", reason));
        }
        contract::Secrets::Names(names) => names,
    };
    let mut parsed = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let field = || format!("secrets[{index}]");
        parsed.push(SecretName::parse(name).map_err(|error| problem::invalid(field(), &error))?);
    }
    Secrets::named(parsed).map_err(|error| problem::invalid("secrets", &error))
}
