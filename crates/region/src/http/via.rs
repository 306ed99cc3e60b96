//! How a request came in: who sent it, over what, and by which name of ours. Proxies in between are believed only where they are listed
//! (`http.trusted_proxies`); whoever else writes `X-Forwarded-For` writes it for nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::config::Http;

/// Seen from outside of the proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Via {
    /// By TLS, as far as we know: a cookie may say `Secure`.
    pub secure: bool,
    /// Our own name and port, as the caller wrote them.
    host: Option<String>,
    /// The origin that `http.public_url` names.
    public: Option<String>,
}

impl Via {
    #[must_use]
    pub fn of(request: &Request) -> &Self {
        const NONE: &Via = &Via { secure: false, host: None, public: None };
        request.extensions().get().unwrap_or(NONE)
    }

    /// Whether this is our own origin (`scheme://host:port`), as an `Origin` header has it.
    #[must_use]
    pub fn is_origin(&self, origin: &str) -> bool {
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        if self.public.as_deref().is_some_and(|public| public.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let fits = scheme.eq_ignore_ascii_case("https") || (scheme.eq_ignore_ascii_case("http") && !self.secure);
        // A port that is the scheme's own may be written in one and not in the other.
        let usual = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
        let bare = |host: &str| host.strip_suffix(usual).unwrap_or(host).to_ascii_lowercase();
        fits && self.host.as_deref().is_some_and(|own| bare(own) == bare(host))
    }
}

/// What the configuration says of it.
pub struct Trust {
    proxies: Vec<Net>,
    public: Option<String>,
}

/// Why the configuration can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no address and no network, as 10.0.0.1, 10.0.0.0/8 or fd00::/8")]
pub struct NoNet(String);

impl Trust {
    /// # Errors
    /// [`NoNet`].
    pub fn new(config: &Http) -> Result<Arc<Self>, NoNet> {
        let proxies = config.trusted_proxies.iter().map(|text| Net::parse(text)).collect::<Result<_, _>>()?;
        let public = config.public_url.split_once("://").map(|(scheme, rest)| {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            format!("{scheme}://{host}").to_ascii_lowercase()
        });
        Ok(Arc::new(Self { proxies, public }))
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.proxies.iter().any(|net| net.holds(ip))
    }

    /// The request's way, and its sender's address where a proxy tells it.
    fn look(&self, peer: Option<IpAddr>, uri_host: Option<&str>, headers: &HeaderMap) -> (Via, Option<IpAddr>) {
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let host = uri_host.or_else(|| text(header::HOST)).map(str::to_owned);
        let secure = self.public.as_deref().is_some_and(|public| public.starts_with("https://"));
        let mut via = Via { secure, host, public: self.public.clone() };
        if !peer.is_some_and(|peer| self.trusts(peer)) {
            return (via, None);
        }
        // The nearest proxy writes last.
        let last = |name: &str| {
            let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
            value.rsplit(',').next().map(str::trim).filter(|one| !one.is_empty())
        };
        via.secure |= last("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
        if let Some(host) = last("x-forwarded-host") {
            via.host = Some(host.to_owned());
        }
        (via, self.sender(headers))
    }

    /// The nearest address that is no proxy of ours. From the right: what stands left of it its owner may have written, whatever it is.
    fn sender(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let values = headers.get_all("x-forwarded-for").iter().rev();
        let told = values.flat_map(|value| value.to_str().unwrap_or("?").rsplit(',')).map(address);
        let mut sender = None;
        for ip in told.map_while(|ip| ip) {
            sender = Some(ip);
            if !self.trusts(ip) {
                break;
            }
        }
        sender
    }
}

/// Some proxies write the port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let ip = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|at| at.ip())).ok();
    ip.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()).map(|ip: IpAddr| ip.to_canonical())
}

/// Puts [`Via`] among the request's extensions, and the sender's address in the place of the proxy's.
pub async fn see(State(trust): State<Arc<Trust>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|connection| connection.0);
    let uri_host = request.uri().authority().map(|authority| authority.as_str());
    let (via, sender) = trust.look(peer.map(|peer| peer.ip()), uri_host, request.headers());
    if let Some(ip) = sender {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(ip, 0)));
    }
    request.extensions_mut().insert(via);
    next.run(request).await
}

/// A network, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Net {
    ip: IpAddr,
    /// Leading bits that count.
    bits: u32,
}

impl Net {
    fn parse(text: &str) -> Result<Self, NoNet> {
        let wrong = || NoNet(text.to_owned());
        let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most { Err(wrong()) } else { Ok(Self { ip, bits }) }
    }

    fn holds(&self, ip: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| self.bits == 0 || (a ^ b) >> (width - self.bits) == 0;
        match (self.ip, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn trust(public_url: &str, proxies: &[&str]) -> Arc<Trust> {
        let trusted_proxies = proxies.iter().map(|text| (*text).to_owned()).collect();
        Trust::new(&Http { public_url: public_url.into(), trusted_proxies, ..Http::default() }).unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect()
    }

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn only_listed_proxies_are_believed() {
        let told = headers(&[
            ("host", "inner:8774"),
            ("x-forwarded-for", "1.2.3.4, 10.0.0.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "region.example.org"),
        ]);
        let trust = trust("", &["10.0.0.0/8"]);
        let (via, sender) = trust.look(ip("10.1.1.1"), None, &told);
        assert_eq!((via.secure, via.host.as_deref(), sender), (true, Some("region.example.org"), ip("1.2.3.4")));
        let (via, sender) = trust.look(ip("::ffff:10.1.1.1"), None, &told);
        assert!(via.secure && sender == ip("1.2.3.4"), "a mapped address is the same address");
        for stranger in [ip("11.1.1.1"), ip("fd00::1"), None] {
            let (via, sender) = trust.look(stranger, None, &told);
            assert_eq!((via.secure, via.host.as_deref(), sender), (false, Some("inner:8774"), None));
        }
        // What the sender wrote itself stands before what the proxy added.
        let forged = headers(&[("x-forwarded-for", "9.9.9.9, 1.2.3.4")]);
        assert_eq!(trust.look(ip("10.1.1.1"), None, &forged).1, ip("1.2.3.4"));
    }

    #[test]
    fn nobody_hides_behind_what_they_wrote_into_a_header() {
        let trust = trust("", &["10.0.0.0/8", "fd00::/8"]);
        for (told, sender) in [
            ("1.2.3.4", "1.2.3.4"),
            ("9.9.9.9, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
            ("rubbish, 1.2.3.4", "1.2.3.4"),
            ("10.0.0.1, rubbish, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
            (", ,1.2.3.4", "1.2.3.4"),
            ("9.9.9.9, 1.2.3.4:4711", "1.2.3.4"),
            ("[2001:db8::1]:4711, fd00::9", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            // All of it ours: the first is the one who asked.
            ("10.0.0.7, 10.0.0.9", "10.0.0.7"),
            // What can't be read is nobody's; the proxy that wrote beside it is the one we know.
            ("rubbish, 10.0.0.9", "10.0.0.9"),
            ("rubbish", ""),
            ("", ""),
        ] {
            let told_by_proxy = headers(&[("x-forwarded-for", told)]);
            assert_eq!(trust.look(ip("10.1.1.1"), None, &told_by_proxy).1, ip(sender), "{told}");
        }
        // Two headers are one, in their order.
        let mut two = headers(&[("x-forwarded-for", "9.9.9.9")]);
        two.append("x-forwarded-for", HeaderValue::from_static("1.2.3.4"));
        assert_eq!(trust.look(ip("10.1.1.1"), None, &two).1, ip("1.2.3.4"));
    }

    #[test]
    fn an_origin_is_ours_by_scheme_name_and_port() {
        let see = |public: &str, host: &'static str| trust(public, &[]).look(None, None, &headers(&[("host", host)])).0;
        for (public, host, origin, ours) in [
            ("", "127.0.0.1:8774", "http://127.0.0.1:8774", true),
            ("", "127.0.0.1:8774", "http://127.0.0.1:8775", false),
            ("", "127.0.0.1:8774", "http://127.0.0.1", false),
            ("", "region.example.org", "https://region.example.org", true),
            ("", "region.example.org:443", "https://Region.example.org", true),
            ("", "region.example.org", "https://evil.example.org", false),
            ("", "region.example.org", "https://region.example.org.evil.org", false),
            ("", "region.example.org", "null", false),
            ("", "region.example.org", "file://", false),
            // Whoever is served by TLS does not take pages that were not.
            ("https://region.example.org/", "region.example.org", "http://region.example.org", false),
            ("https://region.example.org/x", "inner:8774", "https://region.example.org", true),
            ("https://region.example.org", "inner:8774", "https://other.example.org", false),
        ] {
            assert_eq!(see(public, host).is_origin(origin), ours, "{public} {host} {origin}");
        }
    }

    #[test]
    fn networks_are_read_or_refused() {
        for wrong in ["", "x", "10.0.0.0/33", "10.0.0.0/x", "fd00::/129", "10.0.0/8"] {
            assert_eq!(Net::parse(wrong), Err(NoNet(wrong.into())));
        }
        let holds = |net: &str, ip: &str| Net::parse(net).unwrap().holds(ip.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe00::1"));
        assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
    }
}
