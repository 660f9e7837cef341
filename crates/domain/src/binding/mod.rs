pub(crate) mod decision;
pub(crate) mod drift;
pub(crate) mod event;
pub(crate) mod failure;
pub(crate) mod id;
pub(crate) mod record;
pub(crate) mod state;
pub(crate) mod verdict;

pub use decision::{
    Deletion, DeletionRefusal, IfMatch, Intent, PutRefusal, decide_delete, decide_put,
};
pub use drift::{Drift, DriftKind};
pub use event::{Actor, Event, EventAction, SequencedEvent};
pub use failure::{Failure, FailureCode};
pub use id::{BindingId, Generation};
pub use record::{Binding, ProfileRecord, Receipt, RoleRecord};
pub use state::State;
pub use verdict::{Verdict, verdict};
