//! Each method of privilege escalation: a document that has it and documents that just miss it.

use std::collections::BTreeSet;

use engine_roles_policy::lint::{Finding, Severity, escalation_methods, lint};
use engine_roles_policy::{Document, Kind, evaluate};
use serde_json::{Value, json};

/// Each method with the actions that it needs, written down from the publications and not from the
/// table of the crate. `a|b` needs one of the two.
const METHODS: &str = "
CreateNewPolicyVersion: iam:CreatePolicyVersion
SetExistingDefaultPolicyVersion: iam:SetDefaultPolicyVersion
CreateAccessKey: iam:CreateAccessKey
iam-003: iam:CreateAccessKey iam:DeleteAccessKey
CreateLoginProfile: iam:CreateLoginProfile
UpdateLoginProfile: iam:UpdateLoginProfile
AttachUserPolicy: iam:AttachUserPolicy
AttachGroupPolicy: iam:AttachGroupPolicy
AttachRolePolicy: iam:AttachRolePolicy
PutUserPolicy: iam:PutUserPolicy
PutGroupPolicy: iam:PutGroupPolicy
PutRolePolicy: iam:PutRolePolicy
AddUserToGroup: iam:AddUserToGroup
iam-012: iam:UpdateAssumeRolePolicy
UpdateRolePolicyToAssumeIt: iam:UpdateAssumeRolePolicy sts:AssumeRole
iam-014: iam:AttachRolePolicy sts:AssumeRole
iam-015: iam:AttachUserPolicy iam:CreateAccessKey
iam-016: iam:CreatePolicyVersion sts:AssumeRole
iam-017: iam:PutRolePolicy sts:AssumeRole
iam-018: iam:PutUserPolicy iam:CreateAccessKey
iam-019: iam:AttachRolePolicy iam:UpdateAssumeRolePolicy
iam-020: iam:CreatePolicyVersion iam:UpdateAssumeRolePolicy
iam-021: iam:PutRolePolicy iam:UpdateAssumeRolePolicy
sts-001: sts:AssumeRole
change-role-permissions-boundary: iam:DeleteRolePermissionsBoundary|iam:PutRolePermissionsBoundary
change-user-permissions-boundary: iam:DeleteUserPermissionsBoundary|iam:PutUserPermissionsBoundary
swap-role-of-instance-profile: iam:PassRole iam:AddRoleToInstanceProfile iam:RemoveRoleFromInstanceProfile
put-key-policy: kms:PutKeyPolicy
put-bucket-policy: s3:PutBucketPolicy
put-secret-policy: secretsmanager:PutResourcePolicy
CreateEC2WithExistingIP: iam:PassRole ec2:RunInstances
ec2-002: ec2:ModifyInstanceAttribute ec2:StopInstances ec2:StartInstances
ec2-003: iam:PassRole ec2:RequestSpotInstances
ec2-004: ec2:CreateLaunchTemplateVersion ec2:ModifyLaunchTemplate
request-spot-fleet: iam:PassRole ec2:RequestSpotFleet
replace-instance-profile: iam:PassRole ec2:ReplaceIamInstanceProfileAssociation|ec2:AssociateIamInstanceProfile
ec2instanceconnect-003: ec2-instance-connect:SendSSHPublicKey
ssm-001: ssm:StartSession
ssm-002: ssm:SendCommand
ecs-001: iam:PassRole ecs:CreateCluster ecs:RegisterTaskDefinition ecs:CreateService
ecs-002: iam:PassRole ecs:CreateCluster ecs:RegisterTaskDefinition ecs:RunTask
ecs-003: iam:PassRole ecs:RegisterTaskDefinition ecs:CreateService
ecs-004: iam:PassRole ecs:RegisterTaskDefinition ecs:RunTask
ecs-005: iam:PassRole ecs:RegisterTaskDefinition ecs:StartTask
PassExistingRoleToNewLambdaThenInvoke: iam:PassRole lambda:CreateFunction lambda:InvokeFunction
PassExistingRoleToNewLambdaThenTriggerWithExistingDynamo: iam:PassRole lambda:CreateFunction lambda:CreateEventSourceMapping
PassExistingRoleToNewLambdaThenTriggerWithNewDynamo: iam:PassRole lambda:CreateFunction lambda:CreateEventSourceMapping dynamodb:CreateTable dynamodb:PutItem
PassExistingRoleToNewLambdaThenInvokeCrossAccount: iam:PassRole lambda:CreateFunction lambda:AddPermission
EditExistingLambdaFunctionWithRole: lambda:UpdateFunctionCode
lambda-004: lambda:UpdateFunctionCode lambda:InvokeFunction
lambda-005: lambda:UpdateFunctionCode lambda:AddPermission
add-lambda-layer: lambda:UpdateFunctionConfiguration
apprunner-001: iam:PassRole apprunner:CreateService
apprunner-002: apprunner:UpdateService
PassExistingRoleToNewCloudFormation: iam:PassRole cloudformation:CreateStack
cloudformation-002: cloudformation:UpdateStack
cloudformation-003: iam:PassRole cloudformation:CreateStackSet cloudformation:CreateStackInstances
cloudformation-004: iam:PassRole cloudformation:UpdateStackSet
cloudformation-005: cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet
codebuild-001: iam:PassRole codebuild:CreateProject codebuild:StartBuild
codebuild-002: codebuild:StartBuild
codebuild-003: codebuild:StartBuildBatch
codebuild-004: iam:PassRole codebuild:CreateProject codebuild:StartBuildBatch
PassExistingRoleToNewCodeStarProject: iam:PassRole codestar:CreateProject
CodeStarCreateProjectFromTemplate: codestar:CreateProjectFromTemplate
CodeStarCreateProjectThenAssociateTeamMember: codestar:CreateProject codestar:AssociateTeamMember
PassExistingRoleToNewDataPipeline: iam:PassRole datapipeline:CreatePipeline datapipeline:PutPipelineDefinition
datapipeline-001: iam:PassRole datapipeline:CreatePipeline datapipeline:PutPipelineDefinition datapipeline:ActivatePipeline
change-data-pipeline: datapipeline:PutPipelineDefinition datapipeline:ActivatePipeline
PassExistingRoleToNewGlueDevEndpoint: iam:PassRole glue:CreateDevEndpoint
UpdateExistingGlueDevEndpoint: glue:UpdateDevEndpoint
glue-003: iam:PassRole glue:CreateJob glue:StartJobRun
glue-004: iam:PassRole glue:CreateJob glue:CreateTrigger
glue-005: iam:PassRole glue:UpdateJob glue:StartJobRun
glue-006: iam:PassRole glue:UpdateJob glue:CreateTrigger
sagemaker-001: iam:PassRole sagemaker:CreateNotebookInstance
sagemaker-002: iam:PassRole sagemaker:CreateTrainingJob
sagemaker-003: iam:PassRole sagemaker:CreateProcessingJob
sagemaker-004: sagemaker:CreatePresignedNotebookInstanceUrl
sagemaker-005: sagemaker:UpdateNotebookInstance sagemaker:CreateNotebookInstanceLifecycleConfig sagemaker:StopNotebookInstance sagemaker:StartNotebookInstance
bedrock-001: iam:PassRole bedrock-agentcore:CreateCodeInterpreter bedrock-agentcore:StartCodeInterpreterSession bedrock-agentcore:InvokeCodeInterpreter
bedrock-002: bedrock-agentcore:StartCodeInterpreterSession bedrock-agentcore:InvokeCodeInterpreter
";

/// Methods that a named resource does not limit: they create what they need.
const WITHOUT_TARGET: [&str; 2] = [
    "CodeStarCreateProjectFromTemplate",
    "CodeStarCreateProjectThenAssociateTeamMember",
];

/// The methods, each with every choice of actions that carries it out.
fn methods() -> Vec<(&'static str, Vec<Vec<&'static str>>)> {
    let lines = METHODS.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (id, actions) = line.split_once(": ").unwrap();
            let mut choices: Vec<Vec<&str>> = vec![Vec::new()];
            for needed in actions.split(' ') {
                choices = needed
                    .split('|')
                    .flat_map(|one| choices.iter().map(move |all| [&all[..], &[one]].concat()))
                    .collect();
            }
            (id, choices)
        })
        .collect()
}

fn document(statements: &Value) -> Document {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Document::from_value(Kind::Identity, &document).unwrap()
}

/// Returns the finding about a method, after checking its counterexample.
fn finding(statements: &Value, id: &str) -> Option<Finding> {
    let document = document(statements);
    let found = lint(&document).into_iter().find(|found| found.rule == id)?;
    assert!(!found.counterexample.is_empty(), "{statements}");
    for example in &found.counterexample {
        let decision = evaluate(&example.to_request(), &[&document], None);
        assert!(decision.is_allowed(), "{example} under {statements}");
    }
    Some(found)
}

fn severity(statements: &Value, id: &str) -> Option<Severity> {
    finding(statements, id).map(|found| found.severity)
}

fn allow(actions: &[&str], resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

#[test]
fn the_tests_know_every_method_of_the_table_and_no_other() {
    let tested: BTreeSet<&str> = methods().into_iter().map(|(id, _)| id).collect();
    let listed: BTreeSet<&str> = escalation_methods().map(|method| method.id).collect();
    assert_eq!(tested, listed);
    assert_eq!(listed.len(), escalation_methods().count());
    for method in escalation_methods() {
        assert!(method.source.starts_with("https://"), "{}", method.id);
    }
}

#[test]
fn a_document_with_exactly_the_actions_of_a_method_has_it() {
    for (id, choices) in methods() {
        for actions in choices {
            let found = finding(&json!([allow(&actions, "*")]), id);
            let found = found.unwrap_or_else(|| panic!("{id} with {actions:?}"));
            assert_eq!(found.severity, Severity::Error, "{id}");
            let shown: Vec<&str> = found
                .counterexample
                .iter()
                .map(|example| example.action.as_str())
                .collect();
            let (mut shown, mut needed) = (shown, actions.clone());
            shown.sort_unstable();
            needed.sort_unstable();
            assert_eq!(shown, needed, "{id}");
        }
    }
}

#[test]
fn a_document_without_one_of_the_actions_misses_the_method() {
    for (id, choices) in methods() {
        for actions in choices {
            for missing in 0..actions.len() {
                let mut others = actions.clone();
                others.remove(missing);
                others.push("s3:ListAllMyBuckets");
                let statements = json!([allow(&others, "*")]);
                assert_eq!(severity(&statements, id), None, "{id}: {statements}");
            }
        }
    }
}

#[test]
fn an_unconditional_deny_of_one_of_the_actions_silences_the_finding() {
    for (id, choices) in methods() {
        for actions in choices {
            for action in &actions {
                let service = action.split(':').next().unwrap();
                for denied in [
                    json!({"Effect": "Deny", "Action": action, "Resource": "*"}),
                    json!({"Effect": "Deny", "Action": format!("{service}:*"), "Resource": "*"}),
                    json!({"Effect": "Deny", "NotAction": "s3:ListAllMyBuckets", "Resource": "*"}),
                    json!({"Effect": "Deny", "Action": action, "NotResource": "arn:aws:s3:::one"}),
                ] {
                    let statements = json!([allow(&actions, "*"), denied]);
                    assert_eq!(severity(&statements, id), None, "{id}: {statements}");
                }
            }
            // A Deny under a condition only limits the method.
            let denied = json!({"Effect": "Deny", "Action": "*", "Resource": "*",
                "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}});
            let statements = json!([allow(&actions, "*"), denied]);
            assert_eq!(
                severity(&statements, id),
                Some(Severity::Warning),
                "{id}: {statements}"
            );
        }
    }
}

#[test]
fn splits_wildcards_and_negations_are_seen_through() {
    for (id, choices) in methods() {
        for actions in choices {
            let split: Vec<Value> = actions.iter().map(|action| allow(&[action], "*")).collect();
            // An incomplete ARN is everything of the service.
            let by_service: Vec<Value> = actions
                .iter()
                .map(|action| {
                    let service = match action.split(':').next().unwrap() {
                        // Its actions are on instances.
                        "ssm" | "ec2-instance-connect" => "ec2",
                        service => service,
                    };
                    allow(&[action], &format!("arn:aws:{service}"))
                })
                .map(|statement| match statement["Action"][0].as_str() {
                    Some("sts:AssumeRole") => allow(&["sts:AssumeRole"], "arn:aws:iam"),
                    _ => statement,
                })
                .collect();
            let spelled: Vec<String> = actions
                .iter()
                .map(|action| {
                    let (service, name) = action.split_once(':').unwrap();
                    format!("{}:?{}*", service.to_uppercase(), &name[1..name.len() - 1])
                })
                .collect();
            for statements in [
                json!(split),
                json!([{"Effect": "Allow", "Action": spelled, "Resource": "*"}]),
                json!([{"Effect": "Allow", "NotAction": "s3:ListAllMyBuckets", "Resource": "*"}]),
                json!([{"Effect": "Allow", "Action": actions, "NotResource": "arn:aws:s3:::one"}]),
                json!(by_service),
            ] {
                assert_eq!(
                    severity(&statements, id),
                    Some(Severity::Error),
                    "{id}: {statements}"
                );
            }
        }
    }
}

#[test]
fn conditions_turn_an_error_into_a_warning_and_hold_for_the_counterexample() {
    for condition in [
        json!({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}),
        json!({"StringNotLike": {"aws:PrincipalTag/team": ["a*", "b*"]}}),
        json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}),
        json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "DateLessThan": {"aws:CurrentTime": "2030-01-01"}}),
        json!({"Null": {"aws:TokenIssueTime": "true"}}),
        json!({"ForAllValues:StringEquals": {"aws:TagKeys": "team"}, "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}),
        json!({"StringEquals": {"aws:ResourceTag/owner": "${aws:PrincipalTag/owner}"}}),
    ] {
        for (id, choices) in methods() {
            for actions in choices {
                let mut statement = allow(&actions, "*");
                statement["Condition"] = condition.clone();
                let found = severity(&json!([statement]), id);
                assert_eq!(found, Some(Severity::Warning), "{id}: {statement}");
            }
        }
    }
}

#[test]
fn a_method_on_one_named_resource_is_reported_only_if_it_passes_a_role() {
    for (id, choices) in methods() {
        if WITHOUT_TARGET.contains(&id) {
            continue;
        }
        for actions in choices {
            let passes = actions.contains(&"iam:PassRole");
            let statements: Vec<Value> = actions
                .iter()
                .map(|action| {
                    let service = action.split(':').next().unwrap();
                    let resource = match *action {
                        "iam:PassRole" => "arn:aws:iam::111122223333:role/admin".to_owned(),
                        _ if passes => "*".to_owned(),
                        _ => format!("arn:aws:{service}:us-east-1:111122223333:thing/one"),
                    };
                    allow(&[action], &resource)
                })
                .collect();
            let found = finding(&json!(statements), id);
            if passes {
                let found = found.unwrap_or_else(|| panic!("{id}"));
                assert_eq!(found.severity, Severity::Warning, "{id}");
                let role = "arn:aws:iam::111122223333:role/admin";
                assert!(found.reason.contains(role), "{}", found.reason);
                assert_eq!(found.counterexample[0].resource, role);
            } else {
                assert_eq!(found, None, "{id}");
            }
        }
    }
}

#[test]
fn a_role_that_may_be_passed_to_another_service_is_not_reported() {
    let passes = |service: &str| {
        json!([
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
             "Condition": {"StringEquals": {"iam:PassedToService": service}}},
            {"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*"},
        ])
    };
    let id = "CreateEC2WithExistingIP";
    assert_eq!(
        severity(&passes("ec2.amazonaws.com"), id),
        Some(Severity::Error)
    );
    assert_eq!(
        severity(&passes("ec2.amazonaws.com.cn"), id),
        Some(Severity::Error)
    );
    assert_eq!(severity(&passes("lambda.amazonaws.com"), id), None);
}

#[test]
fn credentials_of_the_caller_are_no_escalation_but_policies_of_the_caller_are() {
    let own = "arn:aws:iam::111122223333:user/${aws:username}";
    let keys = json!([allow(&["iam:CreateAccessKey", "iam:DeleteAccessKey"], own)]);
    assert_eq!(severity(&keys, "CreateAccessKey"), None);
    assert_eq!(severity(&keys, "iam-003"), None);
    let policies = json!([allow(&["iam:PutUserPolicy"], own)]);
    assert_eq!(
        severity(&policies, "PutUserPolicy"),
        Some(Severity::Warning)
    );
}

#[test]
fn a_deny_on_some_roles_does_not_silence_the_finding_about_the_others() {
    let statements = json!([
        allow(&["iam:PutRolePolicy"], "*"),
        {"Effect": "Deny", "Action": "iam:*", "Resource": "arn:aws:iam::*:role/admin*"},
    ]);
    assert_eq!(
        severity(&statements, "PutRolePolicy"),
        Some(Severity::Error)
    );
    let statements = json!([
        allow(&["iam:PutRolePolicy"], "*"),
        {"Effect": "Deny", "Action": "iam:*", "NotResource": "arn:aws:iam::*:role/team/*"},
    ]);
    assert_eq!(severity(&statements, "PutRolePolicy"), None);
}
