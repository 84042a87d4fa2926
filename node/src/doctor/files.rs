//! Checks of the folder and its files.

use super::{Check, expires_at};
use crate::config::Config;
use crate::folder::Folder;
use crate::keys::Keys;
use hefu_federation::key::Role;
use hefu_schemas::text::Text;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Days before its end at which a certificate is a matter for somebody.
const CERTIFICATE_DAYS: i64 = 14;
/// Free space below which somebody should look, and below which it is too late, KiB.
const DISK_WARNING_KIB: u64 = 1024 * 1024;
const DISK_FAILED_KIB: u64 = 100 * 1024;

pub(super) fn examine(folder: &Folder, now_s: i64) -> Vec<Check> {
    let mut checks = vec![the_folder(folder.path())];
    let config = Config::load(folder.path());
    checks.push(match &config {
        Ok(config) => Check::new("settings", Text::new(config.url.as_str(), config.url.as_str()), SETTINGS),
        Err(problem) => Check::of_problem("settings", problem, SETTINGS),
    });
    checks.extend(keys(folder));
    if let Ok(config) = &config
        && let Some(file) = &config.tls.certificate
    {
        checks.push(certificate_file(&folder.path().join(file), now_s));
    }
    checks.push(disk(folder.path()));
    checks
}

const SETTINGS: (&str, &str) = ("hefu.toml 可读且各项可用", "hefu.toml reads and every setting is usable");
const FOLDER: (&str, &str) = ("目录存在，权限 0700", "the folder is there, mode 0700");
const KEYS: (&str, &str) = ("五个密钥文件可读，权限 0600", "five key files that read, mode 0600");

/// Permission bits of a path.
fn mode(path: &Path) -> std::io::Result<u32> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o7777)
}

fn modes(mode: u32) -> Text {
    Text::new(format!("权限 {mode:04o}"), format!("mode {mode:04o}"))
}

fn the_folder(dir: &Path) -> Check {
    let about = dir.display().to_string();
    match mode(dir) {
        Ok(mode) if mode & 0o077 == 0 => Check::new("folder", modes(mode), FOLDER).about(about),
        Ok(mode) => {
            let remedy = format!("chmod 700 {about}");
            Check::new("folder", modes(mode), FOLDER).about(about).failed(remedy.clone(), remedy)
        }
        Err(error) => {
            Check::new("folder", Text::new(error.to_string(), error.to_string()), FOLDER).about(about).failed(
                "核对 --dir 或 HEFU_DIR；新节点用 hefu init。",
                "check --dir or HEFU_DIR; a new node is made by `hefu init`",
            )
        }
    }
}

fn keys(folder: &Folder) -> Vec<Check> {
    let mut bad = Vec::new();
    for role in Role::HELD {
        let path = folder.key(role.code());
        let about = format!("keys/{}.pem", role.code());
        match mode(&path) {
            Ok(mode) if mode & 0o077 == 0 => {}
            Ok(mode) => {
                let command = format!("chmod 600 {}", path.display());
                bad.push(Check::new("keys", modes(mode), KEYS).about(about).failed(
                    format!("{command}；若他人可能已读取，请按密钥泄露处理。"),
                    format!("{command}; if somebody may have read it, treat the key as stolen"),
                ));
            }
            Err(error) => {
                bad.push(Check::new("keys", Text::new(error.to_string(), error.to_string()), KEYS).about(about).failed(
                    "从备份恢复整个目录；切勿另造密钥。",
                    "restore the folder from its backup; do not make another key",
                ))
            }
        }
    }
    if !bad.is_empty() {
        return bad;
    }
    vec![match Keys::load(folder) {
        Ok(_) => Check::new("keys", Text::new("五个，权限 0600", "five, mode 0600"), KEYS),
        Err(problem) => Check::of_problem("keys", &problem, KEYS),
    }]
}

fn certificate_file(path: &Path, now_s: i64) -> Check {
    let about = path.display().to_string();
    let first = std::fs::read(path).ok().and_then(|pem| CertificateDer::from_pem_slice(&pem).ok());
    certificate(first.as_deref(), now_s).about(about)
}

/// Days left of a certificate.
pub(super) fn certificate(der: Option<&[u8]>, now_s: i64) -> Check {
    let expected = ("证书有效期至少还有 14 天", "a certificate with at least 14 days left");
    let Some(until) = der.and_then(expires_at) else {
        return Check::new("certificate", Text::new("无法读取", "it does not read"), expected)
            .failed("核对 tls.certificate 所指的 PEM 文件。", "check the PEM file that tls.certificate names");
    };
    let days = (until - now_s).div_euclid(86_400);
    let seen = Text::new(format!("还有 {days} 天"), format!("{days} days left"));
    let check = Check::new("certificate", seen, expected);
    let (zh, en) = ("续期证书并重启 serve。", "renew it and restart `serve`");
    match days {
        ..0 => check.failed(zh, en),
        0..CERTIFICATE_DAYS => check.warning(zh, en),
        _ => check,
    }
}

fn disk(dir: &Path) -> Check {
    let expected = ("所在磁盘至少有 1 GiB 空闲", "at least 1 GiB free on the disk");
    // POSIX `df -P`: one line a file system, the fourth column is what is free, in KiB.
    let output = Command::new("df").arg("-Pk").arg(dir).env("LC_ALL", "C").output().ok();
    let text = output.filter(|output| output.status.success()).and_then(|output| String::from_utf8(output.stdout).ok());
    let free = text.as_deref().and_then(|text| text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok());
    let Some(free) = free else {
        return Check::new("disk", Text::new("未知（没有 df）", "not known (no `df`)"), expected)
            .warning("自行核对剩余空间。", "see for yourself how much is free");
    };
    let mib = free / 1024;
    let check = Check::new("disk", Text::new(format!("空闲 {mib} MiB"), format!("{mib} MiB free")), expected);
    let (zh, en) = ("腾出空间；写满后节点停止发布。", "make room: when it is full the node stops publishing");
    match free {
        ..DISK_FAILED_KIB => check.failed(zh, en),
        DISK_FAILED_KIB..DISK_WARNING_KIB => check.warning(zh, en),
        _ => check,
    }
}
