//! The policy documents of `policies/`, and how they are filled in.

use std::collections::BTreeSet;

use engine_roles_policy::{Document, Grant, Kind, Statement, grants_within, render};

use crate::account::{Partition, Region};
use crate::grant::catalogue::error::CatalogueError;
use crate::grant::catalogue::filling::fill;
use crate::grant::catalogue::placeholders::Placeholders;
use crate::grant::error::RolePolicyError;
use crate::grant::key_access::{KEY_STATEMENT, KeyAccess};
use crate::grant::kms_key::KmsKeyArn;
use crate::grant::role_policy::{grants_of, session_manager};
use crate::grant::secrets::{ALL_ENGINES, READ_SECRET, narrowed, secrets_arn};

/// A document of `policies/`.
#[derive(Clone, Copy, Debug)]
pub struct PolicyTemplate {
    /// The name of the file without `.json`.
    pub name: &'static str,
    /// The kind of policy: identity policy, trust policy or boundary.
    pub kind: Kind,
    /// Who gets the document, and why.
    pub purpose: &'static str,
    text: &'static str,
    role: Role,
}

// What is done with a document apart from filling it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing.
    Plain,
    /// The document limits what an engine can access. The KMS key's statement is added to the
    /// document, and the document is proved to stay within its limits.
    Engine { session_manager: bool },
}

macro_rules! template {
    ($name:literal, $kind:ident, $role:expr, $purpose:literal) => {
        PolicyTemplate {
            name: $name,
            kind: Kind::$kind,
            purpose: $purpose,
            text: include_str!(concat!("../../../../../policies/", $name, ".json")),
            role: $role,
        }
    };
}

/// All documents. `engine-secrets-key` is not listed: where a key is configured, its statement
/// becomes part of the documents that limit what an engine can access.
pub const CATALOGUE: [PolicyTemplate; 7] = [
    template!(
        "ai-unlimited-workspaces",
        Identity,
        Role::Plain,
        "For the role of AI Unlimited's manager, where it creates a role for each engine."
    ),
    template!(
        "ai-unlimited-without-iam-role-permissions",
        Identity,
        Role::Plain,
        "For the role of AI Unlimited's manager, where it may create no roles and passes a prepared one."
    ),
    template!(
        "session-manager",
        Identity,
        Role::Plain,
        "For a role whose instances Session Manager has to reach."
    ),
    template!(
        "ai-unlimited-engine",
        Identity,
        Role::Engine {
            session_manager: false
        },
        "For a pass-through role that an administrator prepares: it reads the secrets of every cluster, or of one."
    ),
    template!(
        "engine-trust",
        Trust,
        Role::Plain,
        "The trust policy of an engine role: EC2 may assume the role for the engine's nodes."
    ),
    template!(
        "engine-boundary",
        Boundary,
        Role::Engine {
            session_manager: true
        },
        "The permissions boundary of created engine roles: the most that any of them may ever have."
    ),
    template!(
        "engine-role-service",
        Identity,
        Role::Plain,
        "For the role of this service where it runs on its own: only the calls that it makes, only on the resources that it creates."
    ),
];

impl PolicyTemplate {
    /// Returns the document with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|template| template.name == name)
    }

    /// Returns the names of all placeholders, with those of the key's statement where the document
    /// may get that statement.
    pub fn placeholders(&self) -> BTreeSet<&'static str> {
        let key = match self.role {
            Role::Engine { .. } => KEY_STATEMENT,
            Role::Plain => "",
        };
        let found = |text| render::placeholders(text).unwrap_or_default();
        found(self.text).into_iter().chain(found(key)).collect()
    }

    /// Fills in the document.
    ///
    /// A string in a list that has a placeholder with many values is repeated for each value. An
    /// Allow statement that is left without a resource, or with a condition without a value, is
    /// removed. A cluster narrows the documents that limit what an engine can access, and is an
    /// error for all others. Any other value that the document has no placeholder for is ignored.
    ///
    /// # Errors
    /// When a value is missing or does not fit the others. Also when the result is not a valid
    /// policy or grants more than its engines' secrets need, which means that the document has a
    /// flaw.
    pub fn render(&self, values: &Placeholders) -> Result<Document, CatalogueError> {
        let document = self.name;
        if values.cluster.is_some() && !self.text.contains(ALL_ENGINES) {
            return Err(CatalogueError::NotOfOneCluster { document });
        }
        let partition = values.partition()?;
        let text = narrowed(self.text, values.cluster.as_ref());
        let text = fill(document, &text, values, partition)?;
        let filled = Document::parse(self.kind, &text)
            .map_err(|source| CatalogueError::Invalid { document, source })?;
        match self.role {
            Role::Plain => Ok(filled),
            Role::Engine { session_manager } => {
                self.of_engine(&filled, values, partition, session_manager)
            }
        }
    }

    // Adds the key's statement, and proves the result.
    fn of_engine(
        &self,
        filled: &Document,
        values: &Placeholders,
        partition: Option<Partition>,
        with_session_manager: bool,
    ) -> Result<Document, CatalogueError> {
        let document = self.name;
        let missing = |field, placeholder: &str| CatalogueError::Missing {
            field,
            document,
            placeholder: placeholder.to_owned(),
        };
        let partition = partition.ok_or_else(|| missing("region", "PARTITION"))?;
        let region = values.region.as_ref();
        let region = region.ok_or_else(|| missing("region", "REGION"))?;
        let account = values.account.as_ref();
        let account = account.ok_or_else(|| missing("account_id", "ACCOUNT_ID"))?;
        let cluster = values.cluster.as_ref();
        let key = values.kms_key.as_ref().map(|key| key_in(key, region));
        let key = key.transpose()?;
        let access = key.as_ref().map(|key| KeyAccess {
            key,
            partition,
            region,
            account,
            cluster,
        });
        let unproved = |source| CatalogueError::Unproved { document, source };
        let invalid = |source| CatalogueError::Invalid { document, source };

        let secrets = secrets_arn(partition, region, account, cluster);
        let mut limits = vec![Grant::new(READ_SECRET, secrets)];
        let mut statements: Vec<Statement> = filled.statements().to_vec();
        if let Some(access) = &access {
            statements.extend(access.statements().map_err(unproved)?);
            limits.push(access.limit());
        }
        if with_session_manager {
            let granted = session_manager().map_err(invalid)?;
            limits.extend(granted.iter().flat_map(grants_of));
        }
        let whole = Document::new(self.kind, statements).map_err(invalid)?;
        grants_within(&whole, &limits)
            .map_err(|excess| unproved(RolePolicyError::Unproved(excess)))?;
        if let Some(access) = &access {
            access.prove_confined(&whole).map_err(unproved)?;
        }
        Ok(whole)
    }
}

fn key_in(key: &KmsKeyArn, region: &Region) -> Result<KmsKeyArn, CatalogueError> {
    key.in_region(region)
        .ok_or_else(|| CatalogueError::KeyOfOtherRegion {
            region: region.clone(),
            key_region: key.region(),
        })
}
