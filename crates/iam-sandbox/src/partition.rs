/// The prefixes of the regions that do not belong to the partition `aws`, with their partitions.
const PREFIXES: [(&str, &str); 8] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isog-", "aws-iso-g"),
];

/// Returns the region for which calls to IAM are signed, the only one that IAM accepts; none for a
/// partition that the sandbox does not know. Source: AWS General Reference, "IAM endpoints and
/// quotas".
pub(crate) fn iam_region(partition: &str) -> Option<&'static str> {
    match partition {
        "aws" => Some("us-east-1"),
        "aws-cn" => Some("cn-north-1"),
        "aws-us-gov" => Some("us-gov-west-1"),
        "aws-eusc" => Some("eusc-de-east-1"),
        _ => None,
    }
}

/// Whether a region can belong to a partition, by its name.
pub(crate) fn has_region(partition: &str, region: &str) -> bool {
    let prefix = PREFIXES
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix));
    let parts: Vec<_> = region.split('-').collect();
    let is_name = match parts[..] {
        [.., place, number] if parts.len() > 2 => !place.is_empty() && number.parse::<u8>().is_ok(),
        _ => false,
    };
    is_name && prefix.map_or("aws", |(_, partition)| partition) == partition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_iam_belongs_to_its_partition_and_to_no_other() {
        let partitions = ["aws", "aws-cn", "aws-us-gov", "aws-eusc"];
        for partition in partitions {
            let region = iam_region(partition).expect("the partition is known");
            for other in partitions {
                assert_eq!(has_region(other, region), other == partition, "{region}");
            }
        }
    }

    #[test]
    fn only_names_of_regions_are_regions() {
        assert!(has_region("aws", "ap-southeast-7"));
        for other in ["", "aws-global", "us-east", "us--1", "us-east-1a"] {
            assert!(!has_region("aws", other), "{other}");
        }
    }
}
