//! What needs a person, with what to do about it.

use engine_roles_domain::binding::{Binding, Failure};
use engine_roles_provisioner::{AuditLogState, AwsState, DatabaseHealth, Health};
use maud::{Markup, html};

use super::layout::sentence;
use super::pieces::{Tone, badge, cluster_path, counted, nothing};
use super::survey::{MOST_NAMED, Named, Survey};

/// The heading of an entry of `docs/runbook.md`. A test compares the entries that are named here with the page.
#[derive(Clone, Copy, Debug)]
struct Entry(&'static str);

/// Something that needs a person.
#[derive(Debug)]
struct Matter {
    tone: Tone,
    what: String,
    /// What it is about: a path of the console and its name; none where it has no page.
    about: Option<(String, String)>,
    detail: Option<String>,
    what_to_do: &'static str,
    entry: Entry,
}

/// The list, the most urgent matters first.
pub(super) fn section(survey: &Survey) -> Markup {
    let matters = matters(survey);
    html! {
        section.card.wide aria-labelledby="person" {
            h2 #person { "What needs a person" }
            @if matters.is_empty() {
                (nothing("Nothing needs a person now."))
            } @else {
                ul.matters {
                    @for (number, matter) in matters.iter().enumerate() { (item(number, matter)) }
                }
            }
        }
    }
}

fn item(number: usize, matter: &Matter) -> Markup {
    let word = match matter.tone {
        Tone::Bad => "act",
        Tone::Warning => "look",
        _ => "note",
    };
    html! {
        li {
            (badge(matter.tone, word))
            div {
                p.what {
                    (matter.what)
                    @if let Some((path, name)) = &matter.about {
                        " " a id={"matter-" (number)} href=(path) { (name) }
                    }
                }
                @if let Some(detail) = &matter.detail { p.detail { (sentence(detail)) } }
                p.todo {
                    strong { "What to do: " } (with_code(matter.what_to_do)) " "
                    span.quiet { "More: docs/runbook.md, “" (matter.entry.0) "”." }
                }
            }
        }
    }
}

/// Writes what is between backticks as code.
fn with_code(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn matters(survey: &Survey) -> Vec<Matter> {
    let mut all = of_service(&survey.health);
    all.extend(of_bindings(survey));
    all.extend(of_account(survey));
    all.sort_by_key(|matter| matter.tone);
    all
}

/// Returns what is wrong with the service itself, its database or its AWS identity.
fn of_service(health: &Health) -> Vec<Matter> {
    let matter = |tone, what: &str, what_to_do, entry| Matter {
        tone,
        what: what.to_owned(),
        about: None,
        detail: None,
        what_to_do,
        entry,
    };
    let mut all = Vec::new();
    if health.database != DatabaseHealth::Ready {
        all.push(matter(
            Tone::Bad,
            "The service can't use its database as it should.",
            "Look at the database and at the log of the service. No intent is lost: work goes on when the \
             database answers again.",
            entry_of_database(health.database),
        ));
    }
    if !health.reconciler_alive {
        all.push(matter(
            Tone::Bad,
            "The background tasks of this replica stand still.",
            "The other replicas do its work. Restart this replica, and keep its log.",
            Entry("The reconciler of a replica stands still"),
        ));
    }
    let is_other = health.other_accounts.is_some_and(|count| count > 0);
    if is_other || health.configured_account.is_err() {
        all.push(matter(
            Tone::Bad,
            "The service works in another AWS account than its bindings or its configuration name.",
            "Give the service credentials of the right account. Until then, it changes nothing.",
            Entry("The credentials belong to another account"),
        ));
    }
    all.extend(of_aws(health.aws.state));
    if let AuditLogState::Broken { reason } = &health.audit_log {
        all.push(Matter {
            detail: Some(reason.clone()),
            ..matter(
                Tone::Bad,
                "The audit log contradicts itself.",
                "Somebody changed the audit log, or the database was restored from a backup. Keep the \
                 checkpoints, and verify the log.",
                Entry("The audit log is broken"),
            )
        });
    }
    for (feature, permission) in &health.missing {
        all.push(Matter {
            about: Some(capabilities()),
            detail: Some(format!("AWS denied {permission}")),
            ..matter(
                Tone::Warning,
                &format!("The feature {} is off.", feature.as_str()),
                "Add the statement that the page of the capabilities shows, or leave the feature off.",
                Entry("AWS denies a call"),
            )
        });
    }
    all
}

fn capabilities() -> (String, String) {
    let (path, name) = ("/console/capabilities", "Capabilities");
    (path.to_owned(), name.to_owned())
}

fn entry_of_database(health: DatabaseHealth) -> Entry {
    match health {
        DatabaseHealth::MigrationsPending | DatabaseHealth::SchemaTooNew => {
            Entry("The schema does not fit")
        }
        _ => Entry("The database can't be used"),
    }
}

fn of_aws(state: AwsState) -> Option<Matter> {
    let (tone, what, what_to_do, entry) = match state {
        AwsState::Ok | AwsState::Unknown => return None,
        AwsState::Throttled => (
            Tone::Warning,
            "AWS throttles the calls of the service.",
            "Wait some minutes: the service has lowered its rate. If it stays so, lower \
             `ENGINE_ROLES_CALL_RATE`, or find who else calls IAM in this account.",
            Entry("AWS throttles"),
        ),
        AwsState::InvalidCredentials => (
            Tone::Bad,
            "AWS does not accept the credentials of the service.",
            "Renew the credentials. Work goes on within seconds after they are valid again.",
            Entry("AWS does not accept the credentials"),
        ),
        AwsState::Unreachable => (
            Tone::Bad,
            "AWS does not answer.",
            "Look at the network to AWS and at AWS's own status page. Requests are recorded and carried \
             out later.",
            Entry("AWS can't be reached"),
        ),
        AwsState::Denied => (
            Tone::Bad,
            "AWS denied a change that a role needs.",
            "Add the statement that the page of the capabilities shows.",
            Entry("AWS denies a call"),
        ),
    };
    Some(Matter {
        tone,
        what: what.to_owned(),
        about: (state == AwsState::Denied).then(capabilities),
        detail: None,
        what_to_do,
        entry,
    })
}

/// Returns the clusters that need a person.
fn of_bindings(survey: &Survey) -> Vec<Matter> {
    let mut all = Vec::new();
    let mut add = |named: &Named, path: &str, make: &dyn Fn(&Binding) -> Matter| {
        all.extend(named.bindings.iter().map(make));
        if named.are_more {
            let (first, name) = (make(&named.bindings[0]), "See all");
            all.push(Matter {
                what: format!("These are the first {MOST_NAMED} of more."),
                about: Some((path.to_owned(), name.to_owned())),
                detail: None,
                ..first
            });
        }
    };
    add(
        &survey.blocked,
        "/console/clusters?state=blocked",
        &|binding| {
            about_binding(
                binding,
                Tone::Bad,
                "The teardown is blocked:",
                "Remove what blocks it, then send DELETE again.",
                Entry("A teardown is blocked"),
            )
        },
    );
    add(
        &survey.failed,
        "/console/clusters?state=failed",
        &|binding| {
            about_binding(
                binding,
                Tone::Bad,
                "The service gave up the last request:",
                "Correct the reason, then send the request again. Nothing half-made is left.",
                Entry("A provision failed"),
            )
        },
    );
    add(
        &survey.delayed,
        "/console/clusters?state=provisioning%2Cdeleting",
        &|binding| {
            about_binding(
                binding,
                Tone::Warning,
                "The last attempt failed and is repeated:",
                "Wait, if AWS or its network has a problem. Otherwise correct the reason.",
                Entry("Work is overdue"),
            )
        },
    );
    add(
        &survey.drifted,
        "/console/clusters?drifted=true",
        &|binding| {
            let details = binding.drift.iter().map(|drift| drift.detail.as_str());
            Matter {
                detail: Some(details.collect::<Vec<_>>().join("; ")),
                ..about_binding(
                    binding,
                    Tone::Warning,
                    "AWS differs from what was applied:",
                    "Find in CloudTrail who changes the role. The service repairs what is its own; what \
                     others added stays until somebody removes it.",
                    Entry("Drift"),
                )
            }
        },
    );
    all
}

fn about_binding(
    binding: &Binding,
    tone: Tone,
    what: &str,
    what_to_do: &'static str,
    entry: Entry,
) -> Matter {
    let cluster = binding.cluster.as_str();
    Matter {
        tone,
        what: what.to_owned(),
        about: Some((cluster_path(cluster), cluster.to_owned())),
        detail: binding.last_error().map(obstacles),
        what_to_do,
        entry,
    }
}

fn obstacles(failure: &Failure) -> String {
    failure.obstacles().join("; ")
}

/// Returns what in the AWS account needs a person.
fn of_account(survey: &Survey) -> Vec<Matter> {
    let mut all = Vec::new();
    let orphans = survey.orphans.as_deref().unwrap_or_default();
    if !orphans.is_empty() {
        let names = orphans.iter().take(MOST_NAMED);
        let names = names.map(|orphan| format!("{} {}", orphan.kind.as_str(), orphan.name));
        all.push(Matter {
            tone: Tone::Warning,
            what: format!(
                "The account has {} that no binding accounts for.",
                counted(orphans.len(), "resource", "resources")
            ),
            about: None,
            detail: Some(names.collect::<Vec<_>>().join(", ")),
            what_to_do: "Find out whether an engine uses it. Then run `engine-roles orphans adopt` or \
                         `engine-roles orphans remove` with its name.",
            entry: Entry("Unknown orphans"),
        });
    }
    all.extend(survey.doubtful_roles.iter().map(|role| Matter {
        tone: Tone::Warning,
        what: format!(
            "The pass-through role {} is {}.",
            role.entry.role,
            role.attestation.fitness.as_str()
        ),
        about: Some((
            "/console/pass-through-roles".to_owned(),
            "Pass-through roles".to_owned(),
        )),
        detail: Some(role.attestation.reasons()),
        what_to_do: "Correct the role, or remove it from `ENGINE_ROLES_PASS_THROUGH_ROLES`.",
        entry: Entry("A prepared role is unfit"),
    }));
    all
}
