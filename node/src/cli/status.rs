//! `hefu status`.

use super::control::with;
use super::{Globals, output};
use crate::problem::Outcome;
use hefu_schemas::code;
use serde_json::Value;

const EXAMPLE: &str = "\
Example:
  hefu --dir km status
  hefu --dir km status --json

BEHIND: entries that the peer is known to have and this node has not pulled yet. A peer is stale when it was not reached for
as long as the agreement allows. \"Unguarded\": when the node started, no peer could say what it has seen of this log.";

/// How the node is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Status {}

impl Status {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let status = with(globals, async |control| control.get("/v1/status").await).await?;
        if globals.json {
            output::json(&status);
            return Ok(0);
        }
        output::data(node(globals, &status));
        for part in
            [servers(globals, &status), peers(globals, &status), agreements(globals, &status)].into_iter().flatten()
        {
            output::data(format!("\n{part}"));
        }
        Ok(0)
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or("–").to_owned()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn node(globals: &Globals, status: &Value) -> String {
    let say = |zh: String, en: String| output::text(globals, zh, en);
    let (size, published, waiting) = (number(status, "size"), number(status, "published"), number(status, "waiting"));
    let signing = status.get("signing").and_then(Value::as_str);
    let signing = signing.map_or_else(
        || output::text(globals, "正常", "yes"),
        |why| output::text(globals, format!("暂停：{why}"), format!("no: {why}")),
    );
    let unguarded = status.get("unguarded") == Some(&Value::Bool(true));
    let guard = if unguarded {
        output::text(globals, "未经对端核对（启动时无对端应答）", "unguarded: no peer answered at the start")
    } else {
        output::text(globals, "启动时已与对端核对", "compared with the peers at the start")
    };
    let counts = status.get("findings").and_then(Value::as_object);
    let count = |severity: &str| {
        let name = code::name("severity", severity).map_or(severity.to_owned(), |name| output::of(globals, &name));
        format!("{name} {}", counts.and_then(|counts| counts.get(severity)?.as_u64()).unwrap_or(0))
    };
    let findings = ["critical", "error", "warning", "notice"].map(count).join(" · ");
    let rows = [
        (say("节点".into(), "node".into()), format!("{}  {}", text(status, "url"), text(status, "did"))),
        (say("指纹".into(), "fingerprint".into()), text(status, "fingerprint")),
        (
            say("日志".into(), "log".into()),
            say(
                format!("{size} 条，已公布 {published} 条"),
                format!("{}, {published} published", output::counted(size, "entry", "entries")),
            ),
        ),
        (say("签发".into(), "signing".into()), signing),
        (say("防回退".into(), "guard".into()), guard),
        (say("待核对".into(), "waiting".into()), say(format!("{waiting} 项"), format!("{waiting} to be evaluated"))),
        (say("待处理差异".into(), "open findings".into()), findings),
    ];
    let mut rows: Vec<Vec<String>> = rows.map(|(name, value)| vec![name, value]).to_vec();
    if let Some(group) = status.get("group") {
        rows.push(vec![say("本机".into(), "this server".into()), role(globals, group)]);
    }
    output::table(&rows)
}

/// Which server answers, and whether it holds the right to append.
fn role(globals: &Globals, group: &Value) -> String {
    let (server, sequencer) = (text(group, "server"), group.get("sequencer").unwrap_or(&Value::Null));
    let (holder, since) = (text(sequencer, "server"), text(sequencer, "since"));
    match (group.get("role").and_then(Value::as_str), sequencer.is_null()) {
        (Some("holder"), _) => output::text(
            globals,
            format!("{server}：持有签发权（自 {since}）"),
            format!("{server}: holds the sequencer since {since}"),
        ),
        (_, true) => output::text(
            globals,
            format!("{server}：待命（目前无人持有签发权）"),
            format!("{server}: standby, nobody holds the sequencer"),
        ),
        _ => output::text(
            globals,
            format!("{server}：待命（{holder} 自 {since} 持有签发权）"),
            format!("{server}: standby, {holder} holds the sequencer since {since}"),
        ),
    }
}

/// The servers on the same database.
fn servers(globals: &Globals, status: &Value) -> Option<String> {
    let servers = status.get("group")?.get("servers")?.as_array()?;
    let head = output::text(globals, "服务器|角色|启动于|正在进行", "SERVER|ROLE|THERE SINCE|DOING");
    let mut rows = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    for server in servers {
        let holds = server.get("role").and_then(Value::as_str) == Some("holder");
        let role = if holds { ("持有签发权", "holder") } else { ("待命", "standby") };
        let pulls = server.get("pulls").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let mut doing: Vec<String> =
            pulls.map(|peer| output::text(globals, format!("拉取 {peer}"), format!("pulls {peer}"))).collect();
        if server.get("reconciles") == Some(&Value::Bool(true)) {
            doing.push(output::text(globals, "核对", "reconciles"));
        }
        let doing = if doing.is_empty() { "–".to_owned() } else { doing.join(", ") };
        rows.push(vec![text(server, "server"), output::text(globals, role.0, role.1), text(server, "since"), doing]);
    }
    Some(output::table(&rows))
}

fn peers(globals: &Globals, status: &Value) -> Option<String> {
    let peers = status.get("peers")?.as_array().filter(|peers| !peers.is_empty())?;
    let head = output::text(globals, "对端|日志条数|落后|最近拉取|状态", "PEER|ENTRIES|BEHIND|REACHED|STATE");
    let mut rows = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    for peer in peers {
        let stale = peer.get("stale") == Some(&Value::Bool(true));
        let hours = number(peer, "staleHours");
        let state = match peer.get("stopped").and_then(Value::as_str) {
            Some(why) => output::text(globals, format!("已停止拉取：{why}"), format!("stopped: {why}")),
            None if stale => output::text(
                globals,
                format!("陈旧：逾 {hours} 小时未联通"),
                format!("stale: not reached for {hours} hours"),
            ),
            None => output::text(globals, "正常", "following"),
        };
        rows.push(vec![
            text(peer, "origin"),
            number(peer, "size").to_string(),
            number(peer, "behindBy").to_string(),
            text(peer, "reachedAt"),
            state,
        ]);
    }
    Some(output::table(&rows))
}

fn agreements(globals: &Globals, status: &Value) -> Option<String> {
    let agreements = status.get("agreements")?.as_array().filter(|agreements| !agreements.is_empty())?;
    let head = output::text(globals, "协议|状态|有效期至|名称", "AGREEMENT|STATE|VALID TO|TITLE");
    let mut rows = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    for agreement in agreements {
        let title = agreement.get("title").map(|title| output::from_map(globals, title)).unwrap_or_default();
        let state = output::state(globals, &text(agreement, "state"));
        rows.push(vec![text(agreement, "id"), state, text(agreement, "validTo"), title]);
    }
    Some(output::table(&rows))
}
