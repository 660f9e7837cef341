//! The ARN of a permissions boundary.

use crate::invalid::Invalid;
use crate::invalid::text_type;
use crate::resources::arn::{IamArn, IamResource};

text_type! {
    /// The ARN of the managed policy that is the permissions boundary of a created role.
    BoundaryArn
}

impl BoundaryArn {
    /// Reads the ARN of a managed policy, a customer's or AWS's own.
    ///
    /// # Errors
    /// When the text is not the ARN of a managed policy.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        IamArn::parse(IamResource::Policy, text).map(|arn| Self(arn.to_string()))
    }
}
