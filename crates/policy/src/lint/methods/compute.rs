//! Methods that run code under a role of EC2, ECS, Lambda, App Runner or Systems Manager.

use super::types::{
    APP, ECS_CLUSTER, ECS_SERVICE, ECS_TASK, EVENT_SOURCE, FUNCTION, INSTANCE, SPOT_FLEET,
    SPOT_REQUEST, TABLE, TEMPLATE,
};
use super::{Method, Need, every, need, own, pass, pathfinding, rhino, some};

const EC2: Need = pass!("ec2.amazonaws.com");
const TASKS: Need = pass!("ecs-tasks.amazonaws.com");
const LAMBDA: Need = pass!("lambda.amazonaws.com");
const CREATE_FUNCTION: Need = some!(&["lambda:CreateFunction"], FUNCTION);
const UPDATE_CODE: Need = every!(&["lambda:UpdateFunctionCode"], FUNCTION);
const INVOKE: Need = some!(&["lambda:InvokeFunction"], FUNCTION);
const ADD_PERMISSION: Need = some!(&["lambda:AddPermission"], FUNCTION);
const EVENT_MAPPING: Need = some!(&["lambda:CreateEventSourceMapping"], EVENT_SOURCE);
const CREATE_CLUSTER: Need = some!(&["ecs:CreateCluster"], ECS_CLUSTER);
const REGISTER: Need = some!(&["ecs:RegisterTaskDefinition"], ECS_TASK);
const CREATE_SERVICE: Need = some!(&["ecs:CreateService"], ECS_SERVICE);
const RUN_TASK: Need = some!(&["ecs:RunTask"], ECS_TASK);

#[rustfmt::skip]
pub(super) const METHODS: &[Method] = &[
    rhino!("CreateEC2WithExistingIP", &["ec2-001"], &[EC2, some!(&["ec2:RunInstances"], INSTANCE)]),
    pathfinding!("ec2-002", &[every!(&["ec2:ModifyInstanceAttribute"], INSTANCE), some!(&["ec2:StopInstances"], INSTANCE), some!(&["ec2:StartInstances"], INSTANCE)]),
    pathfinding!("ec2-003", &[EC2, some!(&["ec2:RequestSpotInstances"], SPOT_REQUEST)]),
    pathfinding!("ec2-004", &[every!(&["ec2:CreateLaunchTemplateVersion"], TEMPLATE), some!(&["ec2:ModifyLaunchTemplate"], TEMPLATE)]),
    own!("request-spot-fleet", "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-fleet-prerequisites.html",
        &[EC2, some!(&["ec2:RequestSpotFleet"], SPOT_FLEET)]),
    own!("replace-instance-profile", "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/replace-iam-role.html",
        &[EC2, some!(&["ec2:ReplaceIamInstanceProfileAssociation", "ec2:AssociateIamInstanceProfile"], INSTANCE)]),
    pathfinding!("ec2instanceconnect-003", &[every!(&["ec2-instance-connect:SendSSHPublicKey"], INSTANCE)]),
    pathfinding!("ssm-001", &[every!(&["ssm:StartSession"], INSTANCE)]),
    pathfinding!("ssm-002", &[every!(&["ssm:SendCommand"], INSTANCE)]),
    pathfinding!("ecs-001", &[TASKS, CREATE_CLUSTER, REGISTER, CREATE_SERVICE]),
    pathfinding!("ecs-002", &[TASKS, CREATE_CLUSTER, REGISTER, RUN_TASK]),
    pathfinding!("ecs-003", &[TASKS, REGISTER, CREATE_SERVICE]),
    pathfinding!("ecs-004", &[TASKS, REGISTER, RUN_TASK]),
    pathfinding!("ecs-005", &[TASKS, REGISTER, some!(&["ecs:StartTask"], ECS_TASK)]),
    rhino!("PassExistingRoleToNewLambdaThenInvoke", &["lambda-001"], &[LAMBDA, CREATE_FUNCTION, INVOKE]),
    rhino!("PassExistingRoleToNewLambdaThenTriggerWithExistingDynamo", &["lambda-002"], &[LAMBDA, CREATE_FUNCTION, EVENT_MAPPING]),
    rhino!("PassExistingRoleToNewLambdaThenTriggerWithNewDynamo", &[],
        &[LAMBDA, CREATE_FUNCTION, EVENT_MAPPING, some!(&["dynamodb:CreateTable"], TABLE), some!(&["dynamodb:PutItem"], TABLE)]),
    rhino!("PassExistingRoleToNewLambdaThenInvokeCrossAccount", &["lambda-006"], &[LAMBDA, CREATE_FUNCTION, ADD_PERMISSION]),
    rhino!("EditExistingLambdaFunctionWithRole", &["lambda-003"], &[UPDATE_CODE]),
    pathfinding!("lambda-004", &[UPDATE_CODE, INVOKE]),
    pathfinding!("lambda-005", &[UPDATE_CODE, ADD_PERMISSION]),
    own!("add-lambda-layer", "https://docs.aws.amazon.com/lambda/latest/dg/adding-layers.html",
        &[every!(&["lambda:UpdateFunctionConfiguration"], FUNCTION)]),
    pathfinding!("apprunner-001", &[pass!("tasks.apprunner.amazonaws.com"), some!(&["apprunner:CreateService"], APP)]),
    pathfinding!("apprunner-002", &[every!(&["apprunner:UpdateService"], APP)]),
];
