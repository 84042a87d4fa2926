//! Checks over the network: the own URL as others see it, and each peer.

use super::{Check, Level, Patient, files};
use crate::client::{Client, Shown, server_time};
use crate::problem::{Outcome, Problem};
use crate::ring::ring_of;
use crate::store::{OWN, OriginRow};
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::key::Role;
use hefu_federation::note::MAX_NOTE_LEN;
use hefu_schemas::id::{Digest, Origin};
use hefu_schemas::text::Text;
use serde_json::Value;

/// Largest well-known document.
const MAX_WELL_KNOWN_LEN: usize = 16 * 1024;
/// Seconds that clocks may differ: a signed request may be so much ahead (protocol P-7.5).
const MAX_DIFFERENCE_S: i64 = 60;
/// Hours without reaching a peer after which what is held of it is stale.
const STALE_HOURS: i64 = 24;

pub(super) async fn examine(patient: &Patient<'_>, ca_pem: Option<&str>) -> Outcome<Vec<Check>> {
    let mut checks = own_url(patient, ca_pem).await?;
    let mut peers = patient.store.origins().await?;
    peers.retain(|row| row.no != OWN);
    let looked = futures_util::future::join_all(peers.iter().map(|row| look(patient, row))).await;
    let mut differences = Vec::new();
    for (row, shown) in peers.iter().zip(&looked) {
        checks.extend(peer(patient, row, shown).await?);
        let date = shown.as_ref().ok().and_then(|shown| server_time(shown.date.as_deref()?));
        differences.extend(date.map(|date| (row.origin.to_string(), patient.clock.now_s() - date)));
    }
    checks.push(clocks(&differences));
    Ok(checks)
}

async fn look(patient: &Patient<'_>, row: &OriginRow) -> Outcome<Shown> {
    let client = Client::anonymous(&row.origin, row.ca_pem.as_deref(), patient.config.allow_private_addresses)?;
    client.look("checkpoint", MAX_NOTE_LEN).await
}

/// The own clock against the peers': where most of those that answered differ the same way, it is ours that is wrong.
fn clocks(differences: &[(String, i64)]) -> Check {
    let expected = ("与对端时钟相差不超过 60 秒", "within 60 s of the peers' clocks");
    if differences.is_empty() {
        let seen = Text::new("没有可比较的对端", "no peer to compare with");
        return Check::new("clock", seen, expected).about("peers");
    }
    let mut sorted: Vec<i64> = differences.iter().map(|(_, difference)| *difference).collect();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    let seen = Text::new(format!("相差 {median} 秒"), format!("{median} s apart"));
    let check = Check::new("clock", seen, expected).about("peers");
    if median.abs() <= MAX_DIFFERENCE_S {
        return check;
    }
    check.failed(
        "校准本机时钟（NTP）；若只有一个对端，请双方都核对。",
        "set this machine's clock (NTP); with one peer alone, look at both",
    )
}

/// Whether the own URL leads to this node, from here, and how long its certificate lasts.
async fn own_url(patient: &Patient<'_>, ca_pem: Option<&str>) -> Outcome<Vec<Check>> {
    let expected = ("公开网址可达，出示本节点的指纹", "the public URL is reached and shows this node's fingerprint");
    let origin = patient.ring.origin();
    let about = patient.config.base_url().to_owned();
    let host =
        Origin::parse(origin.authority()).map_err(|error| Problem::new(crate::problem::Code::Configuration, error))?;
    let own = patient.config.tls.certificate.as_ref();
    let own = own.and_then(|file| std::fs::read_to_string(patient.folder.path().join(file)).ok()).unwrap_or_default();
    // The own certificate may be its own root; an authority that the system does not know is given by the operator.
    let roots = format!("{own}\n{}", ca_pem.unwrap_or_default());
    let client = Client::anonymous(&host, Some(&roots), true)?;
    let shown = match client.look(".well-known/hefu", MAX_WELL_KNOWN_LEN).await {
        Ok(shown) => shown,
        Err(problem) => {
            let check = Check::of_problem("url", &problem, expected).about(about);
            let (zh, en) = (
                "核对域名、端口、网关与证书；本机不认识的证书机构用 --ca 指明。",
                "check name, port, gateway and certificate; --ca names an authority that this machine does not know",
            );
            let level = if patient.serving.is_some() { Level::Failed } else { Level::Warning };
            return Ok(vec![Check { level, remedy: Some(Text::new(zh, en)), ..check }]);
        }
    };
    let fingerprint = Digest(patient.ring.fingerprint().0).to_string();
    let said: Option<Value> = shown.body.as_ref().and_then(|body| serde_json::from_slice(body).ok());
    let is = |name: &str, value: &str| {
        said.as_ref().and_then(|said| said.get(name)?.as_str()).is_some_and(|text| text == value)
    };
    let check = if is("fingerprint", &fingerprint) && is("origin", origin.as_str()) {
        Check::new("url", Text::new("可达，指纹一致", "reached, with our fingerprint"), expected).about(about)
    } else {
        Check::new("url", Text::new("那里不是本节点", "what answers there is not this node"), expected)
            .about(about)
            .failed(
                "核对网关与域名指向；url 一经初始化不可更改。",
                "check where gateway and name lead; `url` never changes once the node was made",
            )
    };
    let mut checks = vec![check];
    if patient.config.tls.certificate.is_none() {
        let check = files::certificate(shown.certificate.as_deref(), patient.clock.now_s());
        checks.push(check.about(patient.config.base_url()));
    }
    Ok(checks)
}

async fn peer(patient: &Patient<'_>, row: &OriginRow, shown: &Outcome<Shown>) -> Outcome<Vec<Check>> {
    let about = row.origin.to_string();
    let expected = ("可达，未停止，24 小时内拉取过", "reached, not stopped, pulled within 24 hours");
    if let Some(why) = &row.stopped {
        let seen = Text::new(format!("已停止拉取：{why}"), format!("pulling has stopped: {why}"));
        return Ok(vec![Check::new("peer", seen, expected).about(about).failed(
            "证据在 evidence/；请联系对方及其他缔约方。",
            "the evidence is in evidence/; tell the other side and the other parties",
        )]);
    }
    let hours = row.reached_ms.map(|ms| (patient.clock.now_ms() - ms).div_euclid(3_600_000));
    let held = patient.store.head(row.no).await?.size;
    let shown = match shown {
        Ok(shown) => shown,
        Err(problem) => {
            let check = Check::of_problem("peer", problem, expected).about(about);
            return Ok(vec![Check { level: Level::Warning, ..check }]);
        }
    };
    let ring = ring_of(patient.store, row).await?;
    let open = |note: &[u8]| {
        let mut keys = ring.keys().filter(|(role, ..)| *role == Role::Log);
        keys.find_map(|(_, key, _)| Checkpoint::open(note, &row.origin, key).ok())
    };
    let Some(checkpoint) = shown.body.as_ref().and_then(|note| open(note)) else {
        let seen = Text::new("可达，但检查点无法核验", "reached, but its checkpoint does not verify");
        return Ok(vec![
            Check::new("peer", seen, expected)
                .about(about)
                .failed("请联系对方；用 hefu peer list 查看。", "tell the other side; see `hefu peer list`"),
        ]);
    };
    let seen = Text::new(
        format!("可达，其日志 {} 条，持有 {held} 条", checkpoint.size),
        format!("reached, its log has {} entries, {held} held", checkpoint.size),
    );
    let check = Check::new("peer", seen, expected).about(about);
    Ok(vec![if hours.is_none_or(|hours| hours >= STALE_HOURS) {
        check.warning("运行 hefu pull 并查看 serve 的日志。", "run `hefu pull`, and see the log of `serve`")
    } else {
        check
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_servers() {
        assert_eq!(server_time("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(server_time("yesterday"), None);
    }

    #[test]
    fn a_clock_is_wrong_where_most_peers_differ() {
        let of = |seconds: &[i64]| {
            clocks(&seconds.iter().map(|seconds| ("x".to_owned(), *seconds)).collect::<Vec<_>>()).level
        };
        assert_eq!((of(&[]), of(&[0]), of(&[60, 60]), of(&[0, 1, 4000])), (Level::Ok, Level::Ok, Level::Ok, Level::Ok));
        assert_eq!((of(&[61]), of(&[-3600, -3601, 0])), (Level::Failed, Level::Failed));
    }
}
