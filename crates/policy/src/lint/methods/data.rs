//! Methods that run code or templates under a role of a build, deployment or data service.

use super::types::{
    CODESTAR, DEV_ENDPOINT, GLUE_JOB, GLUE_TRIGGER, INTERPRETER, NOTEBOOK, NOTEBOOK_CONFIG,
    PIPELINE, PROCESSING, PROJECT, STACK, STACK_SET, TRAINING,
};
use super::{Method, Need, every, need, own, pass, pathfinding, rhino, some};

const CLOUDFORMATION: Need = pass!("cloudformation.amazonaws.com");
const GLUE: Need = pass!("glue.amazonaws.com");
const CREATE_JOB: Need = some!(&["glue:CreateJob"], GLUE_JOB);
const UPDATE_JOB: Need = some!(&["glue:UpdateJob"], GLUE_JOB);
const START_JOB: Need = some!(&["glue:StartJobRun"], GLUE_JOB);
const CREATE_TRIGGER: Need = some!(&["glue:CreateTrigger"], GLUE_TRIGGER);
const BUILD: Need = pass!("codebuild.amazonaws.com");
const CREATE_PROJECT: Need = some!(&["codebuild:CreateProject"], PROJECT);
const SAGEMAKER: Need = pass!("sagemaker.amazonaws.com");
const AGENTCORE: Need = pass!("bedrock-agentcore.amazonaws.com");
const INVOKE: Need = some!(&["bedrock-agentcore:InvokeCodeInterpreter"], INTERPRETER);
const PIPELINES: Need = pass!("datapipeline.amazonaws.com");
const CREATE_PIPELINE: Need = some!(&["datapipeline:CreatePipeline"], PIPELINE);
const PUT_DEFINITION: Need = some!(&["datapipeline:PutPipelineDefinition"], PIPELINE);
const ACTIVATE: Need = some!(&["datapipeline:ActivatePipeline"], PIPELINE);

#[rustfmt::skip]
pub(super) const METHODS: &[Method] = &[
    rhino!("PassExistingRoleToNewCloudFormation", &["PassExistingRoleToCloudFormation", "cloudformation-001"],
        &[CLOUDFORMATION, some!(&["cloudformation:CreateStack"], STACK)]),
    pathfinding!("cloudformation-002", &[every!(&["cloudformation:UpdateStack"], STACK)]),
    pathfinding!("cloudformation-003", &[CLOUDFORMATION, some!(&["cloudformation:CreateStackSet"], STACK_SET), some!(&["cloudformation:CreateStackInstances"], STACK_SET)]),
    pathfinding!("cloudformation-004", &[CLOUDFORMATION, some!(&["cloudformation:UpdateStackSet"], STACK_SET)]),
    pathfinding!("cloudformation-005", &[every!(&["cloudformation:CreateChangeSet"], STACK), some!(&["cloudformation:ExecuteChangeSet"], STACK)]),
    pathfinding!("codebuild-001", &[BUILD, CREATE_PROJECT, some!(&["codebuild:StartBuild"], PROJECT)]),
    pathfinding!("codebuild-002", &[every!(&["codebuild:StartBuild"], PROJECT)]),
    pathfinding!("codebuild-003", &[every!(&["codebuild:StartBuildBatch"], PROJECT)]),
    pathfinding!("codebuild-004", &[BUILD, CREATE_PROJECT, some!(&["codebuild:StartBuildBatch"], PROJECT)]),
    rhino!("PassExistingRoleToNewCodeStarProject", &[], &[pass!("codestar.amazonaws.com"), some!(&["codestar:CreateProject"], CODESTAR)]),
    rhino!("CodeStarCreateProjectFromTemplate", &[], &[some!(&["codestar:CreateProjectFromTemplate"], CODESTAR)]),
    rhino!("CodeStarCreateProjectThenAssociateTeamMember", &[], &[some!(&["codestar:CreateProject"], CODESTAR), some!(&["codestar:AssociateTeamMember"], CODESTAR)]),
    rhino!("PassExistingRoleToNewDataPipeline", &[], &[PIPELINES, CREATE_PIPELINE, PUT_DEFINITION]),
    pathfinding!("datapipeline-001", &[PIPELINES, CREATE_PIPELINE, PUT_DEFINITION, ACTIVATE]),
    own!("change-data-pipeline", "https://docs.aws.amazon.com/datapipeline/latest/APIReference/API_PutPipelineDefinition.html",
        &[every!(&["datapipeline:PutPipelineDefinition"], PIPELINE), ACTIVATE]),
    rhino!("PassExistingRoleToNewGlueDevEndpoint", &["glue-001"], &[GLUE, some!(&["glue:CreateDevEndpoint"], DEV_ENDPOINT)]),
    rhino!("UpdateExistingGlueDevEndpoint", &["glue-002"], &[every!(&["glue:UpdateDevEndpoint"], DEV_ENDPOINT)]),
    pathfinding!("glue-003", &[GLUE, CREATE_JOB, START_JOB]),
    pathfinding!("glue-004", &[GLUE, CREATE_JOB, CREATE_TRIGGER]),
    pathfinding!("glue-005", &[GLUE, UPDATE_JOB, START_JOB]),
    pathfinding!("glue-006", &[GLUE, UPDATE_JOB, CREATE_TRIGGER]),
    pathfinding!("sagemaker-001", &[SAGEMAKER, some!(&["sagemaker:CreateNotebookInstance"], NOTEBOOK)]),
    pathfinding!("sagemaker-002", &[SAGEMAKER, some!(&["sagemaker:CreateTrainingJob"], TRAINING)]),
    pathfinding!("sagemaker-003", &[SAGEMAKER, some!(&["sagemaker:CreateProcessingJob"], PROCESSING)]),
    pathfinding!("sagemaker-004", &[every!(&["sagemaker:CreatePresignedNotebookInstanceUrl"], NOTEBOOK)]),
    pathfinding!("sagemaker-005", &[every!(&["sagemaker:UpdateNotebookInstance"], NOTEBOOK), some!(&["sagemaker:CreateNotebookInstanceLifecycleConfig"], NOTEBOOK_CONFIG),
        some!(&["sagemaker:StopNotebookInstance"], NOTEBOOK), some!(&["sagemaker:StartNotebookInstance"], NOTEBOOK)]),
    pathfinding!("bedrock-001", &[AGENTCORE, some!(&["bedrock-agentcore:CreateCodeInterpreter"], INTERPRETER), some!(&["bedrock-agentcore:StartCodeInterpreterSession"], INTERPRETER), INVOKE]),
    pathfinding!("bedrock-002", &[every!(&["bedrock-agentcore:StartCodeInterpreterSession"], INTERPRETER), INVOKE]),
];
