//! `hefu move`.

use super::{Globals, output};
use crate::clock::Clock;
use crate::config::DatabaseSetting;
use crate::moving::{self, Step, Summary};
use crate::problem::{Code, Outcome, Problem};

const EXAMPLE: &str = "\
Example:
  hefu --dir km move --to postgres://km@db.example/hefu --dry-run
  hefu --dir km move --to postgres://km@db.example/hefu
  hefu --dir km move --to sqlite

The node must not be running. The target is an empty database (CREATE DATABASE hefu OWNER km), or `sqlite`: hefu.db in the folder.
The password stands in PGPASSWORD or ~/.pgpass rather than in the URL, which is written to hefu.toml and never printed.

Every table is copied in pages and read back; then the root of every log is recomputed from the copied entries and compared with its
tiles, its signed note and the guard file, and every record with its commitment and proof. Only if all of it agrees does the node
change its database: `database` in hefu.toml is replaced, and the old database is marked, so that no node is run on it again
(two databases that both sign would fork the log). It is kept: a file as hefu.db.moved-DATE, on a server as it is.

Keys, guard and settings stay in the folder. Other machines that serve from the same database need the new setting by hand. After an
interruption give the same command again: before the change it begins anew, behind it it only finishes.";

/// Move the node to another database.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Move {
    /// Where to: postgres://user@host/database, an empty database of a PostgreSQL server, or `sqlite`, a file in the folder
    #[arg(long, value_name = "URL", value_parser = super::init::database)]
    to: DatabaseSetting,
    /// Look whether the move can begin and say what it would do; change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Move {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let bar = output::progress(globals, Some(0), "复制与比对", "copying and comparing");
        let checking = output::text(globals, "校验日志与记录", "verifying logs and records");
        let told = bar.clone();
        let watch = move |step: Step<'_>| {
            match step {
                // Everything is copied, and then read back.
                Step::Rows(rows) => told.set_length(rows.saturating_mul(2)),
                Step::Done(rows) => told.inc(rows),
                Step::Compared => told.set_message(checking.clone()),
                Step::Copied(_) | Step::Verified | Step::Left | Step::Arrived | Step::Switched => {}
            }
            Ok(())
        };
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        let moved = moving::run(&globals.dir, &self.to, self.dry_run, &Clock::default(), &watch).await;
        bar.finish_and_clear();
        let summary = moved?;
        if globals.json {
            output::json(&serde_json::to_value(&summary).map_err(|error| Problem::new(Code::Internal, error))?);
        } else {
            print(globals, &summary);
        }
        Ok(0)
    }
}

fn print(globals: &Globals, summary: &Summary) {
    let (from, to, rows, tables) = (&summary.from, &summary.to, summary.rows, summary.tables.len());
    if summary.dry_run {
        output::data(output::text(
            globals,
            format!("将从 {from} 迁往 {to}：{tables} 张表，{rows} 行（未作更改）。"),
            format!("Would move from {from} to {to}: {tables} tables, {rows} rows (nothing was changed)."),
        ));
        for left in &summary.left {
            let (table, reason) = (left.table, output::of(globals, &left.reason));
            let line = output::text(
                globals,
                format!("不迁移 {table}（{reason}）"),
                format!("stays behind: {table} ({reason})"),
            );
            output::data(format!("    {line}"));
        }
        return;
    }
    if summary.finished {
        output::data(output::text(
            globals,
            format!("已完成此前中断的迁移：节点现使用 {to}。"),
            format!("The move that was interrupted is finished: the node is in {to}."),
        ));
    } else {
        for log in &summary.logs {
            let (origin, entries) = (&log.origin, log.entries);
            let root = log.root.as_deref().unwrap_or("–");
            output::data(output::text(
                globals,
                format!("{origin}：{entries} 条日志，根 {root}"),
                format!("{origin}: {}, root {root}", output::counted(entries, "entry", "entries")),
            ));
        }
        let records = summary.records;
        output::data(output::text(
            globals,
            format!("已从 {from} 迁往 {to}：{tables} 张表、{rows} 行、{records} 份记录，均已核对一致。"),
            format!(
                "Moved from {from} to {to}: {tables} tables, {rows} rows, {records} records, all of them verified."
            ),
        ));
    }
    match &summary.kept {
        Some(kept) => output::words(
            globals,
            format!(
                "原数据库保留为 {kept}，不会再被启用。节点用新库正常服务并完成备份后，请删除该文件（其中有个人数据）。"
            ),
            format!(
                "The old database is kept as {kept}; no node will run on it again. Delete it (it holds personal data) when \
                 the node has served from the new one and a backup of that is made."
            ),
        ),
        None => output::words(
            globals,
            "原数据库保留在服务器上并已标记，不会再被启用。节点用新库正常服务并完成备份后，请执行 DROP DATABASE（其中有个人数据）。",
            "The old database is kept on its server, marked; no node will run on it again. DROP DATABASE (it holds personal data) \
             when the node has served from the new one and a backup of that is made.",
        ),
    }
}
