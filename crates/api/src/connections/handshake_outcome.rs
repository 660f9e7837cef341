//! How a TLS handshake ended.

use std::io::{Error, ErrorKind};

use tokio_rustls::rustls::{self, CertificateError, InvalidMessage};

use super::activity::Cut;
use super::socket::TooLong;

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandshakeOutcome {
    /// A connection was made.
    Completed,
    /// The client did not finish in time.
    TimedOut,
    /// A new connection took the place, or the service stops.
    Closed,
    /// The client closed the connection first.
    ClosedByClient,
    /// The client sent too much.
    TooLong,
    /// What the client sent is not TLS, such as plain HTTP.
    NotTls,
    /// Client and service have no version, cipher suite or protocol in common.
    NothingInCommon,
    /// The client does not accept the service's certificate, or gave up for another reason.
    RejectedByClient,
    /// The client's certificate has expired, or is not valid yet.
    ClientCertificateExpired,
    /// No authority in the file has signed the client's certificate.
    ClientCertificateUnknown,
    /// The client's certificate can't be used for another reason.
    ClientCertificateRefused,
    /// The client broke the protocol.
    Failed,
}

impl HandshakeOutcome {
    /// All outcomes, so that each is counted from the start.
    const ALL: [Self; 12] = [
        Self::Completed,
        Self::TimedOut,
        Self::Closed,
        Self::ClosedByClient,
        Self::TooLong,
        Self::NotTls,
        Self::NothingInCommon,
        Self::RejectedByClient,
        Self::ClientCertificateExpired,
        Self::ClientCertificateUnknown,
        Self::ClientCertificateRefused,
        Self::Failed,
    ];

    /// Returns the word in metrics and in the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::ClosedByClient => "closed_by_client",
            Self::TooLong => "too_long",
            Self::NotTls => "not_tls",
            Self::NothingInCommon => "nothing_in_common",
            Self::RejectedByClient => "rejected_by_client",
            Self::ClientCertificateExpired => "client_certificate_expired",
            Self::ClientCertificateUnknown => "client_certificate_unknown",
            Self::ClientCertificateRefused => "client_certificate_refused",
            Self::Failed => "failed",
        }
    }

    pub(super) fn count(self) {
        self.counter().increment(1);
    }

    /// Makes each outcome appear in the metrics, with 0 until one is counted.
    pub(super) fn show_all() {
        for outcome in Self::ALL {
            outcome.counter().increment(0);
        }
    }

    fn counter(self) -> metrics::Counter {
        metrics::counter!("engine_roles_tls_handshakes_total", "outcome" => self.as_str())
    }

    fn of_library(error: &rustls::Error) -> Self {
        use rustls::Error as Tls;
        match error {
            Tls::InvalidCertificate(error) => Self::of_certificate(error),
            Tls::AlertReceived(_) => Self::RejectedByClient,
            Tls::PeerIncompatible(_) | Tls::NoApplicationProtocol => Self::NothingInCommon,
            Tls::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge,
            ) => Self::NotTls,
            _ => Self::Failed,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::ClientCertificateExpired,
            // An authority of the same name as a known one has signed with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::ClientCertificateUnknown
            }
            _ => Self::ClientCertificateRefused,
        }
    }
}

impl From<&Error> for HandshakeOutcome {
    fn from(error: &Error) -> Self {
        let cause = error.get_ref();
        if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
            return Self::of_library(error);
        }
        if cause
            .and_then(|cause| cause.downcast_ref::<TooLong>())
            .is_some()
        {
            return Self::TooLong;
        }
        match error.kind() {
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => Self::ClosedByClient,
            _ => Self::Failed,
        }
    }
}

impl From<Cut> for HandshakeOutcome {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::SlowHead | Cut::StalledReader | Cut::Idle => Self::TimedOut,
            Cut::Replaced | Cut::Stopping | Cut::Aborted => Self::Closed,
        }
    }
}
