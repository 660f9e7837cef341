use chrono::{DateTime, TimeZone, Utc};
use serde_json::{Value, json};

use crate::role::document_state;
use crate::tags::Tags;
use crate::xml::Xml;

/// A managed policy with its one version.
#[derive(Clone, Debug)]
pub(crate) struct ManagedPolicy {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) description: Option<String>,
    pub(crate) document: String,
    pub(crate) tags: Tags,
}

/// The only version of every policy: the sandbox has no `CreatePolicyVersion`.
pub(crate) const VERSION: &str = "v1";

/// How many roles use a policy.
#[derive(Clone, Copy)]
pub(crate) struct Uses {
    pub(crate) attachments: usize,
    pub(crate) boundaries: usize,
}

impl ManagedPolicy {
    pub(crate) fn write(&self, xml: &mut Xml, uses: Uses) {
        xml.text("PolicyName", &self.name)
            .text("PolicyId", &self.id)
            .text("Arn", &self.arn)
            .text("Path", &self.path)
            .text("DefaultVersionId", VERSION)
            .number("AttachmentCount", uses.attachments)
            .number("PermissionsBoundaryUsageCount", uses.boundaries)
            .bool("IsAttachable", true)
            .date("CreateDate", self.created)
            .date("UpdateDate", self.created);
    }

    pub(crate) fn write_description_and_tags(&self, xml: &mut Xml) {
        if let Some(description) = &self.description {
            xml.text("Description", description);
        }
        if !self.tags.is_empty() {
            xml.list("Tags", self.tags.iter(), |xml, tag| tag.write(xml));
        }
    }

    pub(crate) fn write_version(&self, xml: &mut Xml) {
        xml.document("Document", &self.document)
            .text("VersionId", VERSION)
            .bool("IsDefaultVersion", true)
            .date("CreateDate", self.created);
    }

    /// Returns the policy as `GET /_sandbox/state` shows it.
    pub(crate) fn state(&self) -> Value {
        json!({ "arn": self.arn, "document": document_state(&self.document) })
    }
}

/// The names and documents of AWS managed policies, all under the path `/`. Long documents are
/// shortened to the statements that the service's tests read.
const AWS_MANAGED: [(&str, &str); 8] = [
    (
        "AdministratorAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ),
    (
        "PowerUserAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}]}"#,
    ),
    (
        "ReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"ReadOnlyActions","Effect":"Allow","Action":["ec2:Describe*","ec2:Get*","iam:Generate*","iam:Get*","iam:List*","iam:Simulate*","s3:Get*","s3:List*","secretsmanager:Describe*","secretsmanager:List*"],"Resource":"*"}]}"#,
    ),
    (
        "IAMReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}]}"#,
    ),
    (
        "AmazonS3ReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}"#,
    ),
    (
        "SecretsManagerReadWrite",
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"BasePermissions","Effect":"Allow","Action":["secretsmanager:*","kms:DescribeKey","kms:ListAliases","kms:ListKeys","tag:GetResources"],"Resource":"*"}]}"#,
    ),
    (
        "AmazonSSMManagedInstanceCore",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssm:DescribeAssociation","ssm:GetDeployablePatchSnapshotForInstance","ssm:GetDocument","ssm:DescribeDocument","ssm:GetManifest","ssm:GetParameter","ssm:GetParameters","ssm:ListAssociations","ssm:ListInstanceAssociations","ssm:PutInventory","ssm:PutComplianceItems","ssm:PutConfigurePackageResult","ssm:UpdateAssociationStatus","ssm:UpdateInstanceAssociationStatus","ssm:UpdateInstanceInformation"],"Resource":"*"},{"Effect":"Allow","Action":["ssmmessages:CreateControlChannel","ssmmessages:CreateDataChannel","ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":"*"},{"Effect":"Allow","Action":["ec2messages:AcknowledgeMessage","ec2messages:DeleteMessage","ec2messages:FailMessage","ec2messages:GetEndpoint","ec2messages:GetMessages","ec2messages:SendReply"],"Resource":"*"}]}"#,
    ),
    (
        "AWSDenyAll",
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"DenyAll","Effect":"Deny","Action":["*"],"Resource":"*"}]}"#,
    ),
];

/// Returns the AWS managed policies that the sandbox has.
pub(crate) fn aws_managed(partition: &str) -> Vec<ManagedPolicy> {
    let created = Utc.timestamp_opt(1_423_222_800, 0).single();
    let policies = AWS_MANAGED.iter().enumerate();
    policies
        .map(|(index, (name, document))| ManagedPolicy {
            name: (*name).to_owned(),
            path: "/".to_owned(),
            id: format!(
                "ANPASANDBOX{:A>9}{}",
                "",
                char::from(b'A' + u8::try_from(index).unwrap_or(25))
            ),
            arn: format!("arn:{partition}:iam::aws:policy/{name}"),
            created: created.expect("a constant date"),
            description: None,
            document: (*document).to_owned(),
            tags: Tags::default(),
        })
        .collect()
}
