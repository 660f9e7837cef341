//! The resource types on which the methods work, each with an ARN of the type.

/// On what an action has to be allowed.
#[derive(Clone, Copy, Debug)]
pub(in crate::lint) enum On {
    Every(&'static Target),
    EveryOther(&'static Target),
    Some(&'static Target),
    /// A role that is passed to this service.
    Passed(&'static str),
}

/// A resource type.
#[derive(Clone, Copy, Debug)]
pub(in crate::lint) struct Target {
    pub(in crate::lint) word: &'static str,
    /// An ARN of the type, with a name that no policy names by chance.
    pub(in crate::lint) arn: &'static str,
}

macro_rules! targets {
    ($($name:ident: $word:literal, $arn:literal;)+) => {
        $(pub(in crate::lint) const $name: Target = Target { word: $word, arn: $arn };)+
    };
}

// "Resource types defined by …", Service Authorization Reference.
targets! {
    ROLE: "role", "arn:aws:iam::111122223333:role/any-name";
    USER: "user", "arn:aws:iam::111122223333:user/any-name";
    GROUP: "group", "arn:aws:iam::111122223333:group/any-name";
    POLICY: "policy", "arn:aws:iam::111122223333:policy/any-name";
    PROFILE: "instance profile", "arn:aws:iam::111122223333:instance-profile/any-name";
    FUNCTION: "function", "arn:aws:lambda:us-east-1:111122223333:function:any-name";
    EVENT_SOURCE: "event source mapping", "arn:aws:lambda:us-east-1:111122223333:event-source-mapping:01234567-89ab-cdef-0123-456789abcdef";
    TABLE: "table", "arn:aws:dynamodb:us-east-1:111122223333:table/any-name";
    INSTANCE: "instance", "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0";
    TEMPLATE: "launch template", "arn:aws:ec2:us-east-1:111122223333:launch-template/lt-0123456789abcdef0";
    SPOT_REQUEST: "spot request", "arn:aws:ec2:us-east-1:111122223333:spot-instances-request/sir-0123456789";
    SPOT_FLEET: "spot fleet request", "arn:aws:ec2:us-east-1:111122223333:spot-fleet-request/sfr-01234567-89ab-cdef-0123-456789abcdef";
    ECS_CLUSTER: "cluster", "arn:aws:ecs:us-east-1:111122223333:cluster/any-name";
    ECS_TASK: "task definition", "arn:aws:ecs:us-east-1:111122223333:task-definition/any-name:1";
    ECS_SERVICE: "service", "arn:aws:ecs:us-east-1:111122223333:service/any-name/any-name";
    DEV_ENDPOINT: "development endpoint", "arn:aws:glue:us-east-1:111122223333:devEndpoint/any-name";
    GLUE_JOB: "job", "arn:aws:glue:us-east-1:111122223333:job/any-name";
    GLUE_TRIGGER: "trigger", "arn:aws:glue:us-east-1:111122223333:trigger/any-name";
    STACK: "stack", "arn:aws:cloudformation:us-east-1:111122223333:stack/any-name/01234567-89ab-cdef-0123-456789abcdef";
    STACK_SET: "stack set", "arn:aws:cloudformation:us-east-1:111122223333:stackset/any-name:01234567-89ab-cdef-0123-456789abcdef";
    PIPELINE: "pipeline", "arn:aws:datapipeline:us-east-1:111122223333:pipeline/df-0123456789ABCDEFGHIJ";
    PROJECT: "project", "arn:aws:codebuild:us-east-1:111122223333:project/any-name";
    CODESTAR: "project", "arn:aws:codestar:us-east-1:111122223333:project/any-name";
    NOTEBOOK: "notebook instance", "arn:aws:sagemaker:us-east-1:111122223333:notebook-instance/any-name";
    NOTEBOOK_CONFIG: "lifecycle configuration", "arn:aws:sagemaker:us-east-1:111122223333:notebook-instance-lifecycle-config/any-name";
    TRAINING: "training job", "arn:aws:sagemaker:us-east-1:111122223333:training-job/any-name";
    PROCESSING: "processing job", "arn:aws:sagemaker:us-east-1:111122223333:processing-job/any-name";
    APP: "service", "arn:aws:apprunner:us-east-1:111122223333:service/any-name/0123456789abcdef0123456789abcdef";
    INTERPRETER: "code interpreter", "arn:aws:bedrock-agentcore:us-east-1:111122223333:code-interpreter-custom/any-name";
    KEY: "key", "arn:aws:kms:us-east-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef";
    BUCKET: "bucket", "arn:aws:s3:::any-name";
    SECRET: "secret", "arn:aws:secretsmanager:us-east-1:111122223333:secret:any-name-Ab12Cd";
}
