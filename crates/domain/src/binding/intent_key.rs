//! What recognises a request that is sent again after its answer was lost.

use serde::{Deserialize, Serialize};

use crate::binding::id::Generation;

/// Recognises a request that is sent again after the answer to it was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentKey {
    /// The generation of the intent that the request recorded.
    pub generation: Generation,
    /// A SHA-256 over key id, method, cluster, conditions and body of the request, in hexadecimal.
    pub digest: String,
    /// Whether the request recorded a new binding.
    pub created: bool,
}
