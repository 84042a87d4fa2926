//! Checks of the database, the own log and its guard.

use super::{Check, Patient};
use crate::config::database::Place;
use crate::group;
use crate::guard::stored_root;
use crate::problem::Outcome;
use crate::store::OWN;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::key::Role;
use hefu_schemas::text::Text;

/// Seconds that the last entry may be ahead of the clock before the clock is wrong.
const AHEAD_S: i64 = 60;
/// Largest write-ahead file that is normal, bytes.
const WAL_LEN: u64 = 512 * 1024 * 1024;

pub(super) async fn examine(patient: &Patient<'_>) -> Outcome<Vec<Check>> {
    let mut checks = vec![database(patient).await?];
    if !patient.config.database.is_embedded() {
        checks.push(servers(patient).await?);
    }
    checks.extend([the_log(patient).await?, signing(patient), guard(patient).await?, clock(patient).await?]);
    Ok(checks)
}

/// Who shares the database.
async fn servers(patient: &Patient<'_>) -> Outcome<Check> {
    let (names, holder) = group::names(patient.store, patient.clock.now_ms()).await?;
    let expected = ("有一台服务器持有签发权", "one server holds the sequencer");
    let all = if names.is_empty() { "–".to_owned() } else { names.join(", ") };
    let seen = |zh: &str, en: &str| Text::new(format!("{zh}；在线：{all}"), format!("{en}; there are: {all}"));
    Ok(match holder {
        Some(holder) => {
            Check::new("servers", seen(&format!("{holder} 持有签发权"), &format!("{holder} holds it")), expected)
        }
        None => Check::new("servers", seen("无人持有签发权", "nobody holds it"), expected).warning(
            "若应有服务器在运行，请查看各机的 hefu status。",
            "if a server should be running, see `hefu status` on each",
        ),
    })
}

async fn database(patient: &Patient<'_>) -> Outcome<Check> {
    let len = |name: &str| std::fs::metadata(patient.folder.path().join(name)).map_or(0, |file| file.len());
    let (size, wal) = (len("hefu.db"), len("hefu.db-wal"));
    let expected = ("完整性快速检查通过", "the quick integrity check passes");
    let mib = |len: u64| len / (1024 * 1024);
    let sizes = Text::new(
        format!("{} MiB，预写日志 {} MiB", mib(size), mib(wal)),
        format!("{} MiB, write-ahead file {} MiB", mib(size), mib(wal)),
    );
    let lines = patient.store.quick_check().await?;
    let place = patient.config.database.place().ok();
    let server = place.and_then(|place| if let Place::Server(address) = place { Some(address) } else { None });
    let seen = server
        .as_ref()
        .map_or(sizes, |server| Text::new(format!("PostgreSQL：{server}"), format!("PostgreSQL: {server}")));
    let check = Check::new("database", seen, expected);
    if let Some(first) = lines.first() {
        let seen =
            Text::new(format!("{} 处问题：{first}", lines.len()), format!("{} complaints: {first}", lines.len()));
        return Ok(Check { seen, ..check }.failed(
            "停止节点，运行 hefu fsck 查看范围，从备份或对端恢复。",
            "stop the node, see with `hefu fsck` what is damaged, and restore from a backup or a peer",
        ));
    }
    if let Some(warning) = server.and_then(|server| server.warning()) {
        return Ok(Check { seen: warning, ..check }.warning(
            "在 database 的地址中改用 sslmode=verify-full。",
            "say sslmode=verify-full in the URL of `database`",
        ));
    }
    if wal > WAL_LEN {
        return Ok(check.warning(
            "有进程长时间占用数据库；重启 serve 可收回预写日志。",
            "something has held the database for long; a restart of `serve` takes the write-ahead file back",
        ));
    }
    Ok(check)
}

/// The note of a log by its own key, opened.
fn open(patient: &Patient<'_>, note: &[u8]) -> Option<Checkpoint> {
    let key = patient.ring.keys().filter(|(role, ..)| *role == Role::Log);
    key.into_iter().find_map(|(_, key, _)| Checkpoint::open(note, patient.ring.origin(), key).ok())
}

async fn the_log(patient: &Patient<'_>) -> Outcome<Check> {
    let expected = ("签名的检查点涵盖全部日志，根一致", "the signed checkpoint covers the whole log, with its root");
    let head = patient.store.head(OWN).await?;
    let size = head.size;
    let checkpoint = head.note.as_deref().and_then(|note| open(patient, note));
    let remedy = ("重启 serve；仍如此请运行 hefu fsck。", "restart `serve`; if it stays so, run `hefu fsck`");
    let Some(checkpoint) = checkpoint else {
        let seen =
            Text::new(format!("{size} 条，没有可读的检查点"), format!("{size} entries, no checkpoint that reads"));
        return Ok(Check::new("log", seen, expected).failed(remedy.0, remedy.1));
    };
    let signed = checkpoint.size;
    let seen = Text::new(format!("{size} 条，已签名 {signed} 条"), format!("{size} entries, {signed} of them signed"));
    let root = stored_root(patient.store, OWN, signed.min(size)).await;
    let check = Check::new("log", seen, expected);
    Ok(match root {
        Ok(root) if root == checkpoint.root && signed == size => check,
        // A head that a crash left unsigned is signed at the next start.
        Ok(root) if root == checkpoint.root && signed < size => check.warning(remedy.0, remedy.1),
        Ok(_) | Err(_) => Check {
            seen: Text::new(
                format!("{size} 条，检查点的根与之不同"),
                format!("{size} entries, and a checkpoint with another root"),
            ),
            ..check
        }
        .failed("切勿签发；换回最新的数据。", "do not sign; bring the newest data back"),
    })
}

fn signing(patient: &Patient<'_>) -> Check {
    let expected = ("正在服务并签发", "it serves and signs");
    match &patient.serving {
        None => Check::new("signing", Text::new("未在服务", "nothing serves"), expected)
            .warning("用 hefu serve 启动。", "start it with `hefu serve`"),
        Some((Err(why), _)) => {
            Check::new("signing", Text::new(format!("不签发：{why}"), format!("not signing: {why}")), expected)
                .failed("按所述原因处理后重启 serve。", "do what the reason says, then restart `serve`")
        }
        Some((Ok(()), true)) => {
            let seen = Text::new("签发；启动时没有对端能够确认", "signing; no peer could confirm the log at the start");
            Check::new("signing", seen, expected)
                .warning("确认对端可达后重启 serve。", "restart `serve` when a peer can be reached")
        }
        Some((Ok(()), false)) => Check::new("signing", Text::new("签发", "signing"), expected),
    }
}

async fn guard(patient: &Patient<'_>) -> Outcome<Check> {
    let expected = ("guard 文件是最后签发的检查点", "the guard file is the last signed checkpoint");
    let head = patient.store.head(OWN).await?;
    let Ok(note) = std::fs::read(patient.folder.guard()) else {
        return Ok(Check::new("guard", Text::new("文件缺失", "the file is missing"), expected).failed(
            "若曾恢复备份，先换回最新数据；确认目录最新后，用 hefu serve --confirm-guard 重建。",
            "after restoring a backup, bring the newest data back first; if this folder is certainly the newest, `hefu serve --confirm-guard` makes it again",
        ));
    };
    let remedy = (
        "该目录可能是旧备份：换回最新数据，切勿签发。",
        "this folder may be an old backup: bring the newest data back, and do not sign",
    );
    let Some(checkpoint) = open(patient, &note) else {
        return Ok(Check::new("guard", Text::new("无法读取", "it does not read"), expected).failed(remedy.0, remedy.1));
    };
    let seen = Text::new(
        format!("{} 条，日志 {} 条", checkpoint.size, head.size),
        format!("{} entries, the log has {}", checkpoint.size, head.size),
    );
    let check = Check::new("guard", seen, expected);
    if checkpoint.size > head.size {
        return Ok(check.failed(remedy.0, remedy.1));
    }
    let root = stored_root(patient.store, OWN, checkpoint.size).await?;
    Ok(if root == checkpoint.root { check } else { check.failed(remedy.0, remedy.1) })
}

/// The clock against the last entry of the own log, whose time never decreases.
async fn clock(patient: &Patient<'_>) -> Outcome<Check> {
    let ahead = patient.store.head(OWN).await?.t - patient.clock.now_s();
    let expected = ("时钟不早于日志末条", "a clock that is not before the log's last entry");
    if ahead <= AHEAD_S {
        let behind = ahead.min(0).unsigned_abs();
        let seen = Text::new(format!("末条在 {behind} 秒前"), format!("the last entry is {behind} s old"));
        return Ok(Check::new("clock", seen, expected).about("log"));
    }
    let seen = Text::new(format!("末条在 {ahead} 秒之后"), format!("the last entry is {ahead} s in the future"));
    Ok(Check::new("clock", seen, expected)
        .about("log")
        .failed("校准本机时钟（NTP）。", "set this machine's clock (NTP)"))
}
