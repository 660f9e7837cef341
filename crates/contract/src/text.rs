//! The rules of texts in requests and answers, as schemas of the OpenAPI document.
//!
//! No value has one of these types: the members are `String`s, and the service checks them. A test of
//! the service compares each pattern with the code that reads such a text.

use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{KnownFormat, SchemaFormat};
use utoipa::openapi::{Object, ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Defines a text with a rule: its pattern, its greatest length in characters, and an example.
macro_rules! text {
    ($(#[doc = $doc:literal])+ $name:ident, $longest:literal, $example:literal, $($pattern:expr),+) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $name;

        impl $name {
            /// The rule, as a regular expression.
            pub const PATTERN: &str = concat!($($pattern),+);
            /// The greatest length, in characters.
            pub const LONGEST: usize = $longest;
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let description = concat!($($doc, "\n"),+);
                let text = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(description.trim().replace("\n ", "\n")))
                    .pattern(Some(Self::PATTERN))
                    .max_length(Some(Self::LONGEST))
                    .examples([$example]);
                text.into()
            }
        }

        impl ToSchema for $name {}
    };
}

/// The characters of a name in IAM.
macro_rules! iam_name {
    ($longest:literal) => {
        concat!("[A-Za-z0-9_+=,.@-]{1,", $longest, "}")
    };
}

/// The beginning of an ARN of IAM, up to the account.
macro_rules! iam_arn {
    () => {
        "arn:(aws|aws-cn|aws-us-gov|aws-eusc):iam::"
    };
}

/// The path in an ARN of IAM, without its first slash.
macro_rules! path_in_arn {
    () => {
        "([!#%&'()+,.0-9:;=@A-Z\\[\\]^_`a-z|~-]+/)*"
    };
}

/// A character of a tag. Of the characters beyond ASCII, a tag may have letters and digits only, which
/// not every dialect of regular expressions can say.
macro_rules! tag_character {
    () => {
        "[^\\u0000-\\u001f!-*,;<>?\\[-^`{-\\u009f]"
    };
}

text! {
    /// The name of a cluster.
    ClusterName, 63, "chct3mqng4af2ckkv3jg", "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
}

text! {
    /// The name of a secret below `compute-engine/{cluster}/`, without that prefix. No part between
    /// slashes is empty, `.` or `..`.
    SecretName, 433, "admin/password",
    "^(\\.?[A-Za-z0-9_+=@-][A-Za-z0-9_+=.@-]*|\\.\\.[A-Za-z0-9_+=.@-]+)",
    "(/(\\.?[A-Za-z0-9_+=@-][A-Za-z0-9_+=.@-]*|\\.\\.[A-Za-z0-9_+=.@-]+))*$"
}

text! {
    /// An AWS region.
    Region, 32, "us-west-2", "^[a-z0-9]+(-[a-z0-9]+){2,}$"
}

text! {
    /// The prefix of the names of created roles and instance profiles; may be empty.
    RolePrefix, 30, "td-", "^[A-Za-z0-9_+=,.@-]{0,30}$"
}

text! {
    /// The id of an AWS account.
    AccountId, 12, "123456789012", "^[0-9]{12}$"
}

text! {
    /// The name of an AWS partition.
    Partition, 32, "aws", "^aws(-[a-z]+)*$"
}

text! {
    /// The name of an IAM role.
    RoleName, 64, "td-chct3mqng4af2ckkv3jg-q5k2m7x3v4wz6abc", "^", iam_name!(64), "$"
}

text! {
    /// The name or the ARN of an IAM role.
    RoleReference, 700, "ai-unlimited-engine",
    "^(", iam_name!(64), "|", iam_arn!(), "[0-9]{12}:role/", path_in_arn!(), iam_name!(64), ")$"
}

text! {
    /// The ARN of an IAM role.
    RoleArn, 700, "arn:aws:iam::123456789012:role/ai-unlimited/engine/default/td-chct3mqng4af2ckkv3jg-q5k2m7x3v4wz6abc",
    "^", iam_arn!(), "[0-9]{12}:role/", path_in_arn!(), iam_name!(64), "$"
}

text! {
    /// The ARN of an IAM policy, a customer's or AWS's own.
    PolicyArn, 700, "arn:aws:iam::123456789012:policy/engine-boundary",
    "^", iam_arn!(), "(aws|[0-9]{12}):policy/", path_in_arn!(), iam_name!(128), "$"
}

text! {
    /// The name of an IAM instance profile.
    ProfileName, 128, "td-chct3mqng4af2ckkv3jg-q5k2m7x3v4wz6abc", "^", iam_name!(128), "$"
}

text! {
    /// The ARN of an IAM instance profile.
    ProfileArn, 700, "arn:aws:iam::123456789012:instance-profile/ai-unlimited/engine/default/td-chct3mqng4af2ckkv3jg-q5k2m7x3v4wz6abc",
    "^", iam_arn!(), "[0-9]{12}:instance-profile/", path_in_arn!(), iam_name!(128), "$"
}

text! {
    /// The unique id of an IAM role.
    RoleId, 128, "AROA2J4QK7XV3MZB6N5TD", "^AROA[A-Z0-9]+$"
}

text! {
    /// The unique id of an IAM instance profile.
    ProfileId, 128, "AIPA2J4QK7XV3MZB6N5TD", "^AIPA[A-Z0-9]+$"
}

text! {
    /// An IAM path, with a slash at both ends.
    IamPath, 512, "/ai-unlimited/engine/default/", "^/([!-.0-~]+/)*$"
}

text! {
    /// The ARN of a KMS key.
    KeyArn, 256, "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
    "^arn:(aws|aws-cn|aws-us-gov|aws-eusc):kms:[a-z0-9-]+:[0-9]{12}:key/",
    "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$"
}

text! {
    /// An action of AWS, as policies name it.
    Permission, 128, "iam:CreateRole", "^[a-z0-9-]+:[A-Za-z0-9]+$"
}

text! {
    /// The key of a tag: letters, digits, spaces and `_ . : / = + - @`. Keys that begin with `aws:` or
    /// `ai-unlimited:`, in any letter case, are reserved.
    TagKey, 128, "team", "^", tag_character!(), "+$"
}

text! {
    /// The value of a tag: letters, digits, spaces and `_ . : / = + - @`.
    TagValue, 256, "analytics", "^", tag_character!(), "*$"
}

text! {
    /// The id of a request.
    RequestId, 128, "0198c7a4-5b1e-7c3f-9a55-0c8a3d1f2b4e", "^[A-Za-z0-9._:-]{1,128}$"
}

text! {
    /// The kind of a problem as a URI.
    ProblemType, 128, "urn:engine-roles:problem:not_found", "^urn:engine-roles:problem:[a-z0-9_]+$"
}

text! {
    /// A word from a list that later versions may extend.
    Word, 64, "policy_changed", "^[a-z][a-z0-9_]*$"
}

text! {
    /// A list of states of bindings, separated by commas.
    StateList, 1024, "active,failed",
    "^(provisioning|active|deleting|deleted|failed|blocked)",
    "(,(provisioning|active|deleting|deleted|failed|blocked))*$"
}

text! {
    /// `*`, or a list of entity tags.
    EntityTags, 4096, "\"3-17\"",
    "^(\\*|(W/)?\"[!#-~]*\"([ \\t]*,[ \\t]*(W/)?\"[!#-~]*\")*)$"
}

text! {
    /// The name of a policy document, as the list of policy documents has it.
    PolicyName, 64, "ai-unlimited-engine", "^[a-z0-9]+(-[a-z0-9]+)*$"
}

text! {
    /// Who caused an event: the name of an API key, the ARN of an AWS identity, or a part of the service.
    Actor, 256, "manager", "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
}

text! {
    /// The name of a service, which callers sign when they log in.
    ServerName, 253, "engine-roles.example.com", "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,252}$"
}

text! {
    /// The header `Authorization` of a request that was signed for STS.
    AwsSignature, 512, "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261126/us-west-2/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-engine-roles-server, Signature=a7f20d22752154331c85926ab07ded783a9d5b4967665b0086c138c1d7cad13c",
    "^AWS4-HMAC-SHA256 Credential=[A-Za-z0-9_]{16,128}/[0-9]{8}/[a-z0-9]+(-[a-z0-9]+){2,}/sts/aws4_request, ?",
    "SignedHeaders=content-type;host;x-amz-date;(x-amz-security-token;)?x-engine-roles-server, ?",
    "Signature=[0-9a-f]{64}$"
}

text! {
    /// The time of a signature, in UTC.
    AwsDate, 16, "20261126T080000Z", "^[0-9]{8}T[0-9]{6}Z$"
}

text! {
    /// The session token of temporary credentials of AWS.
    SessionToken, 8192, "IQoJb3JpZ2luX2VjEXAMPLE", "^[!-~]+$"
}

text! {
    /// A token that the service made.
    Token, 64, "EXAMPLEexampleEXAMPLEexampleEXAMPLEexampleEXAMPLEexample01234567", "^[A-Za-z0-9]{64}$"
}

text! {
    /// The ARN of a session of a role, or of a user.
    IdentityArn, 256, "arn:aws:sts::123456789012:assumed-role/ai-unlimited-manager/i-0123456789abcdef0",
    "^arn:(aws|aws-cn|aws-us-gov|aws-eusc):(sts::[0-9]{12}:assumed-role|iam::[0-9]{12}:user)/[!-~]+$"
}

text! {
    /// The ARN of a role, without its path, or of a user.
    PrincipalArn, 256, "arn:aws:iam::123456789012:role/ai-unlimited-manager",
    "^", iam_arn!(), "[0-9]{12}:(role|user)/[!-~]+$"
}

text! {
    /// A hash of the tree over the audit log, in base64.
    TreeHash, 44, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "^[A-Za-z0-9+/]{43}=$"
}

text! {
    /// The place of a tile of hashes (`LEVEL/INDEX`) or of a bundle of entries (`entries/INDEX`), as C2SP
    /// tlog-tiles names it.
    TilePath, 64, "0/x001/234.p/5",
    "^(entries|[0-9]|[1-5][0-9]|6[0-3])(/x[0-9]{3})*/[0-9]{3}",
    "(\\.p/([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$"
}

text! {
    /// What an earlier page gave as `next_cursor`. Its content may change, so a client must not read or
    /// make one.
    Cursor, 512, "Y2hjdDNtcW5nNGFmMmNra3YzamcvMQ", "^[A-Za-z0-9_-]+$"
}

/// The tags of a resource, by their keys.
#[derive(Debug)]
pub struct TagMap;

impl TagMap {
    /// The greatest number of tags.
    pub const MOST: usize = 46;
}

impl PartialSchema for TagMap {
    fn schema() -> RefOr<Schema> {
        let value = RefOr::Ref(Ref::from_schema_name("TagValue"));
        let RefOr::T(key) = TagKey::schema() else {
            unreachable!("the schema of a text is no reference");
        };
        let tags: Object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("The tags of a resource, by their keys"))
            .additional_properties(Some(AdditionalProperties::RefOr(value)))
            .property_names(Some(key))
            .max_properties(Some(Self::MOST))
            .examples([serde_json::json!({"team": "analytics"})])
            .build();
        RefOr::T(tags.into())
    }
}

impl ToSchema for TagMap {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("TagValue".to_owned(), TagValue::schema()));
    }
}

/// Bytes that are no text.
#[derive(Debug)]
pub struct Bytes;

impl PartialSchema for Bytes {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("Bytes that are no text."))
            .into()
    }
}

impl ToSchema for Bytes {}

text! {
    /// An IPv4 or IPv6 address.
    Address, 39, "192.0.2.17", "^[0-9a-f:.]{2,39}$"
}

text! {
    /// The id of a distributed trace, as W3C Trace Context defines it. It is not all zero.
    TraceId, 32, "4bf92f3577b34da6a3ce929d0e0e4736", "^[0-9a-f]{32}$"
}

text! {
    /// The id that AWS gave to a call.
    AwsRequestId, 128, "8d1f3a52-7c1e-4c0b-9d53-0f6a3f2f6c11", "^[!-~]{1,128}$"
}

text! {
    /// A level of the log, or a list of a level and directives for parts of the service.
    LogLevelText, 200, "info,engine_roles_iam=debug",
    "^(engine_roles[a-z0-9_:]*=)?(off|error|warn|info|debug|trace)",
    "(,(engine_roles[a-z0-9_:]*=)?(off|error|warn|info|debug|trace))*$"
}

text! {
    /// The level of the log, or directives, as they were configured or set.
    LogDirectives, 4096, "info", "^[^\\u0000-\\u001f]{1,4096}$"
}

text! {
    /// A time of at most a day: a number of seconds, minutes or hours.
    ShortTime, 5, "10m", "^([1-9][0-9]{0,3}s|[1-9][0-9]{0,2}m|([1-9]|1[0-9]|2[0-4])h)$"
}
