//! What to do where a request got no answer because of TLS.

use engine_roles_client::{Error, TlsTrouble};

use crate::setting_names::Named;

/// Returns what to do where TLS may be the reason why a request got no answer.
pub(super) fn tls_advice(error: &Error) -> Option<String> {
    let advice = match error.tls_trouble()? {
        TlsTrouble::MayNeedHttps => {
            "the service may speak HTTPS: set --addr to its https:// URL, and --ca-file to the \
             certificate of the authority that signed the service's certificate"
        }
        TlsTrouble::Handshake => {
            "the certificate is not accepted, or the service speaks plain HTTP: set --ca-file to the \
             certificate of the authority that signed the service's certificate, and --addr to a URL \
             with a name of that certificate"
        }
    };
    Some(Named(advice).to_string())
}
