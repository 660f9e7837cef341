//! What `policies/engine-role-service.json` denies and allows the service's identity.

use engine_roles_e2e::Installation;
use engine_roles_e2e::identity::BOUNDARY;
use serde_json::json;

const OURS: &str = "/ai-unlimited/engine/default/";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ADMINISTRATION: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// An account with a role and a profile of the service, a prepared role, and a foreign role and
/// profile.
struct Account {
    installation: Installation,
    /// The name of the service's role and of its profile.
    ours: String,
    boundary: String,
}

/// A call with the service's credentials.
struct Act {
    /// A description for the message of a failure.
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

    /// Adds tags in the form of the query protocol.
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

/// Creates a role under a path, without boundary and tags.
fn create_role(what: &'static str, name: &str, path: &str) -> Act {
    let parameters = [
        ("RoleName", name),
        ("Path", path),
        ("AssumeRolePolicyDocument", TRUST),
    ];
    act(what, "CreateRole", &parameters)
}

fn create_profile(what: &'static str, name: &str, path: &str) -> Act {
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
        let created = installation
            .client()
            .put("one", body)
            .await
            .expect(201)
            .clone();
        let ours = created["role"]["name"]
            .as_str()
            .expect("the role has a name");
        let account = Self {
            ours: ours.to_owned(),
            boundary: format!("arn:aws:iam::123456789012:policy/{BOUNDARY}"),
            installation,
        };
        let administrator = &account.installation.administrator;
        administrator.create_role("theirs").await;
        let everything = serde_json::from_str(EVERYTHING).expect("the document is JSON");
        administrator.create_policy("wide", &everything).await;
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

    /// Makes the call. Returns the HTTP status and the error code.
    async fn attempt(&self, act: &Act) -> (u16, Option<String>) {
        let since = self.installation.mark();
        let parameters = act.parameters.iter();
        let parameters: Vec<(&str, &str)> = parameters
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let posing = self.installation.administrator.with_the_services_key();
        posing.try_call(act.action, &parameters).await;
        let calls = self.installation.calls(since);
        let call = calls.iter().find(|call| call.action == act.action);
        let call = call.unwrap_or_else(|| panic!("{}: the call was not made", act.name));
        let status = call.status.expect("the call was answered");
        (status, call.error.clone())
    }

    /// Checks that each call is denied and changes nothing.
    async fn assert_denied(&self, acts: &[Act]) {
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

    /// Makes the calls one after another and checks that each succeeds.
    async fn assert_allowed(&self, acts: &[Act]) {
        for act in acts {
            let (status, error) = self.attempt(act).await;
            assert_eq!((status, error), (200, None), "{}", act.name);
        }
    }
}

#[tokio::test]
async fn creating_a_role_requires_our_path_the_boundary_and_the_ownership_tags() {
    let account = Account::new().await;
    let boundary = [("PermissionsBoundary", account.boundary.as_str())];
    let bounded = |what, path| create_role(what, "x", path).with(&boundary);
    let other = "arn:aws:iam::123456789012:policy/wide";
    let mut anothers = OWNED;
    anothers[1] = ("ai-unlimited:namespace", "other");
    let mut foreign = OWNED;
    foreign[0] = ("ai-unlimited:managed-by", "somebody");
    account
        .assert_denied(&[
            bounded("outside of the path", "/").tagged(&OWNED),
            bounded("above the path", "/ai-unlimited/engine/").tagged(&OWNED),
            bounded("in another namespace's path", "/ai-unlimited/engine/other/").tagged(&OWNED),
            bounded(
                "in the path of a namespace that begins as ours",
                "/ai-unlimited/engine/default-2/",
            )
            .tagged(&OWNED),
            create_role("without the boundary", "x", OURS).tagged(&OWNED),
            create_role("with another boundary", "x", OURS)
                .with(&[("PermissionsBoundary", other)])
                .tagged(&OWNED),
            bounded("without any tags", OURS),
            bounded("without the tag managed-by", OURS).tagged(&OWNED[1..]),
            bounded("without the tag namespace", OURS).tagged(&[OWNED[0]]),
            bounded("with another namespace's tag", OURS).tagged(&anothers),
            bounded("with another manager's tag", OURS).tagged(&foreign),
        ])
        .await;
    let valid = bounded("with all of it", OURS).tagged(&OWNED);
    account.assert_allowed(&[valid]).await;
}

#[tokio::test]
async fn creating_an_instance_profile_requires_our_path_and_the_ownership_tags() {
    let account = Account::new().await;
    let mut anothers = OWNED;
    anothers[1] = ("ai-unlimited:namespace", "other");
    account
        .assert_denied(&[
            create_profile("outside of the path", "x", "/").tagged(&OWNED),
            create_profile(
                "in another namespace's path",
                "x",
                "/ai-unlimited/engine/other/",
            )
            .tagged(&OWNED),
            create_profile("without tags", "x", OURS),
            create_profile("with another namespace's tag", "x", OURS).tagged(&anothers),
        ])
        .await;
    let valid = create_profile("with all of it", "x", OURS).tagged(&OWNED);
    account.assert_allowed(&[valid]).await;
}

#[tokio::test]
async fn policies_can_be_written_only_to_our_roles_with_the_boundary() {
    let account = Account::new().await;
    account
        .assert_denied(&[
            write_policy("a policy on a foreign role", "theirs"),
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
                "a managed policy attached to a foreign role",
                "AttachRolePolicy",
                &[("RoleName", "theirs"), ("PolicyArn", ADMINISTRATION)],
            ),
            act(
                "a managed policy created",
                "CreatePolicy",
                &[("PolicyName", "mine"), ("PolicyDocument", EVERYTHING)],
            ),
        ])
        .await;
    let ours = account.ours.clone();
    let written = write_policy("a policy on our role", &ours);
    account.assert_allowed(&[written]).await;
    // Without the boundary, a written policy would have its full effect.
    let administrator = &account.installation.administrator;
    let role = [("RoleName", ours.as_str())];
    administrator
        .call("DeleteRolePermissionsBoundary", &role)
        .await;
    let unbounded = write_policy("a policy on our role without a boundary", &ours);
    account.assert_denied(&[unbounded]).await;
    let other = "arn:aws:iam::123456789012:policy/wide";
    let bound = [role[0], ("PermissionsBoundary", other)];
    administrator
        .call("PutRolePermissionsBoundary", &bound)
        .await;
    let other_bound = write_policy("a policy on our role with another boundary", &ours);
    account.assert_denied(&[other_bound]).await;
    // Permissions may still be taken from such a role.
    let taken = [role[0], ("PolicyName", "engine-access")];
    let taken = act("a policy of our role removed", "DeleteRolePolicy", &taken);
    account.assert_allowed(&[taken]).await;
}

#[tokio::test]
async fn trust_policies_and_boundaries_cannot_be_changed() {
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
    account.assert_denied(&acts).await;
}

#[tokio::test]
async fn all_tags_but_the_ownership_tags_can_be_set_and_removed() {
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
            .assert_denied(&[
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
                // IAM compares the keys of tags without regard to case.
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
            .assert_allowed(&[
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
    let theirs = act("a foreign role tagged", "TagRole", &parameters);
    let parameters = [("InstanceProfileName", "theirs")];
    let profile = act(
        "a foreign profile tagged",
        "TagInstanceProfile",
        &parameters,
    );
    let prepared = [("RoleName", "prepared")];
    let prepared = act("a prepared role tagged", "TagRole", &prepared);
    let acts = [theirs, profile, prepared].map(|act| act.tagged(&[("team", "x")]));
    account.assert_denied(&acts).await;
}

#[tokio::test]
async fn resources_of_others_cannot_be_removed() {
    let account = Account::new().await;
    let member = |profile| [("InstanceProfileName", profile), ("RoleName", "theirs")];
    account
        .assert_denied(&[
            act(
                "a foreign role deleted",
                "DeleteRole",
                &[("RoleName", "theirs")],
            ),
            act(
                "a prepared role deleted",
                "DeleteRole",
                &[("RoleName", "prepared")],
            ),
            act(
                "a foreign profile deleted",
                "DeleteInstanceProfile",
                &[("InstanceProfileName", "empty")],
            ),
            act(
                "a foreign profile emptied",
                "RemoveRoleFromInstanceProfile",
                &member("theirs"),
            ),
            act(
                "a policy of a foreign role read",
                "GetRolePolicy",
                &[("RoleName", "theirs"), ("PolicyName", "p")],
            ),
        ])
        .await;
    let ours = account.ours.as_str();
    let (role, profile) = (("RoleName", ours), ("InstanceProfileName", ours));
    let policy = ("PolicyName", "engine-access");
    account
        .assert_allowed(&[
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
async fn only_our_roles_and_prepared_roles_can_be_added_and_only_to_our_profiles() {
    let account = Account::new().await;
    let ours = account.ours.clone();
    let profile = create_profile("a profile of ours", "mine", OURS).tagged(&OWNED);
    account.assert_allowed(&[profile]).await;
    account
        .assert_denied(&[
            put_into("a foreign role into our profile", "theirs", "mine"),
            put_into("our role into a foreign profile", &ours, "empty"),
            put_into(
                "a prepared role into a foreign profile",
                "prepared",
                "empty",
            ),
            put_into("a foreign role into a foreign profile", "theirs", "empty"),
        ])
        .await;
    let member = [("InstanceProfileName", "mine"), ("RoleName", "prepared")];
    account
        .assert_allowed(&[
            put_into("a prepared role into our profile", "prepared", "mine"),
            act("and out of it", "RemoveRoleFromInstanceProfile", &member),
            put_into("our role into our profile", &ours, "mine"),
        ])
        .await;
}

#[tokio::test]
async fn only_the_services_own_permissions_can_be_simulated() {
    let account = Account::new().await;
    let simulate = |what, role: &str| {
        let arn = format!("arn:aws:iam::123456789012:role/{role}");
        let parameters = [
            ("PolicySourceArn", arn.as_str()),
            ("ActionNames.member.1", "iam:CreateRole"),
        ];
        act(what, "SimulatePrincipalPolicy", &parameters)
    };
    let theirs = simulate("foreign permissions simulated", "theirs");
    account.assert_denied(&[theirs]).await;
    let own = simulate("own permissions simulated", "engine-roles-service");
    account.assert_allowed(&[own]).await;
}
