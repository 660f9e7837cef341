//! The permissions boundary of a created role.

use crate::invalid::Invalid;
use crate::invalid::text_type;
use crate::resources::arn::{IamArn, IamResource};

text_type! {
    /// The ARN of the managed policy that bounds a created role.
    BoundaryArn
}

impl BoundaryArn {
    /// Reads the ARN of a managed policy, of an account or of AWS.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        IamArn::parse(IamResource::Policy, text).map(|arn| Self(arn.to_string()))
    }
}
