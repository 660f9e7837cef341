//! Why a request to tear down changes nothing.

use engine_roles_contract::Code;
use engine_roles_domain::binding::DeletionRefusal;
use engine_roles_provisioner::TeardownError;

use super::Problem;

impl From<TeardownError> for Problem {
    fn from(failed: TeardownError) -> Self {
        match failed {
            TeardownError::Refused(refusal) => {
                let detail = refusal.to_string();
                let code = match refusal {
                    DeletionRefusal::NotFound => Code::NotFound,
                    DeletionRefusal::PreconditionFailed { .. } => Code::PreconditionFailed,
                    DeletionRefusal::OtherAccount { .. } => Code::IamUnavailable,
                };
                Self::new(code, detail)
            }
            TeardownError::Store(store) => store.into(),
        }
    }
}
