//! The policy documents of `policies/`, and what an administrator gets when they are filled.

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
    /// Its file's name without the ending.
    pub name: &'static str,
    /// What it is attached to.
    pub kind: Kind,
    /// Who gets it, and why.
    pub purpose: &'static str,
    text: &'static str,
    role: Role,
}

// What is done with a document beside filling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing.
    Plain,
    /// It bounds what an engine reaches: it takes the key's statement, and is proved.
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

/// All documents. `engine-secrets-key` is none of its own: where there is a key, it becomes part
/// of those that bound what an engine reaches.
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
        "For a role whose instances are to be reached through Session Manager."
    ),
    template!(
        "ai-unlimited-engine",
        Identity,
        Role::Engine {
            session_manager: false
        },
        "For an engine role that an administrator prepares to be passed: it reads the secrets of every cluster, or of one."
    ),
    template!(
        "engine-trust",
        Trust,
        Role::Plain,
        "The trust policy of an engine role: EC2 hands it to the engine's nodes."
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
        "For the role of this service where it runs by itself: only what it calls, only on what it makes."
    ),
];

impl PolicyTemplate {
    /// The document of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|template| template.name == name)
    }

    /// What is filled in; with the key's statement, where the document takes it.
    pub fn placeholders(&self) -> BTreeSet<&'static str> {
        let key = match self.role {
            Role::Engine { .. } => KEY_STATEMENT,
            Role::Plain => "",
        };
        let found = |text| render::placeholders(text).unwrap_or_default();
        found(self.text).into_iter().chain(found(key)).collect()
    }

    /// Fills the document.
    ///
    /// A string of a list that names a placeholder of many values is repeated for each of them;
    /// a statement that is left without a resource, or with a condition without a value, is left
    /// out. A cluster narrows the documents that bound what an engine reaches, and is refused for
    /// all others. A value that a document has no place for is of no effect otherwise.
    ///
    /// # Errors
    /// When a value is missing, or does not go with the others; or, which says that the document
    /// has a flaw, when what comes out is no valid policy or reaches beyond its engines' secrets.
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

    // With the key's statement, and proved.
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
