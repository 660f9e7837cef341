//! The use of a customer's key, confined to one cluster's secrets, or to all engines'.

use std::collections::BTreeMap;

use engine_roles_policy::{
    Condition, Document, Effect, Grant, Kind, Scope as Reach, Statement, Test, pattern, render,
};

use crate::{AccountId, ClusterName, KmsKeyArn, Partition, Region, RolePolicyError};

pub(crate) const DECRYPT: &str = "kms:Decrypt";

/// The statement, as the administrator sees it too.
pub(crate) const TEMPLATE: &str = include_str!("../../../policies/engine-secrets-key.json");

/// What every secret of every engine stands below, in the documents of `policies/`.
pub(crate) const ALL_ENGINES: &str = "secret:compute-engine/*";

/// The secrets of one cluster as one pattern, or those of all engines.
pub(crate) fn secrets_arn(
    partition: Partition,
    region: &Region,
    account: &AccountId,
    cluster: Option<&ClusterName>,
) -> String {
    let secrets = narrowed(ALL_ENGINES, cluster);
    format!("arn:{partition}:secretsmanager:{region}:{account}:{secrets}")
}

/// The same text, with the secrets of one cluster where all engines' were.
///
/// A cluster's name has no character that would be live in a pattern.
pub(crate) fn narrowed(text: &str, cluster: Option<&ClusterName>) -> String {
    match cluster {
        Some(cluster) => text.replace(ALL_ENGINES, &format!("secret:compute-engine/{cluster}/*")),
        None => text.to_owned(),
    }
}

/// A key, and the secrets that it may be used for.
pub(crate) struct KeyAccess<'a> {
    /// The key, in the region of the secrets.
    pub(crate) key: &'a KmsKeyArn,
    /// Where the secrets are.
    pub(crate) partition: Partition,
    /// Where the secrets are.
    pub(crate) region: &'a Region,
    /// Whose the secrets are.
    pub(crate) account: &'a AccountId,
    /// The cluster; all engines where there is none.
    pub(crate) cluster: Option<&'a ClusterName>,
}

impl KeyAccess<'_> {
    /// What lets the key be used, for nothing but reading the secrets through Secrets Manager.
    ///
    /// # Errors
    /// Never in practice: each value is a word without live characters.
    pub(crate) fn statements(&self) -> Result<Vec<Statement>, RolePolicyError> {
        let template = narrowed(TEMPLATE, self.cluster);
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

    /// The most that a document may grant with the key.
    pub(crate) fn limit(&self) -> Grant {
        Grant::new(DECRYPT, self.key.as_str())
    }

    /// Proves that each statement which lets a key be used does so under exactly two conditions:
    /// through Secrets Manager of the region, and for these secrets.
    ///
    /// The proof of the grants does not look at conditions, and without them a key would open
    /// whatever else is encrypted under it.
    ///
    /// # Errors
    /// The first statement that has other conditions, or none.
    pub(crate) fn prove_confined(&self, document: &Document) -> Result<(), RolePolicyError> {
        let mut due = self.conditions();
        due.sort();
        let opens = |statement: &&Statement| {
            statement.effect == Effect::Allow && may_decrypt(&statement.actions)
        };
        for statement in document.statements().iter().filter(opens) {
            let mut conditions = statement.conditions.clone();
            conditions.sort();
            if conditions != due {
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

fn may_decrypt(actions: &Reach) -> bool {
    match actions {
        Reach::Only(patterns) => patterns
            .iter()
            .any(|action| pattern::matches_action(action, DECRYPT)),
        Reach::Except(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_exactly_its_two_conditions_is_not_confined() {
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
        proved(confined.clone()).expect("it is confined");
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
            actions: Reach::Only(vec![action.to_owned()]),
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
            let refused = proved(wider.clone());
            assert!(
                matches!(refused, Err(RolePolicyError::KeyNotConfined { .. })),
                "{wider:?}"
            );
        }
    }
}
