//! Checks of the settings themselves.

use std::net::{SocketAddr, TcpListener};

use super::finding::{Finding, Verdict};
use super::{CheckArgs, Given};
use crate::config::ServeArgs;
use crate::setting_names::Named;
use crate::telemetry::variables::{Wanted, wanted_here};

/// Returns what is set, and from where; or what is wrong with settings.
pub(super) fn settings(given: &Given, problems: &[String]) -> Finding {
    let settings = given.settings.as_deref().unwrap_or_default();
    let count = |source| {
        let from_there = settings.iter().filter(|setting| setting.source == source);
        from_there.count()
    };
    let details = settings.iter().map(|setting| {
        let value = setting.value.as_deref().unwrap_or("(a secret)");
        format!("{} = {value} (by {})", setting.name, setting.source)
    });
    let details: Vec<String> = details.collect();
    let (flags, variables) = (count("flag"), count("variable"));
    let name = "configuration";
    let finding = if problems.is_empty() {
        let found = format!(
            "{flags} settings by flags and {variables} by variables; all others have their default"
        );
        Finding::new(name, Verdict::Ok, found)
    } else {
        let advice = "correct the setting (docs/configuration.md): the service does not start with it, and \
                      the other checks need it";
        Finding::new(name, Verdict::Failed, problems.join("; ")).with_advice(advice)
    };
    finding.with_details(details)
}

/// Returns the settings that have no effect without others.
pub(super) fn without_effect(args: &ServeArgs) -> Finding {
    let name = "settings without effect";
    let found: Vec<String> = crate::without_effect::without_effect(args)
        .iter()
        .map(ToString::to_string)
        .collect();
    if found.is_empty() {
        return Finding::new(name, Verdict::Ok, "none");
    }
    Finding::new(name, Verdict::Warning, found.join("; "))
        .with_advice("set what the setting needs, or leave it out")
}

/// Returns the variables that no setting has.
pub(super) fn unknown_variables(given: &Given) -> Finding {
    let unknown = &given.unknown;
    if unknown.is_empty() {
        return Finding::new(
            "variables",
            Verdict::Ok,
            "each ENGINE_ROLES_ variable is a setting",
        );
    }
    let found = format!("no setting has {}", unknown.join(", "));
    Finding::new("variables", Verdict::Warning, found)
        .with_advice("correct the name, or remove the variable: it is ignored")
}

/// Returns whether the address on which the service listens is one of this machine. The port is not tried: the
/// service may be listening already.
pub(super) fn listen_address(address: SocketAddr) -> Finding {
    let name = "listen address";
    match TcpListener::bind((address.ip(), 0)) {
        Ok(_) => Finding::new(name, Verdict::Ok, address.to_string()),
        Err(error) => Finding::new(name, Verdict::Failed, format!("{address}: {error}"))
            .with_advice(Named("set --listen to an address of this machine").to_string()),
    }
}

/// Returns whether traces are sent.
pub(super) fn traces() -> Finding {
    match wanted_here() {
        Wanted::No => Finding::new("traces", Verdict::Skipped, "no collector is configured"),
        Wanted::Unsupported { variable, rule } => {
            Finding::new("traces", Verdict::Warning, format!("{variable} {rule}"))
                .with_advice("correct the variable: no traces are sent")
        }
        Wanted::To { .. } => sent_traces(),
    }
}

fn sent_traces() -> Finding {
    match crate::telemetry::try_collector() {
        Ok(collector) => {
            let found = format!("the collector at {collector} takes traces");
            Finding::new("traces", Verdict::Ok, found)
        }
        Err(problem) => Finding::new("traces", Verdict::Warning, problem).with_advice(
            "correct OTEL_EXPORTER_OTLP_*, or the collector; the service works without it",
        ),
    }
}

/// Returns whether checkpoints of the audit log are signed. The key was read with the configuration.
pub(super) fn audit_key(args: &CheckArgs, verifier_keys: Option<&str>) -> Finding {
    let name = "audit signing key";
    let Some(keys) = verifier_keys else {
        return Finding::new(name, Verdict::Skipped, "checkpoints are not signed");
    };
    let signing = &args.serve.audit_signing;
    let found = format!(
        "verified with {}",
        keys.lines().collect::<Vec<_>>().join(" and ")
    );
    if let Some(directory) = signing.checkpoints.as_deref().filter(|path| !path.is_dir()) {
        let found = format!("{} is no directory", directory.display());
        return Finding::new(name, Verdict::Failed, found).with_advice(
            Named("make the directory of --audit-checkpoints, in which the service may write")
                .to_string(),
        );
    }
    if let Some(file) = signing.exposed_key_file() {
        let found = format!("every user of the machine can read {}", file.display());
        return Finding::new(name, Verdict::Warning, found)
            .with_advice("remove the file's permissions for others");
    }
    Finding::new(name, Verdict::Ok, found)
}
