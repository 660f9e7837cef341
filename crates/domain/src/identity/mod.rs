pub(crate) mod capability;
pub(crate) mod needs;

pub use capability::{
    FeatureReport, Recommendation, Standing, Status, recommend, report, standing_by_documents,
    statements_to_add,
};
pub use needs::{Conditions, Feature, Need, PASSED_TO, needs};
