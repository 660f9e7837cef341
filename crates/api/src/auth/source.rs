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

    /// Returns whether a connection comes from a trusted proxy.
    pub(super) fn is_trusted(&self, peer: IpAddr) -> bool {
        self.contains(peer.to_canonical())
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
    use super::*;

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
