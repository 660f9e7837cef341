//! What `policies/engine-role-service.json` allows the service's identity to do, and what the
//! policy denies.

use engine_roles_e2e::Installation;
use engine_roles_e2e::identity::BOUNDARY;
use serde_json::json;

const OUR_PATH: &str = "/ai-unlimited/engine/default/";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ADMINISTRATION: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// An account with a role and a profile of the service, a prepared role, and a foreign role and
/// profile.
struct Account {
    installation: Installation,
    /// The name of the role and of the instance profile that the service created.
    ours: String,
    boundary: String,
}

/// A call to IAM, which the tests make with the service's credentials.
struct Call {
    /// What the call attempts, for the message of a failed assertion.
    what: &'static str,
    action: &'static str,
    parameters: Vec<(String, String)>,
}

fn call(what: &'static str, action: &'static str, parameters: &[(&str, &str)]) -> Call {
    let parameters = parameters.iter();
    Call {
        what,
        action,
        parameters: parameters
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

impl Call {
    fn with(mut self, parameters: &[(&str, &str)]) -> Self {
        let more = call(self.what, self.action, parameters).parameters;
        self.parameters.extend(more);
        self
    }

    /// Adds tags to the call, as parameters of the query protocol.
    fn tagged(mut self, tags: &[(&str, &str)]) -> Self {
        for (place, (key, value)) in (1..).zip(tags) {
            let key = (format!("Tags.member.{place}.Key"), (*key).to_owned());
            let value = (format!("Tags.member.{place}.Value"), (*value).to_owned());
            self.parameters.extend([key, value]);
        }
        self
    }
}

const OWNERSHIP_TAGS: [(&str, &str); 4] = [
    ("ai-unlimited:managed-by", "engine-roles"),
    ("ai-unlimited:namespace", "default"),
    ("ai-unlimited:cluster", "x"),
    (
        "ai-unlimited:binding-id",
        "01890a5d-ac96-774b-bcce-b302099a8057",
    ),
];

/// Returns the call that creates a role under a path, without a boundary and without tags.
fn create_role(what: &'static str, name: &str, path: &str) -> Call {
    let parameters = [
        ("RoleName", name),
        ("Path", path),
        ("AssumeRolePolicyDocument", TRUST),
    ];
    call(what, "CreateRole", &parameters)
}

fn create_profile(what: &'static str, name: &str, path: &str) -> Call {
    let parameters = [("InstanceProfileName", name), ("Path", path)];
    call(what, "CreateInstanceProfile", &parameters)
}

fn write_policy(what: &'static str, role: &str) -> Call {
    let parameters = [
        ("RoleName", role),
        ("PolicyName", "p"),
        ("PolicyDocument", EVERYTHING),
    ];
    call(what, "PutRolePolicy", &parameters)
}

fn add_to_profile(what: &'static str, role: &str, profile: &str) -> Call {
    let parameters = [("RoleName", role), ("InstanceProfileName", profile)];
    call(what, "AddRoleToInstanceProfile", &parameters)
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
    async fn attempt(&self, attempted: &Call) -> (u16, Option<String>) {
        let since = self.installation.mark();
        let parameters = attempted.parameters.iter();
        let parameters: Vec<(&str, &str)> = parameters
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let caller = self.installation.administrator.with_the_services_key();
        caller.try_call(attempted.action, &parameters).await;
        let calls = self.installation.calls(since);
        let call = calls.iter().find(|call| call.action == attempted.action);
        let call = call.unwrap_or_else(|| panic!("{}: the call was not made", attempted.what));
        let status = call.status.expect("the call was answered");
        (status, call.error.clone())
    }

    /// Checks that each call is denied and changes nothing.
    async fn assert_denied(&self, calls: &[Call]) {
        let before = self.installation.sandbox.state();
        for attempted in calls {
            let (status, error) = self.attempt(attempted).await;
            assert_eq!(
                (status, error.as_deref()),
                (403, Some("AccessDenied")),
                "{}",
                attempted.what
            );
        }
        assert_eq!(self.installation.sandbox.state(), before);
    }

    /// Makes the calls one after another and checks that each succeeds.
    async fn assert_allowed(&self, calls: &[Call]) {
        for attempted in calls {
            let (status, error) = self.attempt(attempted).await;
            assert_eq!((status, error), (200, None), "{}", attempted.what);
        }
    }
}

#[tokio::test]
async fn creating_a_role_requires_our_path_the_boundary_and_the_ownership_tags() {
    let account = Account::new().await;
    let boundary = [("PermissionsBoundary", account.boundary.as_str())];
    let bounded = |what, path| create_role(what, "x", path).with(&boundary);
    let other = "arn:aws:iam::123456789012:policy/wide";
    let mut other_namespace = OWNERSHIP_TAGS;
    other_namespace[1] = ("ai-unlimited:namespace", "other");
    let mut foreign = OWNERSHIP_TAGS;
    foreign[0] = ("ai-unlimited:managed-by", "somebody");
    account
        .assert_denied(&[
            bounded("outside of the path", "/").tagged(&OWNERSHIP_TAGS),
            bounded("above the path", "/ai-unlimited/engine/").tagged(&OWNERSHIP_TAGS),
            bounded("in another namespace's path", "/ai-unlimited/engine/other/")
                .tagged(&OWNERSHIP_TAGS),
            bounded(
                "in the path of a namespace whose name begins with ours",
                "/ai-unlimited/engine/default-2/",
            )
            .tagged(&OWNERSHIP_TAGS),
            create_role("without the boundary", "x", OUR_PATH).tagged(&OWNERSHIP_TAGS),
            create_role("with another boundary", "x", OUR_PATH)
                .with(&[("PermissionsBoundary", other)])
                .tagged(&OWNERSHIP_TAGS),
            bounded("without any tags", OUR_PATH),
            bounded("without the tag managed-by", OUR_PATH).tagged(&OWNERSHIP_TAGS[1..]),
            bounded("without the tag namespace", OUR_PATH).tagged(&[OWNERSHIP_TAGS[0]]),
            bounded("with another namespace's tag", OUR_PATH).tagged(&other_namespace),
            bounded("with another manager's tag", OUR_PATH).tagged(&foreign),
        ])
        .await;
    let valid = bounded("with path, boundary and tags", OUR_PATH).tagged(&OWNERSHIP_TAGS);
    account.assert_allowed(&[valid]).await;
}

#[tokio::test]
async fn creating_an_instance_profile_requires_our_path_and_the_ownership_tags() {
    let account = Account::new().await;
    let mut other_namespace = OWNERSHIP_TAGS;
    other_namespace[1] = ("ai-unlimited:namespace", "other");
    account
        .assert_denied(&[
            create_profile("outside of the path", "x", "/").tagged(&OWNERSHIP_TAGS),
            create_profile(
                "in another namespace's path",
                "x",
                "/ai-unlimited/engine/other/",
            )
            .tagged(&OWNERSHIP_TAGS),
            create_profile("without tags", "x", OUR_PATH),
            create_profile("with another namespace's tag", "x", OUR_PATH).tagged(&other_namespace),
        ])
        .await;
    let valid = create_profile("with path and tags", "x", OUR_PATH).tagged(&OWNERSHIP_TAGS);
    account.assert_allowed(&[valid]).await;
}

#[tokio::test]
async fn policies_can_be_written_only_to_our_roles_with_the_boundary() {
    let account = Account::new().await;
    account
        .assert_denied(&[
            write_policy("a policy on a foreign role", "theirs"),
            write_policy("a policy on a prepared role", "prepared"),
            call(
                "a policy of a prepared role removed",
                "DeleteRolePolicy",
                &[("RoleName", "prepared"), ("PolicyName", "read-secrets")],
            ),
            call(
                "a managed policy attached to our role",
                "AttachRolePolicy",
                &[("RoleName", &account.ours), ("PolicyArn", ADMINISTRATION)],
            ),
            call(
                "a managed policy attached to a foreign role",
                "AttachRolePolicy",
                &[("RoleName", "theirs"), ("PolicyArn", ADMINISTRATION)],
            ),
            call(
                "a managed policy created",
                "CreatePolicy",
                &[("PolicyName", "mine"), ("PolicyDocument", EVERYTHING)],
            ),
        ])
        .await;
    let ours = account.ours.clone();
    let written = write_policy("a policy on our role", &ours);
    account.assert_allowed(&[written]).await;
    // Without the boundary, a policy that the service writes would grant all that it allows.
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
    // The service may still remove a policy from a role that has another boundary.
    let engine_access = [role[0], ("PolicyName", "engine-access")];
    let removal = call(
        "a policy of our role removed",
        "DeleteRolePolicy",
        &engine_access,
    );
    account.assert_allowed(&[removal]).await;
}

#[tokio::test]
async fn trust_policies_and_boundaries_cannot_be_changed() {
    let account = Account::new().await;
    let mut calls = Vec::new();
    for role in [account.ours.as_str(), "prepared", "theirs"] {
        let role = ("RoleName", role);
        calls.extend([
            call(
                "a trust policy changed",
                "UpdateAssumeRolePolicy",
                &[role, ("PolicyDocument", TRUST)],
            ),
            call(
                "a boundary put",
                "PutRolePermissionsBoundary",
                &[role, ("PermissionsBoundary", &account.boundary)],
            ),
            call(
                "a boundary removed",
                "DeleteRolePermissionsBoundary",
                &[role],
            ),
        ]);
    }
    account.assert_denied(&calls).await;
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
    for (tag_action, untag_action, ours) in kinds {
        let tag = |what, key, value| call(what, tag_action, &[ours]).tagged(&[(key, value)]);
        let untag = |what, keys: &[&str]| {
            let mut untag = call(what, untag_action, &[ours]);
            for (place, key) in (1..).zip(keys) {
                let member = (format!("TagKeys.member.{place}"), (*key).to_owned());
                untag.parameters.push(member);
            }
            untag
        };
        account
            .assert_denied(&[
                tag(
                    "the tag managed-by changed",
                    "ai-unlimited:managed-by",
                    "somebody",
                ),
                tag(
                    "the tag namespace changed",
                    "ai-unlimited:namespace",
                    "other",
                ),
                // IAM ignores case when it compares the keys of tags.
                tag(
                    "the tag namespace changed, with its key in another case",
                    "AI-Unlimited:Namespace",
                    "other",
                ),
                untag("the tag managed-by removed", &["ai-unlimited:managed-by"]),
                untag("the tag namespace removed", &["ai-unlimited:namespace"]),
                untag("the tag cluster removed", &["ai-unlimited:cluster"]),
                untag("the tag binding-id removed", &["ai-unlimited:binding-id"]),
                untag(
                    "the tag managed-by removed, with its key in another case",
                    &["AI-Unlimited:Managed-By"],
                ),
                untag(
                    "the tag cluster removed together with a user's tag",
                    &["team", "ai-unlimited:cluster"],
                ),
            ])
            .await;
        account
            .assert_allowed(&[
                tag("a user's tag set", "team", "y"),
                tag(
                    "the tag namespace set to its own value",
                    "ai-unlimited:namespace",
                    "default",
                ),
                untag("a user's tag removed", &["team"]),
            ])
            .await;
    }
    let parameters = [("RoleName", "theirs")];
    let theirs = call("a foreign role tagged", "TagRole", &parameters);
    let parameters = [("InstanceProfileName", "theirs")];
    let profile = call(
        "a foreign profile tagged",
        "TagInstanceProfile",
        &parameters,
    );
    let prepared = [("RoleName", "prepared")];
    let prepared = call("a prepared role tagged", "TagRole", &prepared);
    let calls = [theirs, profile, prepared].map(|call| call.tagged(&[("team", "x")]));
    account.assert_denied(&calls).await;
}

#[tokio::test]
async fn resources_of_others_cannot_be_removed() {
    let account = Account::new().await;
    let member = |profile| [("InstanceProfileName", profile), ("RoleName", "theirs")];
    account
        .assert_denied(&[
            call(
                "a foreign role deleted",
                "DeleteRole",
                &[("RoleName", "theirs")],
            ),
            call(
                "a prepared role deleted",
                "DeleteRole",
                &[("RoleName", "prepared")],
            ),
            call(
                "a foreign profile deleted",
                "DeleteInstanceProfile",
                &[("InstanceProfileName", "empty")],
            ),
            call(
                "a foreign profile emptied",
                "RemoveRoleFromInstanceProfile",
                &member("theirs"),
            ),
            call(
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
            call("a policy of ours read", "GetRolePolicy", &[role, policy]),
            call(
                "our role removed from our profile",
                "RemoveRoleFromInstanceProfile",
                &[role, profile],
            ),
            call("our policy removed", "DeleteRolePolicy", &[role, policy]),
            call("our role deleted", "DeleteRole", &[role]),
            call("our profile deleted", "DeleteInstanceProfile", &[profile]),
        ])
        .await;
}

#[tokio::test]
async fn only_our_roles_and_prepared_roles_can_be_added_and_only_to_our_profiles() {
    let account = Account::new().await;
    let ours = account.ours.clone();
    let profile = create_profile("a profile of ours", "mine", OUR_PATH).tagged(&OWNERSHIP_TAGS);
    account.assert_allowed(&[profile]).await;
    account
        .assert_denied(&[
            add_to_profile("a foreign role into our profile", "theirs", "mine"),
            add_to_profile("our role into a foreign profile", &ours, "empty"),
            add_to_profile(
                "a prepared role into a foreign profile",
                "prepared",
                "empty",
            ),
            add_to_profile("a foreign role into a foreign profile", "theirs", "empty"),
        ])
        .await;
    let member = [("InstanceProfileName", "mine"), ("RoleName", "prepared")];
    account
        .assert_allowed(&[
            add_to_profile("a prepared role into our profile", "prepared", "mine"),
            call(
                "a prepared role out of our profile",
                "RemoveRoleFromInstanceProfile",
                &member,
            ),
            add_to_profile("our role into our profile", &ours, "mine"),
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
        call(what, "SimulatePrincipalPolicy", &parameters)
    };
    let theirs = simulate("foreign permissions simulated", "theirs");
    account.assert_denied(&[theirs]).await;
    let own = simulate("own permissions simulated", "engine-roles-service");
    account.assert_allowed(&[own]).await;
}
