//! The one table of problems: what HTTP answers (RFC 9457) and what the command line prints, in both languages, each
//! with a stable code and a hint. 4xx: change something; 5xx: may be tried again.

use hefu_schemas::text::{Lang, Text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// A problem: a row of the table, what exactly was seen, and further members.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The row.
    pub code: Code,
    /// What was seen, in plain English, without personal data.
    pub detail: String,
    /// Further members, e.g. `violations`.
    pub extra: Map<String, Value>,
}

/// Beginning of `docs/ERRORS.md`.
const DOCUMENT_HEAD: &str = "\
# Errors

Written from the one table of problems in `node/src/problem.rs` (a test compares; `HEFU_UPDATE=1` writes it anew). A code is
stable: its meaning never changes, and it is never used again for something else.

- **HTTP** answers `application/problem+json` (RFC 9457): `type` (`https://w3id.org/hefu/problems/<code>`), `code`, `status`,
  `title`, `titleZh`, `detail` (what exactly was seen), `hint`, `hintZh`, and for some codes further members, e.g. `violations`.
  4xx: change something before you try again. 5xx, and 429: the same request may be tried again later.
- **The command line** prints the same to stderr in the language of `--lang` or the locale, with `--json` the same JSON, and ends
  with the exit code: 1 checked, and it does not hold; 2 the command line is not understood; 3 what was given is refused, nothing was
  changed; 4 a node or peer is away, busy or not ready; 5 an error inside the program, or damaged data.
- No text names a person, quotes a record or shows a secret.

| code | HTTP | exit | what it means | what to do |
|---|---|---|---|---|
";

/// Result with a [`Problem`].
pub type Outcome<T> = Result<T, Problem>;

macro_rules! problems {
    ($($name:ident = $code:literal $status:literal, $zh:literal, $en:literal, hint $hint_zh:literal, $hint_en:literal;)*) => {
        /// The stable codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $en] $name,)* }

        impl Code {
            /// All, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// The stable text.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $code,)* } }
            /// HTTP status.
            pub fn status(self) -> u16 { match self { $(Self::$name => $status,)* } }
            /// Title for people.
            pub fn title(self) -> Text { match self { $(Self::$name => Text::new($zh, $en),)* } }
            /// What to do about it.
            pub fn hint(self) -> Text { match self { $(Self::$name => Text::new($hint_zh, $hint_en),)* } }
            /// From its text.
            pub fn from_text(text: &str) -> Option<Self> { match text { $($code => Some(Self::$name),)* _ => None } }
        }
    };
}

problems! {
    NotFound = "not-found" 404, "没有此资源", "there is no such resource", hint "请核对名称或编号。", "check the name or id";
    MethodNotAllowed = "method-not-allowed" 405, "此资源不支持该操作", "the resource does not take this method", hint "接口表见 docs/PROTOCOL.md。", "docs/PROTOCOL.md has the table of endpoints";
    BadRequest = "bad-request" 400, "请求格式有误", "the request is malformed", hint "请按 docs/PROTOCOL.md 检查参数。", "compare the parameters with docs/PROTOCOL.md";
    TooLarge = "too-large" 413, "内容超过上限", "the content is over the limit", hint "单条记录不超过 256 KiB；请分批发送。", "a record is at most 256 KiB; send less at a time";
    Unauthenticated = "unauthenticated" 401, "请求签名未通过", "the request's signature was not accepted", hint "核对双方时钟；确认对方已用本节点指纹执行 hefu peer add。", "compare the clocks of both nodes; make sure that the other side ran `hefu peer add` with this node's fingerprint";
    Replayed = "replayed" 401, "该请求已被使用过", "this request was used before", hint "每次请求都须重新签名。", "sign each request anew";
    NotAParty = "not-a-party" 403, "请求方不是该协议的缔约方", "the requester is no party to this agreement", hint "用 hefu agreement show 查看缔约方。", "`hefu agreement show` lists the parties";
    TokenRefused = "token-refused" 401, "令牌缺失、无效、已过期或已撤销", "a token is missing, or it is unknown, expired or revoked", hint "在 Authorization 头中使用 Bearer 令牌；用 hefu token list 查看，hefu token new 新建。", "send `Authorization: Bearer hefu_…`; see `hefu token list`, make one with `hefu token new`";
    OutOfScope = "out-of-scope" 403, "令牌不允许该操作", "the token does not allow this", hint "换用允许该操作的令牌（hefu token new --allow）。", "use a token that allows it (`hefu token new --allow`)";
    MediaType = "media-type" 415, "不支持该内容类型", "the content type is not supported", hint "单条草稿用 application/json，多条用 application/x-ndjson。", "send one draft as application/json, many as application/x-ndjson";
    InvalidRecords = "invalid-records" 422, "有记录不合规，未发布任何记录", "some records are not valid: nothing was published", hint "按所列行号逐条更正后重新提交。", "correct the lines that are listed and publish again";
    InvalidMapping = "invalid-mapping" 422, "映射不合规", "the mapping is not valid", hint "按所列行号更正；hefu publish --mapping-template 可打印样例。", "correct the line that is named; `hefu publish --mapping-template` prints one to start from";
    InvalidRows = "invalid-rows" 422, "表格有误，未发布任何记录", "the table has faults: nothing was published", hint "按所列行列逐条更正后重试；试运行不发布。", "correct the rows and columns that are listed and try again; a dry run publishes nothing";
    DraftConflict = "draft-conflict" 409, "同一草稿号已用于其他内容，未发布任何记录", "a draft id was used for other content: nothing was published", hint "内容不同请换新的 draftId；更正已发布的记录请用 supersedes。", "use a new draftId for other content; to correct a published record, use supersedes";
    Findings = "findings" 422, "记录与已有记录或协议相抵触，未发布任何记录", "some records contradict earlier ones or the agreement: nothing was published", hint "请更正；迁移旧数据时可用 --despite-findings 并写明理由（留存审计）。", "correct them; for a migration, publish with --despite-findings REASON (kept in the audit)";
    UnknownAgreement = "unknown-agreement" 404, "没有该协议", "there is no such agreement", hint "用 hefu agreement list 查看；对方提出的协议须先 hefu pull。", "see `hefu agreement list`; run `hefu pull` first for one that a peer proposed";
    AgreementNotOpen = "agreement-not-open" 409, "本节点尚未启用该协议", "the agreement is not open for this node", hint "各方签署后执行 hefu pull，直至状态为“已生效”。", "when all parties have signed, run `hefu pull` until its state is in-force";
    InvalidAgreement = "invalid-agreement" 422, "协议文本不合规", "the agreement document is not valid", hint "按所列位置更正；hefu agreement propose --template 可打印样例。", "correct what is listed; `hefu agreement propose --template` prints one to start from";
    UnknownRecord = "unknown-record" 404, "没有该记录", "there is no such record", hint "用 hefu record list 查看；对端的记录须加 --origin，并先 hefu pull。", "see `hefu record list`; for a peer's record add --origin, and run `hefu pull` first";
    NotCorrectable = "not-correctable" 409, "该记录不能更正或撤回，未作更改", "this record cannot be amended or withdrawn: nothing was changed", hint "用 hefu record history 查看；只能更正或撤回本节点发布且仍有效的记录。", "see `hefu record history`; only a record of this node that still stands can be corrected";
    NotConfirmed = "not-confirmed" 409, "未经确认，未作更改", "not confirmed: nothing was changed", hint "核对后加 --yes 重新执行。", "read what would be published, then give the command again with --yes";
    UnknownPeer = "unknown-peer" 404, "没有该对端", "there is no such peer", hint "用 hefu peer list 查看；新对端用 hefu peer add。", "see `hefu peer list`; add one with `hefu peer add URL --fingerprint F`";
    Conflict = "conflict" 409, "与已存内容不同，未作更改", "this is stored differently already: nothing was changed", hint "请核对所给内容与已存内容。", "compare what you gave with what is stored";
    FingerprintDiffers = "fingerprint-differs" 409, "对端指纹与核对的不一致", "the peer's fingerprint differs from the one given", hint "通过电话等其他途径与对方重新核对指纹；不一致时切勿继续。", "compare the fingerprint again by telephone or in person; do not go on while it differs";
    PeerUnavailable = "peer-unavailable" 502, "无法连接对端", "the peer cannot be reached", hint "稍后再试；核对网址、证书与网络。", "try again later; check its URL, certificate and the network";
    PeerMisbehaved = "peer-misbehaved" 502, "对端提供的数据未通过校验，未存储", "what the peer sent does not verify: it was not stored", hint "请联系对方；hefu peer list 显示详情。", "tell the other side; `hefu peer list` shows the details";
    SplitView = "split-view" 502, "对端日志前后矛盾，已停止拉取", "the peer's log contradicts what it showed before: pulling has stopped", hint "证据已保存，请联系对方及其他缔约方。", "the evidence is kept; tell the other side and the other parties";
    NotSigning = "not-signing" 503, "本节点暂不签发", "this node is not signing", hint "查看详情；如曾恢复备份，请先换回最新数据。", "see the detail; after restoring a backup, bring the newest data back first";
    Busy = "busy" 429, "队列已满", "the queue is full", hint "请稍后重试。", "try again after the seconds in Retry-After";
    Taken = "taken" 503, "同市另一台服务器正在进行此项工作", "another server of this city is at it", hint "请稍后重试；hefu status 显示由哪台服务器持有。", "try again in a moment; `hefu status` says which server it is";
    Locked = "locked" 409, "该目录正被其他进程使用", "another process holds this folder", hint "用 hefu status 查看是否已在服务：已在服务则无需再启动，迁移（hefu move）前须先停止；若是其他命令占用，请等它结束后重试。", "`hefu status` shows whether the node is being served: then it need not be started, and `hefu move` needs its server stopped first; if another command is at work, give this one again when it has ended";
    NotInitialised = "not-initialised" 404, "该目录尚未初始化", "this folder is not initialised", hint "先运行 hefu init；目录由 --dir 或 HEFU_DIR 指定。", "run `hefu init` first; --dir or HEFU_DIR names the folder";
    AlreadyInitialised = "already-initialised" 409, "所指目录、文件或数据库已在使用，未作更改", "what is named is in use already: nothing was changed", hint "请另指定一个；切勿删除仍在使用的密钥。", "name another one; never delete keys that are in use";
    Configuration = "configuration" 400, "配置有误", "the configuration is not usable", hint "更正 hefu.toml 中所指的项。", "correct the setting that is named, in hefu.toml";
    Input = "input" 400, "输入无法读取", "the input cannot be read", hint "核对文件名、编码（UTF-8）与格式。", "check the file's name, encoding (UTF-8) and format";
    InvalidPolicy = "invalid-policy" 422, "核验策略不合规", "the policy is not valid", hint "按所列位置更正；hefu verify --policy-template 可打印样例。", "correct what is listed; `hefu verify --policy-template` prints one to start from";
    NoRecord = "no-record" 422, "文件不能作为记录读取", "the file is not readable as a record", hint "应为一条 JSON 记录（UTF-8，不超过 256 KiB）。请向交来文件的一方索取原件。", "expected one record as JSON (UTF-8, at most 256 KiB); ask whoever handed it over for the original";
    UnknownDocument = "unknown-document" 422, "无法判断是哪一类文件", "which kind of document this is cannot be told", hint "用 --as NAME 指明类别；hefu schema list 列出名称。", "say it by --as NAME; `hefu schema list` lists the names";
    Unavailable = "unavailable" 503, "节点未就绪", "the node is not ready", hint "查看 /health/ready 与日志后重试。", "see /health/ready and the log, then try again";
    DiskFull = "disk-full" 507, "磁盘已满或拒绝写入", "the disk is full, or refuses what is written", hint "请腾出磁盘空间（或提高配额），再执行同一命令；已有回执的草稿不会重复发布。", "free space (or raise the quota), then give the same command again; a draft that has its receipt is not published twice";
    DatabaseLocked = "database-locked" 503, "数据库被其他程序占用", "another program holds the database", hint "请结束正在打开 hefu.db 的程序（备份、sqlite3 等），再试一次。", "end the program that has hefu.db open (a backup, a sqlite3 shell), then try again";
    DatabaseReadOnly = "database-read-only" 503, "数据库无法打开或写入", "the database cannot be opened or written", hint "请确认节点目录与 hefu.db 存在、归运行 hefu 的用户所有，且磁盘未以只读方式挂载；数据库服务器须可写，不能是备库。", "check that the node's folder and hefu.db are there, belong to the user that runs hefu, and are not mounted read-only; that a database server is no standby and takes writes";
    DatabaseNotDurable = "database-not-durable" 503, "数据库服务器未保证落盘", "the database server does not keep what it acknowledges", hint "请在 postgresql.conf 中把所指的项设为 on 并重启服务器。", "set what is named to on in postgresql.conf and restart the server";
    DatabaseAway = "database-away" 503, "无法连接数据库服务器", "the database server cannot be reached", hint "请确认 PostgreSQL 正在运行，hefu.toml 中的 database（或 --to、--database）的地址与端口正确，防火墙放行，TLS 证书可信。", "check that PostgreSQL runs, that host and port of `database` in hefu.toml (or of `--to` or `--database`) are right, that the firewall lets them through, and that its TLS certificate is trusted";
    DatabaseDenied = "database-denied" 503, "数据库服务器拒绝登录", "the database server refuses the login", hint "请核对用户名与密码（PGPASSWORD 或 ~/.pgpass）、数据库名，以及服务器的 pg_hba.conf。", "check the user and password (PGPASSWORD or ~/.pgpass), the name of the database, and pg_hba.conf on the server";
    DatabaseBusy = "database-busy" 503, "数据库繁忙", "the database is busy", hint "请稍后重试；如经常出现，请提高 max_connections 或减少同时运行的进程。", "try again in a moment; if it happens often, raise max_connections or run fewer processes";
    NoServerPrograms = "no-server-programs" 503, "未找到 PostgreSQL 服务器程序", "PostgreSQL's server programs are not found", hint "请安装（Debian：apt-get install postgresql），用 HEFU_POSTGRES_BIN 指明其目录，或以 --database postgres://… 指定已有服务器。", "install them (Debian: apt-get install postgresql), name their folder by HEFU_POSTGRES_BIN, or give a server: --database postgres://…";
    DatabaseInUse = "database-in-use" 503, "其他进程正在使用该数据库", "another process works on this database", hint "请停止使用它的所有 hefu serve，15 秒后再试。", "stop every `hefu serve` on it, and try again after 15 seconds";
    AlreadyThere = "already-there" 409, "节点已在该数据库中，未作更改", "the node is in that database already: nothing was changed", hint "hefu config show 显示节点现在使用的数据库。", "`hefu config show` says which database the node has";
    TargetNotEmpty = "target-not-empty" 409, "目标数据库不是空的，未作更改", "the target database is not empty: nothing was changed", hint "请另建一个空数据库（CREATE DATABASE），或把目录中的 hefu.db 移到别处，再试一次。", "make an empty database (CREATE DATABASE), or put the hefu.db in the folder elsewhere, then try again";
    CopyDiffers = "copy-differs" 500, "副本与原数据库不一致，节点仍使用原数据库", "the copy differs from its original: the node stays where it is", hint "请再执行一次 hefu move；仍不一致时运行 hefu fsck，并检查两边的磁盘。", "give `hefu move` again; if it still differs, run `hefu fsck` and look at the disks of both sides";
    MovedAway = "moved-away" 409, "该数据库中的节点已迁走", "the node of this database has moved to another one", hint "请在 hefu.toml 的 database 中改用新数据库；旧库仅暂存，勿再启用。", "let `database` in hefu.toml name the new one; the old one is only kept until you delete it: never run a node on it again";
    MoveUnfinished = "move-unfinished" 409, "向该数据库的迁移尚未完成", "a move into this database is not finished", hint "请在节点原来的目录中再执行一次 hefu move；完成之前节点仍使用原数据库。", "give `hefu move` again in the node's own folder; until then the node works with its old database";
    Behind = "behind" 409, "尚未拉取到所要求的位置", "this node has not pulled that far yet", hint "拉取后重试。", "pull, then try again";
    DemoFailed = "demo-failed" 500, "演示结果与预期不符", "the demo did not find what it planted", hint "用 --keep 重跑并查看各节点日志。", "run it again with --keep and look at the nodes' logs";
    Damaged = "damaged" 500, "存储的数据已损坏", "stored data is damaged", hint "运行 hefu fsck 查看范围，从备份或对端恢复。", "run `hefu fsck` to see what, and restore from a backup or a peer";
    Internal = "internal" 500, "节点内部错误", "an error inside the node", hint "请查看日志；重试一次，仍出现请报告。", "see the log; try once more, and report it if it happens again";
}

impl Code {
    /// Exit code of a command that ends with it: 3 what was given is refused, 4 somebody is away or not ready, 5 an error
    /// of ours.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal | Self::Damaged => 5,
            Self::DemoFailed => 1,
            Self::PeerUnavailable | Self::Unavailable | Self::NotSigning | Self::Busy | Self::Taken | Self::Behind => 4,
            Self::DiskFull | Self::DatabaseLocked | Self::DatabaseReadOnly => 4,
            Self::DatabaseInUse => 4,
            Self::CopyDiffers => 5,
            Self::DatabaseNotDurable | Self::DatabaseAway | Self::DatabaseDenied | Self::DatabaseBusy => 4,
            Self::NoServerPrograms => 4,
            _ => 3,
        }
    }

    /// The whole table as the text of `docs/ERRORS.md`.
    pub fn document() -> String {
        let mut text = DOCUMENT_HEAD.to_owned();
        for code in Self::ALL {
            let (title, hint) = (code.title(), code.hint());
            text.push_str(&format!(
                "| `{}` | {} | {} | {}<br>{} | {}<br>{} |\n",
                code.as_str(),
                code.status(),
                code.exit_code(),
                title.en,
                title.zh,
                hint.en,
                hint.zh,
            ));
        }
        text
    }
}

impl Problem {
    /// A problem with its detail.
    pub fn new(code: Code, detail: impl fmt::Display) -> Self {
        Self { code, detail: detail.to_string(), extra: Map::new() }
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.extra.insert(name.to_owned(), value);
        self
    }

    /// The body as of RFC 9457.
    pub fn to_json(&self) -> Value {
        let (title, hint) = (self.code.title(), self.code.hint());
        let mut body = json!({
            "type": format!("https://w3id.org/hefu/problems/{}", self.code.as_str()),
            "code": self.code.as_str(),
            "status": self.code.status(),
            "title": title.en,
            "titleZh": title.zh,
            "detail": self.detail,
            "hint": hint.en,
            "hintZh": hint.zh,
        });
        if let Some(members) = body.as_object_mut() {
            members.extend(self.extra.clone());
        }
        body
    }

    /// Reads a body that a node answered.
    pub fn from_json(body: &Value) -> Option<Self> {
        #[derive(Serialize, Deserialize)]
        struct Known {
            code: String,
            #[serde(default)]
            detail: String,
        }
        let known: Known = serde_json::from_value(body.clone()).ok()?;
        let mut extra = body.as_object()?.clone();
        for name in ["type", "code", "status", "title", "titleZh", "detail", "hint", "hintZh"] {
            extra.remove(name);
        }
        Some(Self { code: Code::from_text(&known.code)?, detail: known.detail, extra })
    }

    /// Exit code of a command that ends with this problem.
    pub fn exit_code(&self) -> u8 {
        self.code.exit_code()
    }

    /// Title, detail, hint in one language, for the terminal.
    pub fn for_terminal(&self, lang: Lang) -> String {
        let (error, hint) = match lang {
            Lang::Zh => ("错误", "提示"),
            Lang::En => ("error", "hint"),
        };
        let mut text = format!("{error}[{}]: {}", self.code.as_str(), self.code.title().in_lang(lang));
        if !self.detail.is_empty() {
            text.push_str(&format!("\n  {}", self.detail.replace('\n', "\n  ")));
        }
        text.push_str(&format!("\n{hint}: {}", self.code.hint().in_lang(lang)));
        text
    }
}

/// So many of something, in English.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    let what = if count == 1 { one } else { many };
    format!("{count} {what}")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<crate::store::StoreError> for Problem {
    fn from(error: crate::store::StoreError) -> Self {
        use crate::store::StoreError as E;
        match &error {
            E::Conflict { .. } => Self::new(Code::NotSigning, error),
            E::Damaged { .. } => Self::new(Code::Damaged, error),
            E::Differs { .. } => Self::new(Code::Conflict, error),
            E::Occupied => Self::new(Code::AlreadyInitialised, error),
            E::Empty => Self::new(Code::NotInitialised, error),
            E::MovedAway { .. } => Self::new(Code::MovedAway, error),
            E::Arriving { .. } => Self::new(Code::MoveUnfinished, error),
            E::ReadOnly => Self::new(Code::DatabaseReadOnly, error),
            E::NotDurable { .. } => Self::new(Code::DatabaseNotDurable, error),
            E::Database(_) | E::Migrate(_) => Self::new(crate::store::fault::code(&error), error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_speaks_both_languages() {
        for code in Code::ALL {
            assert_eq!(Code::from_text(code.as_str()), Some(*code));
            assert!((400..600).contains(&code.status()));
            for text in [code.title(), code.hint()] {
                assert!(!text.en.is_empty() && text.zh.chars().any(|c| c > '\u{2E80}'), "{code:?}");
            }
            let problem = Problem::new(*code, "seen").with("line", json!(7));
            let back = Problem::from_json(&problem.to_json()).unwrap();
            assert_eq!((back.code, back.detail.as_str(), back.extra.get("line")), (*code, "seen", Some(&json!(7))));
        }
    }
}
