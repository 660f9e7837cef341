//! What IAM does, as one suite of cases. It runs against the sandbox always, and against moto's
//! server where `ENGINE_ROLES_MOTO_SERVER` names one. Where moto lets pass what IAM refuses, the
//! case says so: `moto` beside the expectation, with the reason.

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
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use engine_roles_iam_sandbox::SandboxConfig;

use crate::wire::{Answer, Caller, EC2_TRUST, READ_SECRETS, eventually, sandbox};

/// One run of a case against one target.
#[derive(Clone)]
pub(crate) struct Iam {
    caller: Caller,
    is_moto: bool,
}

/// Where moto answers otherwise than IAM does, and why it is known to.
pub(crate) struct Moto {
    status: u16,
    code: &'static str,
    reason: &'static str,
}

/// moto takes what IAM refuses.
pub(crate) fn lenient(reason: &'static str) -> Moto {
    otherwise(200, "", reason)
}

/// moto refuses with another error than IAM.
pub(crate) fn otherwise(status: u16, code: &'static str, reason: &'static str) -> Moto {
    Moto {
        status,
        code,
        reason,
    }
}

impl Iam {
    /// Calls; the answer is a success.
    pub(crate) async fn ok(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        let answer = self.caller.call(action, params).await;
        assert_eq!(answer.status, 200, "{action} {params:?}: {}", answer.body);
        answer
    }

    /// Calls; the answer is this error.
    pub(crate) async fn refused(
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

    /// Calls; the answer is this error, but on moto another.
    pub(crate) async fn refused_but(
        &self,
        action: &str,
        params: &[(&str, &str)],
        (status, code): (u16, &str),
        moto: Moto,
    ) {
        if !self.is_moto {
            self.refused(action, params, status, code).await;
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
            "moto is not as it was known to be ({reason}): {action} {params:?}: {}",
            answer.body
        );
    }

    /// Whether the rest of a case makes no sense on moto.
    pub(crate) fn ends_for_moto(&self, _reason: &str) -> bool {
        self.is_moto
    }

    /// The ARN of `ReadOnlyAccess`: AWS's own, but for moto one made for the case, since loading
    /// AWS's takes it a second at each reset.
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

/// The cases: each a function here, a test against the sandbox, and an entry in [`all_cases`].
macro_rules! cases {
    ($($module:ident { $($name:ident)+ })+) => {
        mod sandbox_keeps {
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

        /// Runs every case in turn, `before` each; the names of those that failed.
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
        errors_have_awss_shape
        unknown_actions_and_versions_are_refused
        missing_parameters_are_refused
        what_is_absent_is_no_such_entity
    }
    roles {
        a_role_is_answered_as_it_was_asked_for
        a_role_made_again_has_another_id
        roles_are_listed_in_pages_by_path
        listed_roles_have_neither_tags_nor_boundary
        session_durations_have_limits
        descriptions_have_limits
        a_role_is_deleted_only_when_nothing_hangs_on_it
    }
    account {
        the_account_tells_of_all_its_roles_at_once
        the_account_counts_what_it_holds
        the_caller_has_an_identity
        a_role_is_assumed_by_whom_it_trusts
    }
    names {
        role_names_have_iams_characters_and_length
        profile_names_have_iams_characters_and_length
        policy_names_have_iams_characters_and_length
        role_names_differ_by_more_than_case
        profile_names_differ_by_more_than_case
        paths_begin_and_end_with_a_slash
    }
    tags {
        tag_keys_and_values_have_limits
        tag_keys_have_iams_characters
        reserved_tag_keys_are_refused
        tag_keys_differ_by_more_than_case
        a_resource_has_at_most_fifty_tags
        tagging_replaces_and_untagging_removes
        instance_profiles_are_tagged_as_roles_are
        tags_are_listed_in_pages
    }
    documents {
        trust_policies_have_principals
        trust_principals_exist
        trust_policies_allow_only_to_assume
        a_trust_policy_has_at_most_2048_characters
        a_trust_policy_can_be_replaced
        policies_are_of_the_policy_language
        inline_policies_come_back_percent_encoded
        inline_policies_have_10240_characters_together
        inline_policies_are_listed_and_deleted
    }
    managed {
        a_managed_policy_is_made_and_read
        a_managed_policy_has_at_most_6144_characters
        managed_policies_are_attached_and_detached
        a_role_has_at_most_ten_managed_policies
        a_boundary_exists
        a_boundary_is_put_and_deleted
    }
    profiles {
        a_profile_lives_from_create_to_delete
        a_profile_holds_one_role
        a_profile_with_a_role_is_not_deleted
        profiles_are_listed_in_pages
        the_profiles_of_a_role_are_listed
    }
    simulation {
        what_a_roles_policies_say_is_simulated
        a_simulated_deny_beats_every_allow
        a_simulation_stays_within_the_boundary
        an_action_on_many_resources_has_one_result_and_the_worst_decides
        conditions_are_simulated_with_the_keys_that_are_given
        simulations_come_in_pages_of_actions
        simulations_that_make_no_sense_are_refused
        only_roles_that_are_there_are_simulated
    }
}

/// A case on a fresh sandbox.
async fn on_sandbox(case: impl AsyncFn(&Iam)) {
    let (_sandbox, caller) = sandbox(SandboxConfig::default()).await;
    let is_moto = false;
    case(&Iam { caller, is_moto }).await;
}

/// moto's server, ended with the test.
struct MotoServer(Child);

impl Drop for MotoServer {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        ended.expect("moto's server ends");
    }
}

#[tokio::test]
async fn moto_keeps_the_contract_but_where_a_case_says_otherwise() {
    let Ok(program) = std::env::var("ENGINE_ROLES_MOTO_SERVER") else {
        // Not by a macro, whose output the test harness keeps to itself.
        let words = "\nNOT RUN: the contract suite against moto, since ENGINE_ROLES_MOTO_SERVER \
                     names no moto_server\n";
        let written = std::io::stderr().write_all(words.as_bytes());
        return written.expect("stderr takes it");
    };
    // Free now; moto can't tell us which one it took.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = port.expect("a free port").port();
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
