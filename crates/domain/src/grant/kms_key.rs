//! The ARN of a customer's KMS key that encrypts a cluster's secrets.

use crate::account::{AccountId, Partition, Region};
use crate::invalid::text_type;
use crate::invalid::{Invalid, InvalidKind};

text_type! {
    /// The ARN of a KMS key, `arn:{partition}:kms:{region}:{account}:key/{key id}`.
    ///
    /// Only a key id is accepted. An alias can be pointed at another key later, and KMS ignores
    /// aliases in the Resource of a policy.
    /// Source: KMS developer guide, "Specifying KMS keys in IAM policy statements".
    KmsKeyArn
}

impl KmsKeyArn {
    /// Reads the ARN of a key. The id is a UUID, or `mrk-` and 32 hex digits for a multi-Region
    /// key.
    ///
    /// # Errors
    /// When the text is anything else, such as an alias or a pattern, or when the region belongs to
    /// another partition.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let key = split(text).ok_or_else(|| {
            Invalid::new(
                InvalidKind::KmsKey,
                "must be the ARN of a key, not of an alias, of the form \
                 arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
            )
        })?;
        if key.region.partition() != Some(key.partition) {
            return Err(Invalid::new(
                InvalidKind::KmsKey,
                "must name a region of its partition",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the region of the key.
    pub fn region(&self) -> Region {
        let field = self.0.split(':').nth(3).unwrap_or_default();
        Region::parse(field).expect("the ARN was parsed")
    }

    /// Returns the key to be used in a region: in the key's own region the key itself, in another
    /// region of its partition the replica of a multi-Region key. None for a single-Region key of
    /// another region. Whether the replica exists is not checked.
    ///
    /// All replicas share the key id, and each ARN has the replica's region.
    /// Source: KMS developer guide, "Multi-Region keys in AWS KMS".
    pub fn in_region(&self, region: &Region) -> Option<Self> {
        let own = self.region();
        if own == *region {
            return Some(self.clone());
        }
        let replicated = self.0.contains(":key/mrk-") && own.partition() == region.partition();
        replicated.then(|| Self(self.0.replacen(own.as_str(), region.as_str(), 1)))
    }
}

struct Parts {
    partition: Partition,
    region: Region,
}

fn split(text: &str) -> Option<Parts> {
    let fields: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "kms", region, account, key] = fields.as_slice() else {
        return None;
    };
    AccountId::parse(account).ok()?;
    is_key_id(key.strip_prefix("key/")?).then_some(())?;
    Some(Parts {
        partition: Partition::parse(partition)?,
        region: Region::parse(region).ok()?,
    })
}

fn is_key_id(id: &str) -> bool {
    let hex = |part: &str, length: usize| {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        part.len() == length && part.bytes().all(digit)
    };
    if let Some(multi_region) = id.strip_prefix("mrk-") {
        return hex(multi_region, 32);
    }
    let parts: Vec<&str> = id.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| hex(part, length))
}
