pub(crate) mod action;
pub(crate) mod actor;
pub(crate) mod cause;
pub(crate) mod event;
pub(crate) mod installation;
pub(crate) mod trace;

pub use action::{EventAction, EventOutcome};
pub use actor::Actor;
pub use cause::Cause;
pub use event::{BindingChange, SequencedEvent};
pub use installation::{DenialReason, InstallationEvent, OrphanNamed};
pub use trace::TraceId;
