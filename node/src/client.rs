//! Requests to peers (protocol §6): TLS 1.3, HTTP/1.1, no redirects, limits on size and time, no private addresses
//! unless configured. Signs what must be signed.

use crate::clock::{Clock, random};
use crate::keys::Keys;
use crate::problem::{Code, Outcome, Problem};
use bytes::Bytes;
use hefu_federation::key::KeyId;
use hefu_federation::request::{self, Parts};
use hefu_schemas::id::{Did, Origin};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for one answer, body included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Time without a byte after which a drip is cut off.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for an answer that the peer has to compute first: a tally, for which it may have to pull and reconcile.
const COMPUTED_TIMEOUT: Duration = Duration::from_secs(600);
/// How long the roots of the system are kept before they are read again.
const ROOTS_KEPT: Duration = Duration::from_secs(600);
/// Longest answer that says why there is none, bytes.
const MAX_PROBLEM_LEN: usize = 8 * 1024;
/// Most of it that is quoted.
const MAX_QUOTED_CHARS: usize = 300;

/// Seconds that clocks may differ: a signed request may be so much ahead (protocol P-7.5).
const MAX_CLOCK_DIFFERENCE_S: i64 = 60;

/// How long a client waits for a peer. A peer that is slower than this ends the round with it; the rounds with others go on beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Without a byte.
    pub read: Duration,
    /// For one whole answer.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { read: READ_TIMEOUT, answer: ANSWER_TIMEOUT }
    }
}

/// Who a client speaks for.
pub struct Identity {
    /// Our DID.
    pub did: Did,
    /// Our keys: requests are signed with the request key.
    pub keys: Arc<Keys>,
    /// Time of signing.
    pub clock: Arc<Clock>,
}

/// A client for one peer.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    allow_private: bool,
    /// `None`: requests that must be signed cannot be made.
    identity: Option<Arc<Identity>>,
}

/// What a server showed besides its answer.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The answer; `None` when there is no such resource.
    pub body: Option<Bytes>,
    /// The server's clock, as its `Date` header says (RFC 9110 §6.6.1).
    pub date: Option<String>,
    /// Its certificate, DER.
    pub certificate: Option<Vec<u8>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base)
    }
}

impl Client {
    /// A client for a peer's origin; `ca_pem` adds roots for its certificate.
    ///
    /// # Errors
    /// The certificates do not read.
    pub fn new(identity: Arc<Identity>, origin: &Origin, ca_pem: Option<&str>, allow_private: bool) -> Outcome<Self> {
        Self::with_patience(identity, origin, ca_pem, allow_private, Patience::default())
    }

    /// A client that waits so long.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_patience(
        identity: Arc<Identity>,
        origin: &Origin,
        ca_pem: Option<&str>,
        allow_private: bool,
        patience: Patience,
    ) -> Outcome<Self> {
        Self::with_timeouts(Some(identity), origin, ca_pem, allow_private, (patience.read, patience.answer))
    }

    /// A client that waits for answers which the peer has to compute first.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn patient(
        identity: Arc<Identity>,
        origin: &Origin,
        ca_pem: Option<&str>,
        allow_private: bool,
    ) -> Outcome<Self> {
        Self::with_timeouts(Some(identity), origin, ca_pem, allow_private, (COMPUTED_TIMEOUT, COMPUTED_TIMEOUT))
    }

    /// A client of nobody's, for public resources.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn anonymous(origin: &Origin, ca_pem: Option<&str>, allow_private: bool) -> Outcome<Self> {
        Self::with_timeouts(None, origin, ca_pem, allow_private, (READ_TIMEOUT, READ_TIMEOUT))
    }

    fn with_timeouts(
        identity: Option<Arc<Identity>>,
        origin: &Origin,
        ca_pem: Option<&str>,
        allow_private: bool,
        (read, answer): (Duration, Duration),
    ) -> Outcome<Self> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(ca_pem)?)
            .http1_only()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(read)
            .timeout(answer)
            .tls_info(true)
            .user_agent(concat!("hefu/", env!("CARGO_PKG_VERSION")));
        if !allow_private {
            builder = builder.dns_resolver(Arc::new(PublicAddresses));
        }
        let http = builder.build().map_err(|error| Problem::new(Code::Configuration, describe(&error)))?;
        Ok(Self { http, base: origin.url(), allow_private, identity })
    }

    /// Fetches a public resource of at most `limit` bytes; `None` when the peer has none.
    ///
    /// # Errors
    /// The peer cannot be reached, answers with an error, or sends too much.
    pub async fn fetch(&self, path: &str, limit: usize) -> Outcome<Option<Bytes>> {
        let url = format!("{}/{path}", self.base);
        self.send(self.http.get(&url), &url, limit).await
    }

    /// Fetches a public resource, and what else the server shows of itself.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn look(&self, path: &str, limit: usize) -> Outcome<Shown> {
        let url = format!("{}/{path}", self.base);
        let response = self.answer(self.http.get(&url), &url).await?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
        let certificate = response.extensions().get::<reqwest::tls::TlsInfo>();
        let certificate = certificate.and_then(|info| info.peer_certificate()).map(<[u8]>::to_vec);
        Ok(Shown { body: body(response, &url, limit).await?, date, certificate })
    }

    /// Fetches with a signed request.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_signed(&self, path: &str, limit: usize) -> Outcome<Option<Bytes>> {
        let url = format!("{}/{path}", self.base);
        let headers = self.signature("GET", &url, &[])?;
        self.send(self.http.get(&url).headers(headers), &url, limit).await
    }

    /// Posts a JSON body with a signed request.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn post_signed(&self, path: &str, body: Vec<u8>, limit: usize) -> Outcome<Option<Bytes>> {
        let url = format!("{}/{path}", self.base);
        let mut headers = self.signature("POST", &url, &body)?;
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        self.send(self.http.post(&url).headers(headers).body(body), &url, limit).await
    }

    fn signature(&self, method: &str, url: &str, body: &[u8]) -> Outcome<HeaderMap> {
        let unsigned = || Problem::new(Code::Internal, "this client has no key to sign requests with");
        let identity = self.identity.as_ref().ok_or_else(unsigned)?;
        let key_id: KeyId = identity.keys.request_id(&identity.did);
        let parts = Parts { method, target_uri: url, body };
        let signed = request::sign(parts, &key_id, &identity.keys.request, identity.clock.now_s(), &random());
        let mut headers = HeaderMap::new();
        let named = [
            ("content-digest", signed.content_digest),
            ("signature-input", Some(signed.signature_input)),
            ("signature", Some(signed.signature)),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                let value = HeaderValue::from_str(&value).map_err(|error| Problem::new(Code::Internal, error))?;
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Ok(headers)
    }

    async fn send(&self, request: reqwest::RequestBuilder, url: &str, limit: usize) -> Outcome<Option<Bytes>> {
        let response = self.answer(request, url).await?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok()).and_then(server_time);
        body(response, url, limit).await.map_err(|problem| self.with_clocks(problem, date))
    }

    /// A request that a peer does not accept may have the wrong time on it: then the two clocks are told.
    fn with_clocks(&self, mut problem: Problem, date: Option<i64>) -> Problem {
        let refused = problem.extra.get("peerCode").and_then(|code| code.as_str());
        if let (Some(date), Some(identity)) = (date, &self.identity)
            && refused == Some(Code::Unauthenticated.as_str())
        {
            let apart = identity.clock.now_s() - date;
            if apart.abs() > MAX_CLOCK_DIFFERENCE_S {
                let way = if apart < 0 { "behind" } else { "ahead of" };
                problem.detail.push_str(&format!(
                    "; our clock is {} s {way} the peer's: compare the clocks of both nodes",
                    apart.abs()
                ));
            }
        }
        problem
    }

    async fn answer(&self, request: reqwest::RequestBuilder, url: &str) -> Outcome<reqwest::Response> {
        self.check_literal_address()?;
        request.send().await.map_err(|error| unavailable(url, &error))
    }

    /// A name is checked when it is resolved; an address written into the URL never is.
    fn check_literal_address(&self) -> Outcome<()> {
        // As the URL parser reads it: `0x7f.1` and `2130706433` are 127.0.0.1 (WHATWG URL, IPv4 parser).
        let url = reqwest::Url::parse(&self.base).map_err(|_| Problem::new(Code::BadRequest, "expected https URL"))?;
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) if !self.allow_private && is_private(address) => {
                Err(Problem::new(Code::PeerUnavailable, "private address: set allow_private_addresses to allow it"))
            }
            _ => Ok(()),
        }
    }
}

/// Seconds of an HTTP date (RFC 9110 §5.6.7), e.g. `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn server_time(date: &str) -> Option<i64> {
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(parsed.as_second())
}

/// Reads an answer of at most `limit` bytes; `None` when there is no such resource.
async fn body(mut response: reqwest::Response, url: &str, limit: usize) -> Outcome<Option<Bytes>> {
    let too_large =
        || Problem::new(Code::PeerMisbehaved, format!("{url}: the answer is over the limit of {limit} bytes"));
    let status = response.status();
    if status == reqwest::StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !status.is_success() {
        return Err(refusal(response, url).await);
    }
    if response.content_length().is_some_and(|len| len > u64::try_from(limit).unwrap_or(u64::MAX)) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unavailable(url, &error))? {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.into()))
}

/// Why there is no answer: as the peer says, or its status alone.
async fn refusal(mut response: reqwest::Response, url: &str) -> Problem {
    let (status, mut said) = (response.status(), Vec::new());
    // What is longer, or breaks off, is no problem of ours: the status is enough.
    while let Ok(Some(chunk)) = response.chunk().await {
        said.extend_from_slice(&chunk);
        if said.len() > MAX_PROBLEM_LEN {
            break;
        }
    }
    let answered = serde_json::from_slice(&said).ok().and_then(|said| Problem::from_json(&said));
    let why = answered.as_ref().map_or_else(|| status.to_string(), |problem| format!("{status} {}", quoted(problem)));
    Problem::new(Code::PeerUnavailable, format!("{url}: {why}"))
        .with("peerCode", answered.map_or(serde_json::Value::Null, |problem| problem.code.as_str().into()))
}

/// What a peer says, short and on one line: it ends in our log and on our screens.
fn quoted(said: impl std::fmt::Display) -> String {
    said.to_string().chars().filter(|char| !char.is_control()).take(MAX_QUOTED_CHARS).collect()
}

fn unavailable(url: &str, error: &reqwest::Error) -> Problem {
    Problem::new(Code::PeerUnavailable, format!("{url}: {}", describe(error)))
}

fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}

/// Roots of the system, as they were at most [`ROOTS_KEPT`] ago: they are some hundred files.
fn system_roots() -> RootCertStore {
    static READ: Mutex<Option<(Instant, RootCertStore)>> = Mutex::new(None);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, roots)) = &*read
        && at.elapsed() < ROOTS_KEPT
    {
        return roots.clone();
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    *read = (!roots.is_empty()).then(|| (Instant::now(), roots.clone()));
    roots
}

/// Roots of the system, and the given ones.
fn tls(ca_pem: Option<&str>) -> Outcome<rustls::ClientConfig> {
    let mut roots = system_roots();
    if let Some(pem) = ca_pem {
        let unusable =
            |error: &dyn std::fmt::Display| Problem::new(Code::Configuration, format!("CA certificate: {error}"));
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(certificate.map_err(|error| unusable(&error))?).map_err(|error| unusable(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Problem::new(Code::Internal, error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Resolves names to public addresses only: a peer's name must not lead into our own network.
#[derive(Debug)]
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| !is_private(address.ip())).collect();
            if public.is_empty() {
                return Err("private address: set allow_private_addresses to allow it".into());
            }
            Ok::<Addrs, Box<dyn std::error::Error + Send + Sync>>(Box::new(public.into_iter()))
        })
    }
}

/// Loopback, private, link-local, unspecified, multicast, shared and documentation ranges.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b))
        }
        IpAddr::V6(v6) => {
            let [first, second, third, _, _, _, seventh, eighth] = v6.segments();
            // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address.
            let translated = match (first, second) {
                (0x64, 0xff9b) => Some((seventh, eighth)),
                (0x2002, high) => Some((high, third)),
                _ => None,
            };
            translated.is_some_and(|(high, low)| is_private(IpAddr::V4(v4_of(high, low))))
                || v6.to_ipv4_mapped().is_some_and(|v4| is_private(IpAddr::V4(v4)))
                || v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xffc0) == 0xfe80
        }
    }
}

fn v4_of(high: u16, low: u16) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_our_own_network_are_private() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "240.0.0.1",
            "198.18.0.1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "2606:4700::1111", "172.32.0.1"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
