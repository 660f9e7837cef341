//! A contract suite: cases of IAM's behaviour that run against the sandbox, and also against moto's
//! server if `ENGINE_ROLES_MOTO_SERVER` names one. Where moto is known to differ from IAM, the case
//! has a `Moto` next to the expected error, with the reason.

mod account;
mod documents;
mod managed;
mod names;
mod profiles;
mod protocol;
mod roles;
mod simulation;
mod tags;

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use engine_roles_iam_sandbox::SandboxConfig;

use crate::wire::{Answer, Caller, EC2_TRUST, READ_SECRETS, eventually, sandbox};

/// One run of a case against one target.
#[derive(Clone)]
pub(crate) struct Iam {
    caller: Caller,
    is_moto: bool,
}

/// The answer of moto where it differs from IAM's, and the reason for the difference.
pub(crate) struct Moto {
    status: u16,
    code: &'static str,
    reason: &'static str,
}

/// moto accepts what IAM rejects.
pub(crate) fn lenient(reason: &'static str) -> Moto {
    otherwise(200, "", reason)
}

/// moto returns a different error than IAM.
pub(crate) fn otherwise(status: u16, code: &'static str, reason: &'static str) -> Moto {
    Moto {
        status,
        code,
        reason,
    }
}

impl Iam {
    /// Makes a call and checks that it succeeds.
    pub(crate) async fn ok(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        let answer = self.caller.call(action, params).await;
        assert_eq!(answer.status, 200, "{action} {params:?}: {}", answer.body);
        answer
    }

    /// Makes a call and checks that it fails with this error.
    pub(crate) async fn rejected(
        &self,
        action: &str,
        params: &[(&str, &str)],
        status: u16,
        code: &str,
    ) -> Answer {
        let answer = self.caller.call(action, params).await;
        let got = (answer.status, answer.code());
        assert_eq!(
            got,
            (status, code.to_owned()),
            "{action} {params:?}: {}",
            answer.body
        );
        answer
    }

    /// Makes a call and checks that it fails with this error, or on moto with the other answer.
    pub(crate) async fn rejected_but(
        &self,
        action: &str,
        params: &[(&str, &str)],
        (status, code): (u16, &str),
        moto: Moto,
    ) {
        if !self.is_moto {
            self.rejected(action, params, status, code).await;
            return;
        }
        let answer = self.caller.call(action, params).await;
        let Moto {
            status,
            code,
            reason,
        } = moto;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code.to_owned()),
            "moto no longer differs from IAM as recorded ({reason}): {action} {params:?}: {}",
            answer.body
        );
    }

    /// Whether to skip the rest of a case because the target is moto.
    pub(crate) fn ends_for_moto(&self, _reason: &str) -> bool {
        self.is_moto
    }

    /// Returns the ARN of `ReadOnlyAccess`. On moto the policy is created for the case, because
    /// loading the AWS managed policies takes moto a second at each reset.
    pub(crate) async fn read_only(&self) -> &'static str {
        if !self.is_moto {
            return "arn:aws:iam::aws:policy/ReadOnlyAccess";
        }
        let name = ("PolicyName", "ReadOnlyAccess");
        self.ok("CreatePolicy", &[name, ("PolicyDocument", READ_SECRETS)])
            .await;
        "arn:aws:iam::123456789012:policy/ReadOnlyAccess"
    }

    pub(crate) async fn role(&self, name: &str) -> Answer {
        let params = [("RoleName", name), ("AssumeRolePolicyDocument", EC2_TRUST)];
        self.ok("CreateRole", &params).await
    }

    pub(crate) async fn profile(&self, name: &str) -> Answer {
        self.ok("CreateInstanceProfile", &[("InstanceProfileName", name)])
            .await
    }
}

/// Declares the cases: each is a function here, a test against the sandbox, and an entry in
/// [`all_cases`].
macro_rules! cases {
    ($($module:ident { $($name:ident)+ })+) => {
        mod sandbox_contract {
            $(mod $module {
                $(
                    #[tokio::test]
                    async fn $name() {
                        crate::contract::on_sandbox(async |iam| {
                            crate::contract::$module::$name(iam).await;
                        })
                        .await;
                    }
                )+
            })+
        }

        /// Runs every case, with `before` before each one, and returns the names of those that
        /// failed.
        async fn failing_cases(iam: &Iam, before: impl AsyncFn()) -> Vec<&'static str> {
            let mut failing = Vec::new();
            $($(
                before().await;
                let iam_of_case = iam.clone();
                let case = tokio::spawn(async move { $module::$name(&iam_of_case).await });
                if case.await.is_err() {
                    failing.push(stringify!($name));
                }
            )+)+
            failing
        }
    };
}

cases! {
    protocol {
        answers_have_awss_namespaces_and_request_ids
        errors_have_the_shape_of_awss_errors
        unknown_actions_and_versions_are_rejected
        requests_with_missing_parameters_are_rejected
        calls_on_resources_that_do_not_exist_fail_with_no_such_entity
    }
    roles {
        a_created_role_has_the_properties_of_the_request
        a_role_that_is_created_again_has_another_id
        roles_are_listed_in_pages_by_path
        listed_roles_have_neither_tags_nor_boundary
        session_durations_have_limits
        descriptions_have_limits
        a_role_with_policies_or_a_profile_cannot_be_deleted
    }
    account {
        account_details_contain_all_roles_with_their_policies
        the_account_summary_counts_the_resources
        the_caller_has_an_identity
        a_role_can_be_assumed_only_by_a_principal_that_it_trusts
    }
    names {
        role_names_have_iams_limits_of_characters_and_length
        profile_names_have_iams_limits_of_characters_and_length
        policy_names_have_iams_limits_of_characters_and_length
        role_names_are_unique_ignoring_case
        profile_names_are_unique_ignoring_case
        paths_must_begin_and_end_with_a_slash
    }
    tags {
        tag_keys_and_values_have_limits
        tag_keys_may_only_have_iams_characters
        reserved_tag_keys_are_rejected
        tag_keys_are_unique_ignoring_case
        a_resource_has_at_most_fifty_tags
        tagging_replaces_and_untagging_removes
        instance_profiles_are_tagged_as_roles_are
        tags_are_listed_in_pages
    }
    documents {
        trust_policies_must_have_principals
        principals_in_trust_policies_must_exist
        trust_policies_may_only_have_sts_actions
        a_trust_policy_has_at_most_2048_characters
        a_trust_policy_can_be_replaced
        policies_with_invalid_grammar_are_rejected
        incomplete_arns_are_accepted
        inline_policies_are_returned_percent_encoded
        inline_policies_of_a_role_have_at_most_10240_characters_together
        inline_policies_are_listed_and_deleted
    }
    managed {
        a_managed_policy_can_be_created_and_read
        a_managed_policy_has_at_most_6144_characters
        managed_policies_are_attached_and_detached
        a_role_has_at_most_ten_managed_policies
        a_boundary_must_exist
        a_boundary_is_put_and_deleted
    }
    profiles {
        a_profile_can_be_created_read_and_deleted
        a_profile_has_at_most_one_role
        a_profile_with_a_role_cannot_be_deleted
        profiles_are_listed_in_pages
        the_profiles_of_a_role_are_listed
    }
    simulation {
        the_policies_of_a_role_are_simulated
        a_simulated_deny_overrides_every_allow
        a_simulation_stays_within_the_boundary
        an_action_on_several_resources_has_one_result_with_the_most_restrictive_decision
        conditions_are_simulated_with_the_given_keys
        simulation_results_are_paged_by_action
        invalid_simulation_requests_are_rejected
        only_roles_that_exist_can_be_simulated
    }
}

/// Runs a case on a new sandbox.
async fn on_sandbox(case: impl AsyncFn(&Iam)) {
    let (_sandbox, caller) = sandbox(SandboxConfig::default()).await;
    let is_moto = false;
    case(&Iam { caller, is_moto }).await;
}

/// moto's server; it is killed at the end of the test.
struct MotoServer(Child);

impl Drop for MotoServer {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        ended.expect("moto's server can be killed");
    }
}

#[tokio::test]
async fn moto_behaves_like_iam_except_where_a_case_records_a_difference() {
    let Ok(program) = std::env::var("ENGINE_ROLES_MOTO_SERVER") else {
        // Not with `eprintln!`, because the test harness captures its output.
        let words = "\nNOT RUN: the contract suite against moto, since ENGINE_ROLES_MOTO_SERVER \
                     names no moto_server\n";
        let written = std::io::stderr().write_all(words.as_bytes());
        return written.expect("stderr is writable");
    };
    // Chosen here because moto does not report the port that it listens on. Ports of this range are not given to
    // the other tests of this program, which ask for any port.
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let first = 10_000 + u16::try_from(std::process::id() % 9_000).expect("a small number");
    let port = (first..20_000).find(is_free).expect("a free port");
    let server = Command::new(&program)
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = MotoServer(server.unwrap_or_else(|error| panic!("{program}: {error}")));
    let caller = Caller::new(&format!("http://127.0.0.1:{port}"));
    eventually("the start of moto's server", async || {
        caller.try_call("ListRoles", &[]).await.is_ok()
    })
    .await;
    let reset = format!("{}/moto-api/reset", caller.endpoint);
    let iam = Iam {
        caller,
        is_moto: true,
    };
    let http = reqwest::Client::new();
    let failing = failing_cases(&iam, async || {
        let answer = http.post(&reset).send().await;
        assert_eq!(answer.expect("moto answers").status(), 200);
    })
    .await;
    assert_eq!(failing, [""; 0]);
}
