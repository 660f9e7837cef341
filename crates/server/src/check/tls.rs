//! Checks of the files of TLS.

use chrono::{TimeDelta, Utc};
use engine_roles_api::Chain;

use super::finding::{Finding, Verdict};
use crate::error_chain::chain;
use crate::setting_names::Named;
use crate::tls::TlsPaths;

/// How long before its end a certificate should have been renewed.
const SOON: TimeDelta = TimeDelta::days(7);

/// Returns whether the files of TLS can be used, and for how long.
pub(super) fn findings(paths: Option<&TlsPaths>) -> Vec<Finding> {
    let Some(paths) = paths else {
        let found = "the service speaks plain HTTP";
        return vec![Finding::new("tls files", Verdict::Skipped, found)];
    };
    let (certificate, is_key_exposed) = match paths.examine() {
        Ok(examined) => examined,
        Err(error) => {
            return vec![
                Finding::new("tls files", Verdict::Failed, chain(&error))
                    .with_advice("correct the file: the service does not start with it"),
            ];
        }
    };
    let files = if is_key_exposed {
        Finding::new(
            "tls files",
            Verdict::Warning,
            "every user of the machine can read the key",
        )
        .with_advice(Named("remove the permissions of --tls-key for others").to_string())
    } else {
        Finding::new(
            "tls files",
            Verdict::Ok,
            "readable, and the key is the certificate's",
        )
    };
    let now = Utc::now();
    let expires_at = certificate.expires_at();
    let renew = "renew the certificate; the service takes the new file without a restart";
    let expiry = if !certificate.is_valid(now) {
        let found = format!("not valid now; it expires at {expires_at}");
        Finding::new("tls certificate", Verdict::Failed, found).with_advice(renew)
    } else if expires_at - now < SOON {
        Finding::new(
            "tls certificate",
            Verdict::Warning,
            format!("expires at {expires_at}"),
        )
        .with_advice(renew)
    } else {
        Finding::new(
            "tls certificate",
            Verdict::Ok,
            format!("valid until {expires_at}"),
        )
    };
    let (verdict, found) = match certificate.chain() {
        Chain::OneCertificate => (
            Verdict::Unknown,
            "one certificate; whether clients know who signed it was not tested",
        ),
        Chain::Complete => (
            Verdict::Ok,
            "each certificate is signed by the next one; whether clients know the last was not tested",
        ),
        Chain::Broken => (
            Verdict::Warning,
            "the certificates do not sign one another in the order of the file",
        ),
        Chain::NotChecked => (
            Verdict::Unknown,
            "not checked, because a certificate is not valid now",
        ),
    };
    let mut chained = Finding::new("tls chain", verdict, found);
    if verdict == Verdict::Warning {
        let advice =
            "put the service's certificate first, then the authorities between it and the root";
        chained = chained.with_advice(advice);
    }
    vec![files, expiry, chained]
}
