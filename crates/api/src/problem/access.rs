//! Why the service can't tell what a cluster's role reaches.

use engine_roles_contract::Code;
use engine_roles_provisioner::AccessError;
use serde_json::json;

use super::Problem;

impl From<AccessError> for Problem {
    fn from(failed: AccessError) -> Self {
        let detail = failed.to_string();
        match failed {
            AccessError::NoRole(_) | AccessError::NotShown(_) => Self::new(Code::NotFound, detail),
            AccessError::Recreated(_) => Self::new(Code::NameTaken, detail),
            AccessError::Busy | AccessError::OtherAccount { .. } => {
                Self::new(Code::IamUnavailable, detail)
            }
            AccessError::Iam { resource, source } => match source.missing_permission {
                Some(ref permission) => {
                    let mut problem = Self::new(Code::MissingPermission, source.describe());
                    problem.0.missing_permissions = vec![permission.clone()];
                    problem.0.statement = Some(json!({
                        "Effect": "Allow",
                        "Action": [permission],
                        "Resource": [resource],
                    }));
                    problem
                }
                None => Self::new(Code::IamUnavailable, source.describe()),
            },
            AccessError::Store(store) => store.into(),
        }
    }
}
