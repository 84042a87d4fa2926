//! The settings one by one: what they are, what they may be, and what is wrong with those of a file.

use super::{Config, DatabaseSetting, FILE_NAME};
use hefu_schemas::id::Origin;
use hefu_schemas::text::Text;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::Path;
use toml::{Table, Value};

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name, with its table: `tls.key`.
    pub name: &'static str,
    /// Unit or form, in Chinese and English.
    pub unit: [&'static str; 2],
    /// What it does.
    pub about: [&'static str; 2],
    /// What `config default` writes behind the name, as TOML.
    pub sample: &'static str,
    /// Whether it must be given, is left at its default, or is absent by default.
    pub need: Need,
    good: fn(&Value) -> bool,
}

/// Whether a setting must stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It has no default.
    Required,
    /// The sample is the default.
    Default,
    /// Without it, nothing: the sample is only an example.
    Absent,
}

fn text(value: &Value, good: impl Fn(&str) -> bool) -> bool {
    value.as_str().is_some_and(good)
}

/// All settings, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "url",
        unit: ["https://主机[:端口][/路径]，小写", "https://host[:port][/path], lower case"],
        about: [
            "对端访问本节点的网址；决定日志名与 DID，启用后不得更改",
            "public URL for peers: decides origin and DID, and never changes",
        ],
        sample: "\"https://xueji.km.example\"",
        need: Need::Required,
        good: |value| text(value, |url| Origin::from_url(url).is_ok()),
    },
    Setting {
        name: "listen",
        unit: ["IP:端口", "IP:port"],
        about: ["serve 监听的地址", "address that `serve` listens on"],
        sample: "\"0.0.0.0:443\"",
        need: Need::Required,
        good: |value| text(value, |address| address.parse::<SocketAddr>().is_ok()),
    },
    Setting {
        name: "local",
        unit: ["IP:端口", "IP:port"],
        about: [
            "供本地系统凭令牌访问的地址；不设则不开放",
            "address of the door for local systems with tokens; without it the door stays shut",
        ],
        sample: "\"127.0.0.1:8443\"",
        need: Need::Absent,
        good: |value| text(value, |address| address.parse::<SocketAddr>().is_ok()),
    },
    Setting {
        name: "city",
        unit: ["GB/T 2260 六位代码", "six digits of GB/T 2260"],
        about: ["本市代码", "code of the city"],
        sample: "\"530100\"",
        need: Need::Required,
        good: |value| text(value, |code| code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())),
    },
    Setting {
        name: "name",
        unit: ["语言 = \"名称\"", "language = \"name\""],
        about: ["本市教育主管部门的名称", "name of the city's bureau"],
        sample: "{ zh = \"昆明市教育体育局\", en = \"Kunming\" }",
        need: Need::Required,
        good: |value| value.as_table().is_some_and(|names| !names.is_empty() && names.values().all(Value::is_str)),
    },
    Setting {
        name: "time_zone",
        unit: ["IANA 时区名", "IANA name"],
        about: ["本节点的时区，用于显示和内置协议", "time zone of the node, for display and the built-in agreements"],
        sample: "\"Asia/Shanghai\"",
        need: Need::Default,
        good: |value| text(value, |zone| jiff::tz::TimeZone::get(zone).is_ok()),
    },
    Setting {
        name: "database",
        unit: ["sqlite 或 postgres://用户@主机/数据库", "sqlite, or postgres://user@host/database"],
        about: [
            "数据库；sqlite 即目录中的 hefu.db，也可用 PostgreSQL 服务器（密码放在 PGPASSWORD 或 ~/.pgpass）",
            "database: sqlite keeps hefu.db in the folder, or a PostgreSQL server (password in PGPASSWORD or ~/.pgpass)",
        ],
        sample: "\"sqlite\"",
        need: Need::Default,
        good: |value| text(value, |name| DatabaseSetting::new(name).place().is_ok()),
    },
    Setting {
        name: "pull_interval_s",
        unit: ["秒，1 至 86400", "seconds, 1 to 86400"],
        about: ["两次拉取之间的间隔", "time between two pulls from a peer, before jitter"],
        sample: "60",
        need: Need::Default,
        good: |value| value.as_integer().is_some_and(|seconds| (1..=86_400).contains(&seconds)),
    },
    Setting {
        name: "allow_private_addresses",
        unit: ["true 或 false", "true or false"],
        about: ["是否允许对端使用内网或本机地址", "whether peers may have private or loopback addresses"],
        sample: "false",
        need: Need::Default,
        good: Value::is_bool,
    },
    Setting {
        name: "tls.behind_gateway",
        unit: ["true 或 false", "true or false"],
        about: ["由前置网关终止 TLS，本节点以 HTTP 监听", "a gateway in front terminates TLS: listen in plain HTTP"],
        sample: "false",
        need: Need::Default,
        good: Value::is_bool,
    },
    Setting {
        name: "tls.certificate",
        unit: ["PEM 文件，相对于节点目录", "PEM file, relative to the folder"],
        about: ["监听所用证书链", "certificate chain of the listener"],
        sample: "\"tls.pem\"",
        need: Need::Absent,
        good: Value::is_str,
    },
    Setting {
        name: "tls.key",
        unit: ["PEM 文件，相对于节点目录", "PEM file, relative to the folder"],
        about: ["证书的私钥", "private key of the certificate"],
        sample: "\"tls-key.pem\"",
        need: Need::Absent,
        good: Value::is_str,
    },
];

/// One thing that is wrong with a file.
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Complaint {
    /// The setting, or the name of the file.
    pub setting: String,
    /// Its line, 1-based; `None` when the setting is not there.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: Text,
    /// What to do.
    pub remedy: Text,
}

/// The value of a dotted name.
pub fn value<'a>(table: &'a Table, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        None => table.get(name),
        Some((outer, inner)) => table.get(outer)?.as_table()?.get(inner),
    }
}

/// The line of a dotted name, 1-based.
pub fn line_of(text: &str, name: &str) -> Option<usize> {
    let mut section = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = header.trim().to_owned();
            if section == name {
                return Some(number);
            }
        } else if let Some((key, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let key = if section.is_empty() { key.trim().to_owned() } else { format!("{section}.{}", key.trim()) };
            if key == name || name.split_once('.').is_some_and(|(outer, _)| key == outer) {
                return Some(number);
            }
        }
    }
    None
}

/// Everything that is wrong with the text of a settings file. Paths are looked for below `dir`.
pub fn complaints(text: &str, dir: &Path) -> Vec<Complaint> {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return vec![not_toml(text, &error)],
    };
    let mut found = Vec::new();
    let complain = |setting: &str, zh: String, en: String, remedy: [String; 2]| {
        let [remedy_zh, remedy_en] = remedy;
        Complaint {
            setting: setting.to_owned(),
            line: line_of(text, setting),
            problem: Text::new(zh, en),
            remedy: Text::new(remedy_zh, remedy_en),
        }
    };
    for name in names(&table).into_iter().filter(|name| !SETTINGS.iter().any(|setting| setting.name == name)) {
        let remedy = nearest(&name).map_or_else(
            || {
                [
                    "删去该行；hefu config default 列出全部设置".to_owned(),
                    "remove it; `hefu config default` lists all settings".to_owned(),
                ]
            },
            |near| [format!("是否应为 {near}？"), format!("is it {near} that was meant?")],
        );
        found.push(complain(&name, "没有此设置".to_owned(), "there is no such setting".to_owned(), remedy));
    }
    for setting in SETTINGS {
        let [zh, en] = setting.unit;
        let remedy =
            [format!("应为：{zh}，例如 {}", setting.sample), format!("expected: {en}, e.g. {}", setting.sample)];
        match value(&table, setting.name) {
            Some(value) if !(setting.good)(value) => {
                found.push(complain(
                    setting.name,
                    "取值不可用".to_owned(),
                    "its value is not usable".to_owned(),
                    remedy,
                ));
            }
            None if setting.need == Need::Required => {
                found.push(complain(setting.name, "缺少此设置".to_owned(), "it is missing".to_owned(), remedy));
            }
            _ => {}
        }
    }
    found.extend(files(&table, dir, &complain));
    found
}

fn not_toml(text: &str, error: &toml::de::Error) -> Complaint {
    let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    Complaint {
        setting: FILE_NAME.to_owned(),
        line,
        problem: Text::new("不是有效的 TOML", format!("not TOML: {}", error.message())),
        remedy: Text::new(
            "更正该行；hefu config default 可打印样例",
            "correct the line; `hefu config default` prints an example",
        ),
    }
}

/// All names in a file, those of `tls` with their table.
fn names(table: &Table) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in table {
        match value.as_table().filter(|_| name == "tls") {
            Some(inner) => names.extend(inner.keys().map(|key| format!("{name}.{key}"))),
            None => names.push(name.clone()),
        }
    }
    names
}

/// The setting that begins or ends as a mistyped one does.
fn nearest(name: &str) -> Option<&'static str> {
    const ENOUGH: usize = 3;
    let alike = |known: &str| {
        let common = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| {
            a.zip(b).take_while(|(a, b)| a == b).count()
        };
        common(&mut known.chars(), &mut name.chars()).max(common(&mut known.chars().rev(), &mut name.chars().rev()))
    };
    let best = SETTINGS.iter().map(|setting| setting.name).max_by_key(|known| alike(known))?;
    (alike(best) >= ENOUGH).then_some(best)
}

/// Certificate and key: both or none, and none only behind a gateway; their files must read.
fn files(
    table: &Table,
    dir: &Path,
    complain: &impl Fn(&str, String, String, [String; 2]) -> Complaint,
) -> Vec<Complaint> {
    let given = |name| value(table, name).and_then(Value::as_str);
    let gateway = value(table, "tls.behind_gateway").and_then(Value::as_bool) == Some(true);
    let (certificate, key) = (given("tls.certificate"), given("tls.key"));
    let mut found = Vec::new();
    if certificate.is_some() != key.is_some() {
        let missing = if key.is_none() { "tls.key" } else { "tls.certificate" };
        found.push(complain(
            missing,
            "证书与私钥须同时给出".to_owned(),
            "certificate and key go together".to_owned(),
            [format!("补上 {missing}"), format!("add {missing}")],
        ));
    } else if certificate.is_none() && !gateway {
        found.push(complain(
            "tls.certificate",
            "既无证书，也未声明前置网关".to_owned(),
            "neither a certificate nor a gateway".to_owned(),
            [
                "给出 tls.certificate 与 tls.key，或设 tls.behind_gateway = true".to_owned(),
                "give tls.certificate and tls.key, or set tls.behind_gateway = true".to_owned(),
            ],
        ));
    }
    for (name, path) in [("tls.certificate", certificate), ("tls.key", key)] {
        let Some(path) = path.map(|path| dir.join(path)) else { continue };
        if let Err(error) = std::fs::File::open(&path) {
            found.push(complain(
                name,
                format!("文件无法读取：{}（{error}）", path.display()),
                format!("the file does not open: {} ({error})", path.display()),
                ["核对路径与权限".to_owned(), "check its path and permissions".to_owned()],
            ));
        }
    }
    found
}

/// A commented file: with the required settings as examples it reads back as the defaults.
pub fn default_file(lang: hefu_schemas::text::Lang) -> String {
    use hefu_schemas::text::Lang;
    let pick = |[zh, en]: [&'static str; 2]| if lang == Lang::Zh { zh } else { en };
    let required = ["必填，此处为示例", "required, this is an example"];
    let mut out = format!(
        "# {}\n",
        pick([
            "hefu.toml：节点设置。未知的设置会被拒绝。",
            "hefu.toml: the settings of a node. Unknown ones are refused."
        ])
    );
    let mut in_table = false;
    for setting in SETTINGS {
        let name = match setting.name.split_once('.') {
            None => setting.name,
            Some((table, name)) => {
                if !std::mem::replace(&mut in_table, true) {
                    out.push_str(&format!("\n[{table}]"));
                }
                name
            }
        };
        let note = if setting.need == Need::Required { format!("; {}", pick(required)) } else { String::new() };
        let off = if setting.need == Need::Absent { "# " } else { "" };
        out.push_str(&format!(
            "\n# {} [{}{note}]\n{off}{name} = {}\n",
            pick(setting.about),
            pick(setting.unit),
            setting.sample
        ));
    }
    out
}

/// The effective value of a setting, as TOML; `None` when it is absent.
pub fn effective(config: &Config, name: &str) -> Option<String> {
    let table = Table::try_from(config).ok()?;
    value(&table, name).map(|value| match value {
        Value::Table(inner) => {
            inner.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
        }
        // The one setting that may hold a secret.
        Value::String(_) if name == "database" => format!("{:?}", config.database),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Tls;
    use hefu_schemas::text::Lang;

    fn default_config() -> Config {
        toml::from_str(&default_file(Lang::En)).unwrap()
    }

    #[test]
    fn the_default_file_reads_back_as_the_defaults() {
        let least = "url = 'https://xueji.km.example'\nlisten = '0.0.0.0:443'\ncity = '530100'\n\
                     name = { zh = '昆明市教育体育局', en = 'Kunming' }\n";
        let bare: Config = toml::from_str(least).unwrap();
        for lang in [Lang::Zh, Lang::En] {
            let read: Config = toml::from_str(&default_file(lang)).unwrap();
            assert_eq!(toml::to_string(&read).unwrap(), toml::to_string(&bare).unwrap());
        }
        default_config().check().unwrap();
    }

    #[test]
    fn every_setting_stands_in_the_table() {
        let given = default_config();
        // Each field by name, those that are absent by default with a value: a new one does not compile until it stands here.
        let config = Config {
            url: given.url,
            listen: given.listen,
            local: Some(given.listen),
            city: given.city,
            name: given.name,
            time_zone: given.time_zone,
            database: given.database,
            pull_interval_s: given.pull_interval_s,
            allow_private_addresses: given.allow_private_addresses,
            tls: Tls { certificate: Some("a".into()), key: Some("b".into()), behind_gateway: given.tls.behind_gateway },
        };
        let mut stored = names(&Table::try_from(&config).unwrap());
        let mut known: Vec<_> = SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
        stored.sort();
        known.sort();
        assert_eq!(stored, known);
        for setting in SETTINGS.iter().filter(|setting| setting.need != Need::Absent) {
            assert!(effective(&default_config(), setting.name).is_some(), "{}", setting.name);
        }
    }

    #[test]
    fn each_wrong_setting_is_named_with_its_line() {
        let good = default_file(Lang::En).replace("behind_gateway = false", "behind_gateway = true");
        let dir = Path::new("/nowhere");
        assert_eq!(complaints(&good, dir), []);
        assert_eq!(complaints(&good.replace("# local", "local"), dir), []);
        for (from, to, setting) in [
            ("\"https://", "\"http://", "url"),
            ("0.0.0.0:443", "everywhere", "listen"),
            ("# local = \"127.0.0.1:8443\"", "local = 8443", "local"),
            ("530100", "Kunming", "city"),
            ("{ zh", "3 # { zh", "name"),
            ("Asia/Shanghai", "Asia/Kunming", "time_zone"),
            ("\"sqlite\"", "\"oracle\"", "database"),
            ("pull_interval_s = 60", "pull_interval_s = 0", "pull_interval_s"),
            ("allow_private_addresses = false", "allow_private_addresses = \"no\"", "allow_private_addresses"),
            ("time_zone =", "time_zome =", "time_zome"),
            ("# key =", "key =", "tls.certificate"),
            ("behind_gateway = true", "behind_gateway = false", "tls.certificate"),
        ] {
            let text = good.replacen(from, to, 1);
            let found = complaints(&text, dir);
            let complaint = found.iter().find(|complaint| complaint.setting == setting);
            let complaint = complaint.unwrap_or_else(|| panic!("{setting}: {found:?}"));
            if setting != "tls.certificate" {
                let line = text.lines().nth(complaint.line.unwrap() - 1).unwrap();
                assert!(line.starts_with(setting), "{line}");
            }
            assert!(!complaint.remedy.zh.is_empty());
        }
        let broken = complaints("url = \"https://x.example\"\nlisten = = 3\n", dir);
        assert_eq!((broken.len(), broken[0].line), (1, Some(2)));
        let missing = complaints("", dir);
        assert!(missing.iter().any(|complaint| complaint.setting == "url" && complaint.line.is_none()));
    }
}
