//! The URL of the database: where it is found, and which URLs can be used.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use engine_roles_files::Contents;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

/// The variable that names a file of passwords, as libpq has it.
const PASSWORD_FILE: &str = "PGPASSFILE";

/// Where the database's URL is found.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// The URL itself, which may contain a password.
    Text(SecretString),
    /// A file with the URL, which is read again when Postgres refuses the password.
    File(PathBuf),
}

impl DatabaseUrl {
    /// Reads the URL for the first time. The file may be a pipe.
    pub(crate) fn read(&self) -> Result<PgConnectOptions, UrlError> {
        parse(self.text(engine_roles_files::read_once)?.expose_secret())
    }

    /// Reads the URL again, and the file of the password, which sqlx reads with it.
    pub(crate) fn read_again(&self) -> Result<PgConnectOptions, UrlError> {
        let url = self.text(engine_roles_files::read)?;
        if let Some(path) = std::env::var_os(PASSWORD_FILE).map(PathBuf::from) {
            // sqlx would wait for a pipe, and read a file of any size.
            match engine_roles_files::read(&path) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(UrlError::File { path, source });
                }
                _ => {}
            }
        }
        parse(url.expose_secret())
    }

    fn text(&self, read: fn(&Path) -> std::io::Result<Contents>) -> Result<SecretString, UrlError> {
        match self {
            Self::Text(url) => Ok(url.clone()),
            Self::File(path) => {
                let url = read(path)
                    .and_then(Contents::into_text)
                    .map(SecretString::from);
                let url = url.map_err(|source| UrlError::File {
                    path: path.clone(),
                    source,
                })?;
                Ok(url.expose_secret().trim().into())
            }
        }
    }
}

/// Why a database URL can't be used. The URL may contain a password, so no message repeats it.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The file can't be read.
    #[error("the file {} can't be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it can't be read.
        #[source]
        source: std::io::Error,
    },
    /// The file system does not answer.
    #[error("the file of the URL, or of the password, can't be read in time")]
    Unanswered(#[source] std::io::Error),
    /// The scheme is that of another database.
    #[error("the URL must begin with postgres:// or postgresql://")]
    Scheme,
    /// The URL names several servers.
    #[error(
        "the URL names several hosts, which is not supported: name the one address that always \
         leads to the writable server, such as the endpoint of the cluster or of a proxy"
    )]
    SeveralHosts,
    /// The URL has a parameter that is not supported.
    #[error("the URL's parameter {name} is not supported: {advice}")]
    Parameter {
        /// The name of the parameter.
        name: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// The URL has a parameter that nothing reads.
    #[error(
        "the URL has a parameter that is not known{}: the known ones are {}",
        quoted(name.as_deref()),
        KNOWN.join(", ")
    )]
    UnknownParameter {
        /// The name of the parameter; none where the text may be a part of a password.
        name: Option<String>,
    },
    /// A variable of libpq, which says what the URL leaves out, can't be used.
    #[error("the variable {name} must be {rule}")]
    Variable {
        /// The name of the variable.
        name: &'static str,
        /// What its value must be.
        rule: &'static str,
    },
    /// The URL has another form.
    #[error("the URL must be of the form postgres://user:password@host:port/database")]
    Form(#[source] sqlx::Error),
}

/// Parameters of libpq whose loss would change where the service connects or how long it waits, each
/// with what to do instead. `target_session_attrs` is checked separately.
const REFUSED: [(&str, &str); 3] = [
    (
        "connect_timeout",
        "leave it out; an attempt to connect ends after 10 seconds",
    ),
    (
        "load_balance_hosts",
        "leave it out and name one address that leads to the writable server",
    ),
    (
        "passfile",
        "name the file in the variable PGPASSFILE instead",
    ),
];

/// The parameters that sqlx reads. It ignores others, and logs them with their values.
const KNOWN: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Returns whether sqlx reads a parameter. It may be encoded.
fn is_known(name: &str) -> bool {
    let is_option = |name: &str| name.starts_with("options[") || name.starts_with("options%5");
    KNOWN.contains(&name) || is_option(name)
}

fn quoted(name: Option<&str>) -> String {
    name.map(|name| format!(", {name}")).unwrap_or_default()
}

/// The modes of TLS that libpq and sqlx know.
const SSL_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// Checks the variables that sqlx reads and ignores where it can't use them: a misspelt mode would mean a
/// connection without TLS.
fn check_variables(variable: impl Fn(&str) -> Option<String>) -> Result<(), UrlError> {
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    if variable("PGPORT").is_some_and(|port| !is_port(&port)) {
        return Err(UrlError::Variable {
            name: "PGPORT",
            rule: "a number from 0 to 65535",
        });
    }
    let is_mode = |text: &str| SSL_MODES.iter().any(|it| it.eq_ignore_ascii_case(text));
    if variable("PGSSLMODE").is_some_and(|mode| !is_mode(&mode)) {
        return Err(UrlError::Variable {
            name: "PGSSLMODE",
            rule: "disable, allow, prefer, require, verify-ca or verify-full",
        });
    }
    Ok(())
}

/// Reads a URL.
pub(crate) fn parse(url: &str) -> Result<PgConnectOptions, UrlError> {
    // An empty variable counts as not set.
    check_variables(|name| std::env::var(name).ok().filter(|it| !it.is_empty()))?;
    let rest = url.strip_prefix("postgres://");
    let rest = rest.or_else(|| url.strip_prefix("postgresql://"));
    let rest = rest.ok_or(UrlError::Scheme)?;
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split_once('/').map_or(place, |(host, _)| host);
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, it)| it);
    let parameters = parameters.split('&').filter(|pair| !pair.is_empty());
    let parameters = parameters.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    if hosts.contains(',') {
        return Err(UrlError::SeveralHosts);
    }
    let mut kept = Vec::new();
    for (name, value) in parameters {
        if let Some((name, advice)) = REFUSED.into_iter().find(|(it, _)| *it == name) {
            return Err(UrlError::Parameter { name, advice });
        }
        match (name, value) {
            ("host" | "hostaddr" | "port", value) if value.contains([',', '%']) => {
                // A percent sign: the host may be the path of a socket, but not a list.
                if value.contains(',') || value.to_ascii_lowercase().contains("%2c") {
                    return Err(UrlError::SeveralHosts);
                }
                kept.push(format!("{name}={value}"));
            }
            // The service leaves a server that is not writable in any case.
            ("target_session_attrs", "any" | "read-write" | "primary") => {}
            ("target_session_attrs", _) => {
                return Err(UrlError::Parameter {
                    name: "target_session_attrs",
                    advice: "the service needs a writable server; leave it out, or set read-write",
                });
            }
            (name, value) if is_known(name) => kept.push(format!("{name}={value}")),
            (name, _) => {
                let is_word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
                // After a password with `&` that is not encoded, the name is a part of it.
                let follows_password = kept.iter().any(|pair| pair.starts_with("password="));
                let is_shown = name.chars().all(is_word) && !follows_password;
                let name = is_shown.then(|| name.to_owned());
                return Err(UrlError::UnknownParameter { name });
            }
        }
    }
    let url = format!("postgres://{place}?{}", kept.join("&"));
    url.parse().map_err(UrlError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_in_every_notation_of_a_url_is_accepted() {
        for url in [
            "postgres://user:pass@host:5432/database",
            "postgresql://host/database",
            "postgres://user:a,b%40c@host/database?sslmode=disable",
            "postgres:///database?host=/var/run/postgresql&user=someone",
            "postgres:///database?host=%2Fvar%2Frun%2Fpostgresql",
            "postgres://host/database?target_session_attrs=read-write&sslmode=require",
            "postgres://[::1]:5433/database",
            "postgres://host/database?options[search_path]=a&options%5Bwork_mem%5D=1MB&options=-c%20x",
        ] {
            assert!(parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_would_connect_elsewhere_or_otherwise_is_refused_with_what_to_do() {
        let refused = |url: &str| parse(url).expect_err("refused").to_string();
        for url in [
            "postgres://a,b/database?target_session_attrs=read-write",
            "postgres://user:pass@a:5432,b:5433/database",
            "postgres:///database?host=a,b",
            "postgres:///database?host=a%2Cb",
        ] {
            assert!(refused(url).contains("several hosts"), "{url}");
        }
        assert!(refused("mysql://host/database").contains("postgres://"));
        assert!(refused("host=a dbname=b").contains("postgres://"));
        assert!(refused("postgres://a/b?connect_timeout=3").contains("10 seconds"));
        assert!(refused("postgres://a/b?target_session_attrs=standby").contains("writable"));
        let unknown = refused("postgres://a/b?pasword=secret");
        assert!(unknown.contains("not known, pasword: the known ones are application_name"));
        assert!(refused("postgres://a/b?sslmod").contains("not known, sslmod: "));
        assert!(refused("postgres://a/b?sslmode").contains("of the form"));
        for url in [
            "postgres://user:secret@a,b/c",
            "mysql://user:secret@a/c",
            "postgres://a/b?pasword=secret",
            "postgres://user:pass?secret@a/c=1",
            "postgres://a/b?password=ab&secret=",
            "postgres://a/b?password=ab&secret",
        ] {
            assert!(!refused(url).contains("secret"), "{url}");
        }
    }

    #[test]
    fn variables_that_can_not_be_used_are_refused_by_name() {
        let checked = |name: &'static str, value: &'static str| {
            check_variables(|it| (it == name).then(|| value.to_owned()))
        };
        for (name, right, wrong) in [
            ("PGPORT", ["0", "5432", "65535"], ["-1", "abc", "65536"]),
            (
                "PGSSLMODE",
                ["disable", "Require", "verify-full"],
                ["none", "bogus", "verify"],
            ),
        ] {
            for value in right {
                assert!(checked(name, value).is_ok(), "{name}={value}");
            }
            for value in wrong {
                let error = checked(name, value).expect_err(value).to_string();
                assert!(
                    error.contains(&format!("the variable {name} must be ")),
                    "{error}"
                );
            }
        }
    }
}
