//! Builds and changes database URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::PostgresError;

/// Every character except RFC 3986's unreserved ones.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The parameters that `tokio-postgres` accepts. `tokio-postgres` rejects others, such as those of
/// sqlx.
const KNOWN: [&str; 18] = [
    "user",
    "password",
    "options",
    "application_name",
    "sslmode",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// Returns the URL of the default database of a server on a loopback port.
pub(crate) fn on_loopback(port: u16, password: &str) -> String {
    format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres?sslmode=disable")
}

/// Returns the URL of another database on the same server.
pub(crate) fn with_database(url: &str, name: &str) -> Result<String, PostgresError> {
    let (before, _, parameters) = split(url)?;
    let name = utf8_percent_encode(name, RESERVED);
    // A `dbname` parameter would override the path.
    let parameters = join(parameters, |key| key != "dbname");
    Ok(format!("{before}/{name}{parameters}"))
}

/// Returns the URL without parameters that `tokio-postgres` would reject.
pub(crate) fn for_tokio_postgres(url: &str) -> Result<String, PostgresError> {
    let (before, path, parameters) = split(url)?;
    let parameters = join(parameters, |key| key == "dbname" || KNOWN.contains(&key));
    Ok(format!("{before}/{path}{parameters}"))
}

/// Splits a URL into scheme and authority, path without its slash, and parameters without the
/// question mark.
fn split(url: &str) -> Result<(&str, &str, &str), PostgresError> {
    let invalid = |reason: &str| PostgresError::Url {
        reason: reason.to_owned(),
    };
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| invalid("the URL has no scheme"))?;
    if scheme != "postgres" && scheme != "postgresql" {
        return Err(invalid("the scheme is neither postgres nor postgresql"));
    }
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((
        &url[..scheme.len() + "://".len() + authority.len()],
        path,
        parameters,
    ))
}

fn join(parameters: &str, keep: impl Fn(&str) -> bool) -> String {
    let kept: Vec<&str> = parameters
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .filter(|parameter| keep(parameter.split('=').next().unwrap_or_default()))
        .collect();
    if kept.is_empty() {
        String::new()
    } else {
        format!("?{}", kept.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_another_database_differs_only_in_the_path() {
        let of = |url| with_database(url, "a b").unwrap();
        assert_eq!(
            of("postgres://u:p@h:1/old?sslmode=disable"),
            "postgres://u:p@h:1/a%20b?sslmode=disable"
        );
        assert_eq!(of("postgres://h"), "postgres://h/a%20b");
        assert_eq!(
            of("postgresql://h?host=/run&dbname=x"),
            "postgresql://h/a%20b?host=/run"
        );
        assert_eq!(
            of("postgres:///old?host=/run"),
            "postgres:///a%20b?host=/run"
        );
        assert!(with_database("host=x user=y", "a").is_err());
        assert!(with_database("mysql://h/x", "a").is_err());
    }

    #[test]
    fn an_error_about_a_url_does_not_contain_its_password() {
        let error = with_database("mysql://u:s3cret@h/x", "a").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }

    #[test]
    fn parameters_of_other_clients_are_removed_for_tokio_postgres() {
        let url = for_tokio_postgres(
            "postgres://h/x?statement-cache-capacity=5&sslmode=disable&dbname=y",
        )
        .unwrap();
        assert_eq!(url, "postgres://h/x?sslmode=disable&dbname=y");
        url.parse::<tokio_postgres::Config>().unwrap();
    }
}
