//! The only user of the AWS SDK: observe and apply.
