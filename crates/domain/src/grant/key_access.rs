//! The use of a customer's KMS key, limited to one cluster's secrets or to all engines' secrets.

use std::collections::BTreeMap;

use engine_roles_policy::{
    Condition, Document, Effect, Grant, Kind, Scope as Patterns, Statement, Test, pattern, render,
};

use crate::account::{AccountId, Partition, Region, Scope};
use crate::cluster::name::ClusterName;
use crate::cluster::spec::RoleSpec;
use crate::grant::error::RolePolicyError;
use crate::grant::kms_key::KmsKeyArn;
use crate::grant::secrets::{narrowed, secrets_arn};

pub(crate) const DECRYPT: &str = "kms:Decrypt";

/// The key's statement, from the document that administrators also get.
pub(crate) const KEY_STATEMENT: &str = include_str!("../../../../policies/engine-secrets-key.json");

/// A key, and the secrets that it may be used for.
pub(crate) struct KeyAccess<'a> {
    /// The key, in the region of the secrets.
    pub(crate) key: &'a KmsKeyArn,
    /// The partition of the secrets.
    pub(crate) partition: Partition,
    /// The region of the secrets.
    pub(crate) region: &'a Region,
    /// The account of the secrets.
    pub(crate) account: &'a AccountId,
    /// The cluster that owns the secrets; none for the secrets of all engines.
    pub(crate) cluster: Option<&'a ClusterName>,
}

impl<'a> KeyAccess<'a> {
    /// Returns how a binding with this spec uses its key; none where the spec names no key.
    pub(crate) fn of(
        spec: &'a RoleSpec,
        scope: &'a Scope,
        cluster: &'a ClusterName,
    ) -> Option<Self> {
        spec.kms_key.as_ref().map(|key| Self {
            key,
            partition: scope.partition,
            region: &spec.region,
            account: &scope.account,
            cluster: Some(cluster),
        })
    }

    /// Returns the statements that allow the key for reading the secrets through Secrets Manager,
    /// and for nothing else.
    ///
    /// # Errors
    /// Never in practice: no value has a character that is special in a policy.
    pub(crate) fn statements(&self) -> Result<Vec<Statement>, RolePolicyError> {
        let template = narrowed(KEY_STATEMENT, self.cluster);
        let values = BTreeMap::from([
            ("PARTITION", self.partition.as_str()),
            ("REGION", self.region.as_str()),
            ("ACCOUNT_ID", self.account.as_str()),
            ("DNS_SUFFIX", self.partition.dns_suffix()),
            ("KMS_KEY_ARN", self.key.as_str()),
        ]);
        let text = render::fill(&template, &values).map_err(RolePolicyError::Template)?;
        let document = Document::parse(Kind::Identity, &text).map_err(RolePolicyError::Invalid)?;
        Ok(document.statements().to_vec())
    }

    /// Returns the most that a document may grant on the key.
    pub(crate) fn limit(&self) -> Grant {
        Grant::new(DECRYPT, self.key.as_str())
    }

    /// Proves that each statement which allows decryption has exactly two conditions: through
    /// Secrets Manager of the region, and for these secrets.
    ///
    /// The proof of the grants ignores conditions. Without these conditions the key would decrypt
    /// everything else that is encrypted with it.
    ///
    /// # Errors
    /// Names the first statement whose conditions differ or are missing, or that was not completely
    /// understood.
    pub(crate) fn prove_confined(&self, document: &Document) -> Result<(), RolePolicyError> {
        let mut required = self.conditions();
        required.sort();
        for (index, statement) in document.statements().iter().enumerate() {
            let is_understood = document.understands(index);
            let allows_key = !is_understood || may_decrypt(&statement.actions);
            if statement.effect != Effect::Allow || !allows_key {
                continue;
            }
            let mut conditions = statement.conditions.clone();
            conditions.sort();
            if conditions != required || !is_understood {
                return Err(RolePolicyError::KeyNotConfined {
                    statement: statement.sid.clone().unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    /// "kms:ViaService" and "kms:EncryptionContext:context-key", KMS developer guide; the context
    /// that Secrets Manager gives: Secrets Manager user guide, "Secret encryption and decryption".
    fn conditions(&self) -> [Condition; 2] {
        let Self {
            partition, region, ..
        } = self;
        let condition = |test: Test, key: &str, value: String| Condition {
            operator: test.into(),
            key: key.to_owned(),
            values: vec![value],
        };
        let service = format!("secretsmanager.{region}.{}", partition.dns_suffix());
        let secrets = secrets_arn(*partition, region, self.account, self.cluster);
        [
            condition(Test::StringEquals, "kms:ViaService", service),
            condition(Test::StringLike, "kms:EncryptionContext:SecretARN", secrets),
        ]
    }
}

fn may_decrypt(actions: &Patterns) -> bool {
    match actions {
        Patterns::Only(patterns) => patterns
            .iter()
            .any(|action| pattern::matches_action(action, DECRYPT)),
        Patterns::Except(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_without_exactly_its_two_conditions_is_not_confined() {
        let key = "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";
        let key = KmsKeyArn::parse(key).expect("a key");
        let region = key.region();
        let account = AccountId::parse("123456789012").expect("an account");
        let cluster = ClusterName::parse("one").expect("a cluster");
        let of = |cluster| KeyAccess {
            key: &key,
            partition: Partition::Aws,
            region: &region,
            account: &account,
            cluster,
        };
        let access = of(Some(&cluster));
        let proved = |statement: Statement| {
            let document = Document::new(Kind::Identity, vec![statement]).expect("a document");
            access.prove_confined(&document)
        };
        let confined = access.statements().expect("a statement").remove(0);
        proved(confined.clone()).expect("the statement is confined");
        let mut turned = confined.clone();
        turned.conditions.reverse();
        proved(turned).expect("the order does not matter");

        let without = |index: usize| {
            let mut conditions = confined.conditions.clone();
            conditions.remove(index);
            Statement {
                conditions,
                ..confined.clone()
            }
        };
        let with_value = |index: usize, value: &str| {
            let mut wider = confined.clone();
            wider.conditions[index].values.push(value.to_owned());
            wider
        };
        let mut if_exists = confined.clone();
        if_exists.conditions[0].operator = if_exists.conditions[0].operator.if_exists();
        let of_all = of(None).statements().expect("a statement").remove(0);
        let with_action = |action: &str| Statement {
            actions: Patterns::Only(vec![action.to_owned()]),
            ..without(0)
        };
        for wider in [
            without(0),
            without(1),
            with_value(0, "s3.us-west-2.amazonaws.com"),
            with_value(1, "*"),
            if_exists,
            of_all,
            with_action("KMS:decrypt"),
            with_action("kms:D*"),
            with_action("*"),
        ] {
            let failed = proved(wider.clone());
            assert!(
                matches!(failed, Err(RolePolicyError::KeyNotConfined { .. })),
                "{wider:?}"
            );
        }
    }
}
