//! Whether a peer can be worked with: each thing that must hold, with what was seen, what was expected and what to do.

use crate::Node;
use crate::client::Client;
use crate::guard::stored_root;
use crate::problem::{Code, Problem};
use crate::store::OriginRow;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::key::Role;
use hefu_federation::note::MAX_NOTE_LEN;
use hefu_federation::tile::{TileMap, TilePath, decode_hashes, tile_width};
use hefu_federation::tree::{consistency_subtrees, prove_consistency, root_at, root_subtrees, verify_consistency};
use hefu_federation::trust::KeyRing;
use hefu_schemas::id::Digest;
use hefu_schemas::text::Text;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Largest difference of clocks that is good, seconds: signed requests live for 300 s at most, and a network takes its share.
const MAX_CLOCK_DIFFERENCE_S: i64 = 60;
/// Longest `health/live`, bytes.
const MAX_HEALTH_LEN: usize = 1024;
/// Longest `/.well-known/hefu`, bytes.
const MAX_WELL_KNOWN_LEN: usize = 16 * 1024;
/// Longest list of offered agreements, bytes.
const MAX_OFFERS_LEN: usize = 8 * 1024 * 1024;

/// Longest hash tile: 256 hashes.
const MAX_TILE_LEN: usize = 256 * 32;

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name: reach, certificate, fingerprint, checkpoint, consistency, clock, access.
    pub check: &'static str,
    /// Whether it holds; `None` when an earlier failure kept it from being looked at.
    pub holds: Option<bool>,
    /// What was seen.
    pub seen: Text,
    /// What must be so.
    pub expected: Text,
    /// What to do when it does not hold.
    pub remedy: Text,
}

struct Row {
    check: &'static str,
    expected: [&'static str; 2],
    remedy: [&'static str; 2],
}

const ROWS: [Row; 7] = [
    Row {
        check: "reach",
        expected: ["对端应答", "it answers"],
        remedy: [
            "核对网址与网络、防火墙；联系对方确认节点在运行",
            "check its URL, the network and firewalls; ask the other side whether its node runs",
        ],
    },
    Row {
        check: "certificate",
        expected: ["证书有效且受信任", "its certificate is valid and trusted"],
        remedy: [
            "请对方更新证书；自签证书用 peer add --ca 重新添加",
            "have the other side renew it; for a self-signed one, `hefu peer add` again with --ca",
        ],
    },
    Row {
        check: "fingerprint",
        expected: ["与核对过的指纹一致", "the fingerprint that people compared"],
        remedy: [
            "通过电话等其他途径与对方核对；不一致时切勿继续",
            "compare it with the other side by telephone; do not go on while it differs",
        ],
    },
    Row {
        check: "checkpoint",
        expected: ["由其日志密钥签名", "signed by the key of its log"],
        remedy: [
            "联系对方：其日志密钥或网关有误",
            "tell the other side: its log key, or a gateway before it, is wrong",
        ],
    },
    Row {
        check: "consistency",
        expected: ["与本节点已存副本一致", "it continues what this node has stored"],
        remedy: ["保存证据并联系对方及其他缔约方", "keep the evidence; tell the other side and the other parties"],
    },
    Row {
        check: "clock",
        expected: ["时钟相差不超过 60 秒", "clocks differ by 60 seconds at most"],
        remedy: ["在两端启用网络校时（NTP）", "let both machines set their clocks by the network (NTP)"],
    },
    Row {
        check: "access",
        expected: ["对端接受本节点的签名请求", "it accepts the signed requests of this node"],
        remedy: [
            "请对方用本节点指纹执行 hefu peer add",
            "the other side must run `hefu peer add` with the fingerprint of this node",
        ],
    },
];

/// What reads the same in both languages: addresses, hashes, details of errors.
fn plain(text: impl Into<String>) -> Text {
    let text = text.into();
    Text::new(text.clone(), text)
}

/// What was found so far, in the order of the table.
struct Found(Vec<Check>);

impl Found {
    fn note(&mut self, check: &'static str, holds: Option<bool>, seen: Text) {
        if let Some(row) = ROWS.iter().find(|row| row.check == check) {
            let both = |[zh, en]: [&str; 2]| Text::new(zh, en);
            let (expected, remedy) = (both(row.expected), both(row.remedy));
            self.0.push(Check { check, holds, seen, expected, remedy });
        }
    }

    /// What was not looked at.
    fn finish(mut self) -> Vec<Check> {
        for row in &ROWS {
            if !self.0.iter().any(|check| check.check == row.check) {
                self.note(row.check, None, plain(""));
            }
        }
        let place = |check: &Check| ROWS.iter().position(|row| row.check == check.check);
        self.0.sort_by_key(place);
        self.0
    }
}

/// Looks at one peer. Nothing is stored.
pub async fn check(node: &Arc<Node>, peer: &OriginRow) -> Vec<Check> {
    let mut found = Found(Vec::new());
    let said = match said(node, peer).await {
        Ok(said) => said,
        Err(problem) if problem.detail.contains("certificate") => {
            found.note("reach", Some(true), plain(peer.origin.url()));
            found.note("certificate", Some(false), plain(problem.detail));
            return found.finish();
        }
        Err(problem) => {
            found.note("reach", Some(false), plain(problem.detail));
            return found.finish();
        }
    };
    found.note("reach", Some(true), plain(peer.origin.url()));
    let root = match peer.ca_pem {
        Some(_) => Text::new("受信任的自有根证书（--ca）", "by the root given with --ca"),
        None => Text::new("系统信任的根证书", "by a root of the system"),
    };
    found.note("certificate", Some(true), root);
    let stated = said.get("fingerprint").and_then(Value::as_str).unwrap_or_default();
    let same = Digest::parse(stated).is_ok_and(|stated| stated == Digest(peer.fingerprint.0));
    found.note("fingerprint", Some(same), plain(stated));
    let Ok(client) = node.client(&peer.origin, peer.ca_pem.as_deref()) else { return found.finish() };
    match clock_difference_s(node, &client).await {
        Some(difference) => {
            // Answers state whole seconds, and travel: less than two is nothing.
            let seen = if difference.abs() < 2 {
                Text::new("不足 2 秒", "less than 2 s")
            } else {
                Text::new(format!("{difference} 秒"), format!("{difference} s"))
            };
            found.note("clock", Some(difference.abs() <= MAX_CLOCK_DIFFERENCE_S), seen);
        }
        None => found.note("clock", None, Text::new("应答中没有时间", "no Date in its answer")),
    }
    if same {
        log(node, peer, &client, &mut found).await;
    }
    access(node, peer, &client, &mut found).await;
    found.finish()
}

/// How far the peer's clock, as its answers state it, is ahead of ours; `None` when it cannot be told.
async fn clock_difference_s(node: &Node, client: &Client) -> Option<i64> {
    let date = client.look("health/live", MAX_HEALTH_LEN).await.ok()?.date?;
    let theirs = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(theirs.as_second() - node.clock.now_s())
}

async fn said(node: &Node, peer: &OriginRow) -> Result<Value, Problem> {
    let host = hefu_schemas::id::Origin::parse(peer.origin.authority())
        .map_err(|error| Problem::new(Code::Internal, error))?;
    let answer = node.client(&host, peer.ca_pem.as_deref())?.fetch(".well-known/hefu", MAX_WELL_KNOWN_LEN).await?;
    let none = || Problem::new(Code::PeerMisbehaved, "no /.well-known/hefu there: is it a Hefu node?");
    serde_json::from_slice(&answer.ok_or_else(none)?).map_err(|_| none())
}

/// The checkpoint, and whether it continues what is stored.
async fn log(node: &Arc<Node>, peer: &OriginRow, client: &Client, found: &mut Found) {
    let opened = async {
        let note = client.fetch("checkpoint", MAX_NOTE_LEN).await.map_err(|problem| problem.detail)?;
        let note = note.ok_or("it has none")?;
        let ring: KeyRing = crate::pull::found(client, peer).await.map_err(|problem| problem.detail)?;
        let key = ring.keys().find(|(role, ..)| *role == Role::Log).map(|(_, key, _)| key).ok_or("no log key")?;
        Checkpoint::open(&note, &peer.origin, key).map_err(|error| error.to_string())
    };
    let checkpoint: Checkpoint = match opened.await {
        Ok(checkpoint) => checkpoint,
        Err(why) => return found.note("checkpoint", Some(false), plain(why)),
    };
    let entries = checkpoint.size;
    found.note("checkpoint", Some(true), Text::new(format!("{entries} 条"), format!("{entries} entries")));
    if let Some(why) = &peer.stopped {
        return found.note("consistency", Some(false), plain(why.as_str()));
    }
    let Ok(head) = node.store.head(peer.no).await else { return };
    if head.size == 0 {
        return found.note("consistency", Some(true), Text::new("尚无副本", "nothing stored yet"));
    }
    if checkpoint.size <= head.size {
        let root = stored_root(node.store.as_ref(), peer.no, checkpoint.size).await.ok();
        let same = root == Some(checkpoint.root);
        let (zh, en) = if same { ("根哈希相同", "the same root") } else { ("根哈希不同", "another root") };
        let (at, held) = (checkpoint.size, head.size);
        let seen =
            Text::new(format!("第 {at} 条处{zh}（已存 {held} 条）"), format!("{en} at {at} of {held} stored entries"));
        return found.note("consistency", Some(same), seen);
    }
    match consistent(node, peer, client, &checkpoint, head.size).await {
        Ok(()) => {
            let more = checkpoint.size - head.size;
            let held = head.size;
            let seen =
                Text::new(format!("已存 {held} 条，对端多 {more} 条"), format!("{more} more than the {held} stored"));
            found.note("consistency", Some(true), seen);
        }
        Err(problem) => found.note("consistency", Some(false), plain(problem.detail)),
    }
}

/// Whether a larger checkpoint continues what is stored: by the peer's own hash tiles (RFC 6962 §2.1.2).
async fn consistent(
    node: &Node,
    peer: &OriginRow,
    client: &Client,
    checkpoint: &Checkpoint,
    size: u64,
) -> Result<(), Problem> {
    let wrong = |why: &dyn std::fmt::Display| Problem::new(Code::PeerMisbehaved, format!("at {size} entries: {why}"));
    let path = consistency_subtrees(size, checkpoint.size).map_err(|error| wrong(&error))?;
    let subtrees: Vec<(u32, u64)> = root_subtrees(size).into_iter().chain(path).collect();
    let mut tiles = TileMap::default();
    for (level, index) in TileMap::needed(&subtrees) {
        let width = tile_width(checkpoint.size, level, index);
        let path = TilePath::Hashes { level, index, width }.to_string();
        let bytes = client.fetch(&path, MAX_TILE_LEN).await?.ok_or_else(|| wrong(&format!("{path} is missing")))?;
        tiles.insert(level, index, decode_hashes(&bytes, width).map_err(|error| wrong(&error))?);
    }
    let theirs = root_at(&tiles, size).map_err(|error| wrong(&error))?;
    let proof = prove_consistency(&tiles, size, checkpoint.size).map_err(|error| wrong(&error))?;
    verify_consistency(size, checkpoint.size, &proof, &theirs, &checkpoint.root).map_err(|error| wrong(&error))?;
    let ours = stored_root(node.store.as_ref(), peer.no, size).await?;
    if theirs == ours { Ok(()) } else { Err(wrong(&"another root than stored")) }
}

/// Whether our signed requests are let in, and to what.
async fn access(node: &Arc<Node>, peer: &OriginRow, client: &Client, found: &mut Found) {
    match client.fetch_signed("v1/agreements", MAX_OFFERS_LEN).await {
        Ok(_) => {
            let today = |known: &crate::registry::Known| node.clock.today(&known.document.terms.time_zone);
            let snapshot = node.registry.snapshot();
            let shared = snapshot.iter().filter(|known| known.document.party(&peer.origin).is_some());
            let states: Vec<String> =
                shared.map(|known| format!("{} {}", known.document.id, known.state(today(known)).code())).collect();
            let seen = if states.is_empty() {
                Text::new("尚无协议", "no agreement yet")
            } else {
                plain(states.join(", "))
            };
            found.note("access", Some(true), seen);
        }
        Err(problem) => found.note("access", Some(false), plain(problem.detail)),
    }
}
