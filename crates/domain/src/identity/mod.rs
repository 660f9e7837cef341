pub(crate) mod capability;
pub(crate) mod denial;
pub(crate) mod needs;

pub use capability::{
    FeatureReport, Recommendation, Standing, Status, recommend, report, standings_by_documents,
    statements_for_binding, statements_to_add,
};
pub use denial::{DeniedBy, DenyingLayer};
pub use needs::{Conditions, Feature, Need, PASSED_TO, needs};
