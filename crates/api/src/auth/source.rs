//! The address that a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The header in which a proxy adds the address that a request came from.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies in front of the service, whose word about the address of a client is taken.
#[derive(Clone, Debug, Default)]
pub(super) struct TrustedProxies(pub(super) Vec<IpNet>);

impl TrustedProxies {
    /// Returns the address of the client. `peer` is the address that the connection comes from. Each
    /// proxy adds the address that it got the request from, so the client is the last one that is no
    /// trusted proxy.
    pub(super) fn source(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut source = peer.to_canonical();
        let values = headers.get_all(FORWARDED_FOR).iter();
        let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        let named = values.iter().flat_map(|value| value.split(','));
        for address in named.collect::<Vec<_>>().into_iter().rev() {
            if !self.contains(source) {
                break;
            }
            match read(address.trim()) {
                Some(address) => source = address.to_canonical(),
                None => break,
            }
        }
        source
    }

    /// Returns what the proxy that a connection comes from says in a header; none where it is not trusted, or
    /// says nothing. A proxy appends to what it got, so that only the last element is its own word: those
    /// before it may have been sent by the client.
    pub(super) fn forwarded<'a>(
        &self,
        peer: IpAddr,
        headers: &'a HeaderMap,
        header: &str,
    ) -> Option<&'a str> {
        if !self.contains(peer.to_canonical()) {
            return None;
        }
        let value = headers.get_all(header).iter().next_back()?;
        let last = value.to_str().ok()?.rsplit(',').next()?.trim();
        (!last.is_empty()).then_some(last)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }
}

/// Reads an address. Some proxies add the client's port, such as `192.0.2.9:8080` or `[2001:db8::1]:443`.
fn read(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let in_brackets = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::from)
    };
    address.or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_last_element_of_the_last_header_is_the_word_of_a_trusted_proxy() {
        let net = "10.0.0.0/8".parse().expect("a net");
        let proxies = TrustedProxies(vec![net]);
        for (peer, headers, forwarded) in [
            ("10.1.2.3", &[][..], None),
            ("10.1.2.3", &["https"], Some("https")),
            ("::ffff:10.1.2.3", &["https"], Some("https")),
            ("192.0.2.9", &["https"], None),
            // The client sent the first element.
            ("10.1.2.3", &["https, http"], Some("http")),
            ("10.1.2.3", &["https", "http"], Some("http")),
            ("10.1.2.3", &["a,b", "c , d "], Some("d")),
            // The proxy's own element says nothing, and no other counts in its place.
            ("10.1.2.3", &["https,"], None),
            ("10.1.2.3", &["https", ""], None),
            ("10.1.2.3", &["https", "h\u{e9}"], None),
        ] {
            let mut map = HeaderMap::new();
            for header in headers {
                let value = HeaderValue::from_bytes(header.as_bytes());
                map.append("x-forwarded-proto", value.expect("a value"));
            }
            let peer = peer.parse().expect("an address");
            let found = proxies.forwarded(peer, &map, "x-forwarded-proto");
            assert_eq!(found, forwarded, "{headers:?}");
        }
    }

    #[test]
    fn the_source_is_the_last_address_that_is_no_trusted_proxy() {
        let nets = ["10.0.0.0/8", "fd00::/8"];
        let proxies = TrustedProxies(nets.map(|net| net.parse().expect("a net")).into());
        let none = TrustedProxies::default();
        let (proxy, stranger) = ("10.1.2.3", "192.0.2.9");
        for (trusted, peer, headers, source) in [
            (&none, proxy, &["198.51.100.7"][..], proxy),
            (&proxies, stranger, &["198.51.100.7"], stranger),
            (&proxies, proxy, &[], proxy),
            (&proxies, proxy, &["198.51.100.7"], "198.51.100.7"),
            (
                &proxies,
                "::ffff:10.1.2.3",
                &["198.51.100.7"],
                "198.51.100.7",
            ),
            // What the client itself sent is before what the first proxy added.
            (
                &proxies,
                proxy,
                &["127.0.0.1, 198.51.100.7"],
                "198.51.100.7",
            ),
            (&proxies, proxy, &["198.51.100.7, 10.9.9.9"], "198.51.100.7"),
            (
                &proxies,
                proxy,
                &["198.51.100.7", "fd00::1"],
                "198.51.100.7",
            ),
            (&proxies, proxy, &["198.51.100.7, nonsense"], proxy),
            (&proxies, proxy, &["10.0.0.5, 10.0.0.6"], "10.0.0.5"),
            // Some proxies add the port.
            (&proxies, proxy, &["1.2.3.6:8080"], "1.2.3.6"),
            (
                &proxies,
                proxy,
                &["9.9.9.9, 1.2.3.6:1, 10.0.0.6:2"],
                "1.2.3.6",
            ),
            (&proxies, proxy, &["[2001:db8::1]:443"], "2001:db8::1"),
            (&proxies, proxy, &["[2001:db8::1]"], "2001:db8::1"),
            (&proxies, proxy, &["[::ffff:1.2.3.6]:443"], "1.2.3.6"),
            (&proxies, proxy, &["1.2.3.6:port"], proxy),
            (&proxies, proxy, &["[1.2.3.6]"], proxy),
            (&proxies, proxy, &["[2001:db8::1"], proxy),
        ] {
            let mut map = HeaderMap::new();
            for header in headers {
                map.append(FORWARDED_FOR, header.parse().expect("a value"));
            }
            let found = trusted.source(peer.parse().expect("an address"), &map);
            assert_eq!(found.to_string(), source, "{headers:?}");
        }
    }
}
