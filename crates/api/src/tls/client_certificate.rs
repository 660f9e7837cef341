//! The certificate of a client.

use chrono::{DateTime, Utc};
use engine_roles_provisioner::Permit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner};
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};

/// The longest subject that is used.
const LONGEST_SUBJECT: usize = 255;

/// The certificate of a client, which an authority of `--tls-client-ca` has signed; an extension of
/// each request on the client's connection until the certificate expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whom the certificate names: the first of its alternative names that is a URI (`uri:…`), else the
    /// first that is a DNS name (`dns:…`, in lower case), else the only common name (`cn:…`), unless an
    /// authority limits the names: such limits do not concern common names. The prefix keeps a name of
    /// one kind from passing for a name of another kind.
    pub subject: String,
    /// The last moment at which the certificate is valid.
    pub expires_at: DateTime<Utc>,
}

impl ClientCertificate {
    /// Reads a certificate whose signature was verified; `None` when it names nobody.
    pub(super) fn read(der: &[u8], may_use_common_name: impl FnOnce() -> bool) -> Option<Self> {
        let certificate = CertificateInner::<Raw>::from_der(der);
        let certificate = certificate.inspect_err(|error| {
            debug!(%error, "certificate of a client could not be read");
        });
        let certificate = certificate.ok()?;
        let certificate = certificate.tbs_certificate();
        let not_after = certificate.validity().not_after.to_unix_duration();
        Some(Self {
            subject: subject(certificate, may_use_common_name).filter(|name| is_usable(name))?,
            expires_at: DateTime::UNIX_EPOCH + not_after,
        })
    }

    /// Returns what the certificate permits from now on: it ends with the certificate.
    pub(crate) fn permit(&self, now: DateTime<Utc>) -> Permit {
        let left = (self.expires_at - now).to_std().unwrap_or_default();
        // A time that the clock can't express is never reached.
        Permit::new(CancellationToken::new(), Instant::now().checked_add(left))
    }

    pub(crate) fn is_valid(&self, now: DateTime<Utc>) -> bool {
        now <= self.expires_at
    }
}

fn subject(
    certificate: &TbsCertificateInner<Raw>,
    may_use_common_name: impl FnOnce() -> bool,
) -> Option<String> {
    let names = certificate.get_extension::<SubjectAltName>().ok()?;
    let names = names.map(|(_, SubjectAltName(names))| names);
    let names = names.unwrap_or_default();
    let uri = names.iter().find_map(|name| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(format!("uri:{uri}")),
        _ => None,
    });
    let dns = names.iter().find_map(|name| match name {
        GeneralName::DnsName(name) => Some(format!("dns:{}", name.as_str().to_ascii_lowercase())),
        _ => None,
    });
    let common_name = || {
        let mut names = certificate.subject().iter();
        let name = names.find(|part| part.oid == COMMON_NAME)?;
        // Others may mean the second one.
        let is_only_one = names.all(|part| part.oid != COMMON_NAME);
        let name = DirectoryString::try_from(&name.value).ok()?;
        (is_only_one && may_use_common_name()).then(|| format!("cn:{}", String::from(name)))
    };
    uri.or(dns).or_else(common_name)
}

/// Returns whether a name can be compared and logged.
fn is_usable(name: &str) -> bool {
    let is_named = !name.ends_with(':');
    is_named && name.len() <= LONGEST_SUBJECT && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, string::Ia5String};

    use super::*;

    fn uri(text: &str) -> SanType {
        SanType::URI(Ia5String::try_from(text).expect("ASCII"))
    }

    fn dns(text: &str) -> SanType {
        SanType::DnsName(Ia5String::try_from(text).expect("ASCII"))
    }

    fn subject_of(common_name: Option<&str>, names: Vec<SanType>) -> Option<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = names;
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        ClientCertificate::read(certificate.der(), || true).map(|read| read.subject)
    }

    #[test]
    fn the_subject_is_the_first_uri_else_the_first_dns_name_else_the_common_name() {
        let address = || SanType::IpAddress([127, 0, 0, 1].into());
        for (common_name, names, subject) in [
            (Some("manager"), vec![], Some("cn:manager")),
            (Some("manager"), vec![address()], Some("cn:manager")),
            (
                Some("manager"),
                vec![dns("Manager.Example"), dns("other.example")],
                Some("dns:manager.example"),
            ),
            (
                Some("manager"),
                vec![dns("manager.example"), uri("spiffe://example/manager")],
                Some("uri:spiffe://example/manager"),
            ),
            (None, vec![], None),
            (Some(""), vec![], None),
            (Some("a\nb"), vec![], None),
            (Some(&"a".repeat(300)), vec![], None),
        ] {
            assert_eq!(subject_of(common_name, names).as_deref(), subject);
        }
    }

    #[test]
    fn a_common_name_is_not_used_where_there_are_several_or_names_are_limited() {
        let key = KeyPair::generate().expect("a key");
        let subject = |common_names: &[&str], names, may_use_common_name| {
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            // Two kinds of the library, of one kind in the certificate.
            let kinds = [DnType::CommonName, DnType::CustomDnType(vec![2, 5, 4, 3])];
            for (kind, name) in kinds.into_iter().zip(common_names) {
                params.distinguished_name.push(kind, *name);
            }
            params.subject_alt_names = names;
            let certificate = params.self_signed(&key).expect("a certificate");
            let read = ClientCertificate::read(certificate.der(), || may_use_common_name);
            read.map(|read| read.subject)
        };
        let cn = Some("cn:manager".to_owned());
        let by_dns = Some("dns:a.example".to_owned());
        assert_eq!(subject(&["manager"], vec![], true), cn);
        assert_eq!(subject(&["manager"], vec![], false), None);
        assert_eq!(subject(&["manager", "other"], vec![], true), None);
        let names = || vec![dns("a.example")];
        assert_eq!(subject(&["manager", "other"], names(), true), by_dns);
        assert_eq!(subject(&["manager"], names(), false), by_dns);
    }

    #[test]
    fn a_name_of_one_kind_does_not_pass_for_one_of_another_kind() {
        let by_name = subject_of(Some("uri:spiffe://example/manager"), vec![]);
        assert_eq!(by_name.as_deref(), Some("cn:uri:spiffe://example/manager"));
    }

    #[test]
    fn what_is_no_certificate_names_nobody() {
        assert_eq!(ClientCertificate::read(b"no certificate", || true), None);
    }
}
