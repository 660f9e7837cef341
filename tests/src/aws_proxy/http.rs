//! HTTP/1.1 as far as the SDK and the sandbox use it: bodies with a length, one call at a time.

use std::io;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The header with AWS's request id.
pub(crate) const REQUEST_ID: &str = "x-amzn-requestid";

/// The headers that belong to a connection, which are not forwarded. The host is, because it is signed.
const OF_CONNECTION: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

/// A request as it came from the caller.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    /// Path and query.
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// An answer to a request.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// Reads a request; `None` when the caller has closed the connection.
    ///
    /// # Errors
    /// When the connection breaks, or the request is not one that an SDK sends.
    pub(crate) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let mut parts = line.split_whitespace();
        let method = parts.next().and_then(|method| method.parse().ok());
        let method = method.ok_or_else(invalid)?;
        let target = parts.next().ok_or_else(invalid)?.to_owned();
        let mut headers = HeaderMap::new();
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            let value = HeaderValue::from_str(value.trim()).map_err(|_| invalid())?;
            headers.append(name, value);
        }
        let length = headers.get("content-length");
        let length = length.map_or(Some(0), |length| length.to_str().ok()?.parse().ok());
        let mut body = vec![0; length.ok_or_else(invalid)?];
        stream.read_exact(&mut body).await?;
        Ok(Some(Self {
            method,
            target,
            headers,
            body,
        }))
    }

    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Returns the path, without the query.
    pub(crate) fn path(&self) -> &str {
        let path = self.target.split('?').next();
        path.unwrap_or_default()
    }

    /// Returns a parameter of the query or of the form in the body.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?').map(|(_, query)| query);
        let body = String::from_utf8_lossy(&self.body);
        let forms = [query.unwrap_or_default(), &body];
        let mut forms = forms.into_iter();
        forms.find_map(|form| {
            let mut url = Url::parse("http://form/").expect("the text is a URL");
            url.set_query(Some(form));
            let mut pairs = url.query_pairs();
            let pair = pairs.find(|(found, _)| found == name);
            pair.map(|(_, value)| value.into_owned())
        })
    }

    /// Sends the request to a server; `None` when the server closes the connection without an
    /// answer.
    pub(crate) async fn forward(&self, http: &reqwest::Client, server: &str) -> Option<Response> {
        let mut headers = self.headers.clone();
        for name in OF_CONNECTION {
            headers.remove(name);
        }
        let url = format!("{server}{}", self.target);
        let request = http.request(self.method.clone(), url).headers(headers);
        let answer = request.body(self.body.clone()).send().await.ok()?;
        let headers = answer.headers().iter();
        let headers = headers.filter(|(name, _)| !OF_CONNECTION.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| {
            let value = value.to_str().expect("the sandbox's headers are text");
            (name.to_string(), value.to_owned())
        });
        Some(Response {
            status: answer.status().as_u16(),
            headers: headers.collect(),
            body: answer.text().await.ok()?,
        })
    }
}

impl Response {
    pub(crate) fn remove_header(&mut self, name: &str) {
        self.headers
            .retain(|(found, _)| !found.eq_ignore_ascii_case(name));
    }

    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let status = StatusCode::from_u16(self.status).expect("a reply has a valid status");
        let reason = status.canonical_reason().unwrap_or_default();
        let mut head = vec![format!("HTTP/1.1 {} {reason}", self.status)];
        let headers = self.headers.iter();
        head.extend(headers.map(|(name, value)| format!("{name}: {value}")));
        head.push(format!("content-length: {}\r\n\r\n", self.body.len()));
        stream.write_all(head.join("\r\n").as_bytes()).await?;
        stream.write_all(self.body.as_bytes()).await?;
        stream.flush().await
    }
}
