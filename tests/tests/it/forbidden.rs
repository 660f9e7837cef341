//! What the service's identity may not do under `policies/engine-role-service.json`, each beside
//! what it may.

use engine_roles_e2e::Installation;
use engine_roles_e2e::identity::BOUNDARY;
use serde_json::json;

const OURS: &str = "/ai-unlimited/engine/default/";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ADMINISTRATION: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// The account in which the acts are tried: a role and a profile of ours, a prepared role, and
/// somebody's role and profile.
struct Account {
    installation: Installation,
    /// The name of our role and its profile.
    ours: String,
    boundary: String,
}

/// One act, by the service's own key.
struct Act {
    /// What is tried.
    name: &'static str,
    action: &'static str,
    parameters: Vec<(String, String)>,
}

fn act(name: &'static str, action: &'static str, parameters: &[(&str, &str)]) -> Act {
    let parameters = parameters.iter();
    Act {
        name,
        action,
        parameters: parameters
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

impl Act {
    fn with(mut self, parameters: &[(&str, &str)]) -> Self {
        let more = act(self.name, self.action, parameters).parameters;
        self.parameters.extend(more);
        self
    }

    /// With tags, in the form of the query protocol.
    fn tagged(mut self, tags: &[(&str, &str)]) -> Self {
        for (place, (key, value)) in (1..).zip(tags) {
            let key = (format!("Tags.member.{place}.Key"), (*key).to_owned());
            let value = (format!("Tags.member.{place}.Value"), (*value).to_owned());
            self.parameters.extend([key, value]);
        }
        self
    }
}

const OWNED: [(&str, &str); 4] = [
    ("ai-unlimited:managed-by", "engine-roles"),
    ("ai-unlimited:namespace", "default"),
    ("ai-unlimited:cluster", "x"),
    (
        "ai-unlimited:binding-id",
        "01890a5d-ac96-774b-bcce-b302099a8057",
    ),
];

/// Making a role of this name under a path, with nothing more.
fn make_role(what: &'static str, name: &str, path: &str) -> Act {
    let parameters = [
        ("RoleName", name),
        ("Path", path),
        ("AssumeRolePolicyDocument", TRUST),
    ];
    act(what, "CreateRole", &parameters)
}

fn make_profile(what: &'static str, name: &str, path: &str) -> Act {
    let parameters = [("InstanceProfileName", name), ("Path", path)];
    act(what, "CreateInstanceProfile", &parameters)
}

fn write_policy(what: &'static str, role: &str) -> Act {
    let parameters = [
        ("RoleName", role),
        ("PolicyName", "p"),
        ("PolicyDocument", EVERYTHING),
    ];
    act(what, "PutRolePolicy", &parameters)
}

fn put_into(what: &'static str, role: &str, profile: &str) -> Act {
    let parameters = [("RoleName", role), ("InstanceProfileName", profile)];
    act(what, "AddRoleToInstanceProfile", &parameters)
}

impl Account {
    async fn new() -> Self {
        let installation = Installation::build()
            .rarely_checked()
            .prepared("prepared")
            .start()
            .await;
        let body = json!({"tags": {"team": "x"}});
        let made = installation
            .client()
            .put("one", body)
            .await
            .expect(201)
            .clone();
        let ours = made["role"]["name"].as_str().expect("it has a name");
        let account = Self {
            ours: ours.to_owned(),
            boundary: format!("arn:aws:iam::123456789012:policy/{BOUNDARY}"),
            installation,
        };
        let administrator = &account.installation.administrator;
        administrator.make_role("theirs").await;
        let everything = serde_json::from_str(EVERYTHING).expect("it is JSON");
        administrator.make_policy("wide", &everything).await;
        for (profile, role) in [("theirs", Some("theirs")), ("empty", None)] {
            let named = [("InstanceProfileName", profile)];
            administrator.call("CreateInstanceProfile", &named).await;
            if let Some(role) = role {
                let member = [named[0], ("RoleName", role)];
                administrator
                    .call("AddRoleToInstanceProfile", &member)
                    .await;
            }
        }
        account
    }

    /// Does it with the service's own credentials; status and error code of the answer.
    async fn attempt(&self, act: &Act) -> (u16, Option<String>) {
        let since = self.installation.mark();
        let parameters = act.parameters.iter();
        let parameters: Vec<(&str, &str)> = parameters
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let posing = self.installation.administrator.posing_as_the_service();
        posing.try_call(act.action, &parameters).await;
        let calls = self.installation.calls(since);
        let call = calls.iter().find(|call| call.action == act.action);
        let call = call.unwrap_or_else(|| panic!("{}: it was not called", act.name));
        let status = call.status.expect("it was answered");
        (status, call.error.clone())
    }

    /// That each act is refused for want of a permission, and changes nothing.
    async fn forbids(&self, acts: &[Act]) {
        let before = self.installation.sandbox.state();
        for act in acts {
            let (status, error) = self.attempt(act).await;
            assert_eq!(
                (status, error.as_deref()),
                (403, Some("AccessDenied")),
                "{}",
                act.name
            );
        }
        assert_eq!(self.installation.sandbox.state(), before);
    }

    /// That each act succeeds, one after the other.
    async fn allows(&self, acts: &[Act]) {
        for act in acts {
            let (status, error) = self.attempt(act).await;
            assert_eq!((status, error), (200, None), "{}", act.name);
        }
    }
}

#[tokio::test]
async fn a_role_is_made_under_our_path_with_the_boundary_and_the_tags_of_ownership_or_not_at_all() {
    let account = Account::new().await;
    let boundary = [("PermissionsBoundary", account.boundary.as_str())];
    let bounded = |what, path| make_role(what, "x", path).with(&boundary);
    let other = "arn:aws:iam::123456789012:policy/wide";
    let mut anothers = OWNED;
    anothers[1] = ("ai-unlimited:namespace", "other");
    let mut foreign = OWNED;
    foreign[0] = ("ai-unlimited:managed-by", "somebody");
    account
        .forbids(&[
            bounded("outside of the path", "/").tagged(&OWNED),
            bounded("above the path", "/ai-unlimited/engine/").tagged(&OWNED),
            bounded("in another namespace's path", "/ai-unlimited/engine/other/").tagged(&OWNED),
            bounded(
                "in the path of a namespace that begins as ours",
                "/ai-unlimited/engine/default-2/",
            )
            .tagged(&OWNED),
            make_role("without the boundary", "x", OURS).tagged(&OWNED),
            make_role("with another boundary", "x", OURS)
                .with(&[("PermissionsBoundary", other)])
                .tagged(&OWNED),
            bounded("without any tags", OURS),
            bounded("without the tag managed-by", OURS).tagged(&OWNED[1..]),
            bounded("without the tag namespace", OURS).tagged(&[OWNED[0]]),
            bounded("with another namespace's tag", OURS).tagged(&anothers),
            bounded("with another manager's tag", OURS).tagged(&foreign),
        ])
        .await;
    let all_right = bounded("with all of it", OURS).tagged(&OWNED);
    account.allows(&[all_right]).await;
}

#[tokio::test]
async fn an_instance_profile_is_made_under_our_path_with_the_tags_of_ownership_or_not_at_all() {
    let account = Account::new().await;
    let mut anothers = OWNED;
    anothers[1] = ("ai-unlimited:namespace", "other");
    account
        .forbids(&[
            make_profile("outside of the path", "x", "/").tagged(&OWNED),
            make_profile(
                "in another namespace's path",
                "x",
                "/ai-unlimited/engine/other/",
            )
            .tagged(&OWNED),
            make_profile("without tags", "x", OURS),
            make_profile("with another namespace's tag", "x", OURS).tagged(&anothers),
        ])
        .await;
    let all_right = make_profile("with all of it", "x", OURS).tagged(&OWNED);
    account.allows(&[all_right]).await;
}

#[tokio::test]
async fn policies_are_written_to_bounded_roles_of_ours_and_to_no_other() {
    let account = Account::new().await;
    account
        .forbids(&[
            write_policy("a policy on somebody's role", "theirs"),
            write_policy("a policy on a prepared role", "prepared"),
            act(
                "a policy of a prepared role removed",
                "DeleteRolePolicy",
                &[("RoleName", "prepared"), ("PolicyName", "read-secrets")],
            ),
            act(
                "a managed policy attached to our role",
                "AttachRolePolicy",
                &[("RoleName", &account.ours), ("PolicyArn", ADMINISTRATION)],
            ),
            act(
                "a managed policy attached to somebody's role",
                "AttachRolePolicy",
                &[("RoleName", "theirs"), ("PolicyArn", ADMINISTRATION)],
            ),
            act(
                "a managed policy made",
                "CreatePolicy",
                &[("PolicyName", "mine"), ("PolicyDocument", EVERYTHING)],
            ),
        ])
        .await;
    let ours = account.ours.clone();
    let written = write_policy("a policy on our role", &ours);
    account.allows(&[written]).await;
    // Without its boundary it would be worth what is written to it.
    let administrator = &account.installation.administrator;
    let role = [("RoleName", ours.as_str())];
    administrator
        .call("DeleteRolePermissionsBoundary", &role)
        .await;
    let unbounded = write_policy("a policy on our role without a boundary", &ours);
    account.forbids(&[unbounded]).await;
    let other = "arn:aws:iam::123456789012:policy/wide";
    let bound = [role[0], ("PermissionsBoundary", other)];
    administrator
        .call("PutRolePermissionsBoundary", &bound)
        .await;
    let other_bound = write_policy("a policy on our role with another boundary", &ours);
    account.forbids(&[other_bound]).await;
    // What may be taken from it may be taken still.
    let taken = [role[0], ("PolicyName", "engine-access")];
    let taken = act("a policy of our role removed", "DeleteRolePolicy", &taken);
    account.allows(&[taken]).await;
}

#[tokio::test]
async fn neither_trust_nor_boundary_of_any_role_is_changed() {
    let account = Account::new().await;
    let mut acts = Vec::new();
    for role in [account.ours.as_str(), "prepared", "theirs"] {
        let role = ("RoleName", role);
        acts.extend([
            act(
                "a trust policy changed",
                "UpdateAssumeRolePolicy",
                &[role, ("PolicyDocument", TRUST)],
            ),
            act(
                "a boundary put",
                "PutRolePermissionsBoundary",
                &[role, ("PermissionsBoundary", &account.boundary)],
            ),
            act(
                "a boundary taken off",
                "DeleteRolePermissionsBoundary",
                &[role],
            ),
        ]);
    }
    account.forbids(&acts).await;
}

#[tokio::test]
async fn tags_are_set_and_taken_off_but_for_those_of_ownership() {
    let account = Account::new().await;
    let name = account.ours.as_str();
    let kinds = [
        ("TagRole", "UntagRole", ("RoleName", name)),
        (
            "TagInstanceProfile",
            "UntagInstanceProfile",
            ("InstanceProfileName", name),
        ),
    ];
    for (set, take, ours) in kinds {
        let tag = |what, key, value| act(what, set, &[ours]).tagged(&[(key, value)]);
        let untag = |what, keys: &[&str]| {
            let mut untag = act(what, take, &[ours]);
            for (place, key) in (1..).zip(keys) {
                let member = (format!("TagKeys.member.{place}"), (*key).to_owned());
                untag.parameters.push(member);
            }
            untag
        };
        account
            .forbids(&[
                tag(
                    "handed to another manager",
                    "ai-unlimited:managed-by",
                    "somebody",
                ),
                tag(
                    "handed to another namespace",
                    "ai-unlimited:namespace",
                    "other",
                ),
                // Keys of tags differ by case for nobody.
                tag(
                    "handed over in other case",
                    "AI-Unlimited:Namespace",
                    "other",
                ),
                untag("its manager taken off", &["ai-unlimited:managed-by"]),
                untag("its namespace taken off", &["ai-unlimited:namespace"]),
                untag("its cluster taken off", &["ai-unlimited:cluster"]),
                untag("its binding taken off", &["ai-unlimited:binding-id"]),
                untag("taken off in other case", &["AI-Unlimited:Managed-By"]),
                untag("taken off with another", &["team", "ai-unlimited:cluster"]),
            ])
            .await;
        account
            .allows(&[
                tag("a tag of the user's set", "team", "y"),
                tag(
                    "ownership set to what it is",
                    "ai-unlimited:namespace",
                    "default",
                ),
                untag("a tag of the user's taken off", &["team"]),
            ])
            .await;
    }
    let parameters = [("RoleName", "theirs")];
    let theirs = act("somebody's role tagged", "TagRole", &parameters);
    let parameters = [("InstanceProfileName", "theirs")];
    let profile = act(
        "somebody's profile tagged",
        "TagInstanceProfile",
        &parameters,
    );
    let prepared = [("RoleName", "prepared")];
    let prepared = act("a prepared role tagged", "TagRole", &prepared);
    let acts = [theirs, profile, prepared].map(|act| act.tagged(&[("team", "x")]));
    account.forbids(&acts).await;
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_removed() {
    let account = Account::new().await;
    let member = |profile| [("InstanceProfileName", profile), ("RoleName", "theirs")];
    account
        .forbids(&[
            act(
                "somebody's role deleted",
                "DeleteRole",
                &[("RoleName", "theirs")],
            ),
            act(
                "a prepared role deleted",
                "DeleteRole",
                &[("RoleName", "prepared")],
            ),
            act(
                "somebody's profile deleted",
                "DeleteInstanceProfile",
                &[("InstanceProfileName", "empty")],
            ),
            act(
                "somebody's profile emptied",
                "RemoveRoleFromInstanceProfile",
                &member("theirs"),
            ),
            act(
                "a policy of somebody's role read",
                "GetRolePolicy",
                &[("RoleName", "theirs"), ("PolicyName", "p")],
            ),
        ])
        .await;
    let ours = account.ours.as_str();
    let (role, profile) = (("RoleName", ours), ("InstanceProfileName", ours));
    let policy = ("PolicyName", "engine-access");
    account
        .allows(&[
            act("a policy of ours read", "GetRolePolicy", &[role, policy]),
            act(
                "ours emptied",
                "RemoveRoleFromInstanceProfile",
                &[role, profile],
            ),
            act("our policy removed", "DeleteRolePolicy", &[role, policy]),
            act("our role deleted", "DeleteRole", &[role]),
            act("our profile deleted", "DeleteInstanceProfile", &[profile]),
        ])
        .await;
}

#[tokio::test]
async fn our_roles_and_prepared_ones_go_into_our_profiles_and_nothing_else_anywhere() {
    let account = Account::new().await;
    let ours = account.ours.clone();
    let profile = make_profile("a profile of ours", "mine", OURS).tagged(&OWNED);
    account.allows(&[profile]).await;
    account
        .forbids(&[
            put_into("somebody's role into our profile", "theirs", "mine"),
            put_into("our role into somebody's profile", &ours, "empty"),
            put_into(
                "a prepared role into somebody's profile",
                "prepared",
                "empty",
            ),
            put_into("somebody's role into somebody's profile", "theirs", "empty"),
        ])
        .await;
    let member = [("InstanceProfileName", "mine"), ("RoleName", "prepared")];
    account
        .allows(&[
            put_into("a prepared role into our profile", "prepared", "mine"),
            act("and out of it", "RemoveRoleFromInstanceProfile", &member),
            put_into("our role into our profile", &ours, "mine"),
        ])
        .await;
}

#[tokio::test]
async fn of_permissions_only_its_own_are_tested() {
    let account = Account::new().await;
    let simulate = |what, role: &str| {
        let arn = format!("arn:aws:iam::123456789012:role/{role}");
        let parameters = [
            ("PolicySourceArn", arn.as_str()),
            ("ActionNames.member.1", "iam:CreateRole"),
        ];
        act(what, "SimulatePrincipalPolicy", &parameters)
    };
    let theirs = simulate("somebody's permissions tested", "theirs");
    account.forbids(&[theirs]).await;
    let own = simulate("its own permissions tested", "engine-roles-service");
    account.allows(&[own]).await;
}
