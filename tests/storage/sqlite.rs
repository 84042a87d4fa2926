//! The suite on SQLite, and what is its own.

use super::fixture::{Fixture, append_own, two_origins};
use hefu_node::store::sqlite::Sqlite;
use hefu_node::store::{LogStore, OWN, Store, StoreError};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::path::PathBuf;
use tempfile::TempDir;

struct File {
    dir: TempDir,
    store: Sqlite,
}

impl File {
    async fn create() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Sqlite::create(&dir.path().join("hefu.db")).await.unwrap();
        Self { dir, store }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("hefu.db")
    }

    async fn connection(&self) -> SqliteConnection {
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(self.path())).await.unwrap()
    }
}

impl Fixture for File {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn reopen(&mut self) {
        // The old connections stay open beside the new ones: nothing is tidied up on the way out.
        self.store = Sqlite::open(&self.path()).await.unwrap();
    }

    async fn damage(&self, sql: &'static str) {
        let mut conn = self.connection().await;
        sqlx::query("PRAGMA ignore_check_constraints = ON").execute(&mut conn).await.unwrap();
        assert!(sqlx::query(sql).execute(&mut conn).await.unwrap().rows_affected() > 0, "{sql}");
        conn.close().await.unwrap();
    }
}

/// Each case in a database of its own.
macro_rules! cases {
    ($($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $case() {
                crate::storage::$module::$case(&super::File::create().await.store).await;
            })+
        })+
    };
}

/// Each case with a file of its own, which it may open again or damage.
macro_rules! restarts {
    ($module:ident: $($case:ident),+;) => {
        mod $module {
            $(#[tokio::test]
            async fn $case() {
                crate::storage::$module::$case(&mut super::File::create().await).await;
            })+
        }
    };
}

cases! {
    logs:
        the_first_origin_is_the_own,
        adding_an_origin_again_is_no_change,
        an_origin_with_another_fingerprint_is_refused,
        stopping_is_noted_and_lifted,
        the_last_contact_never_goes_back,
        a_fresh_log_is_empty,
        an_unknown_log_is_an_error,
        appended_entries_can_be_read_back,
        the_edge_is_that_of_the_plan_at_every_size,
        a_plan_on_an_old_head_conflicts_and_writes_nothing,
        logs_do_not_touch_each_other,
        an_own_append_needs_the_fence,
        an_own_append_after_a_take_over_conflicts,
        own_records_come_with_ids_drafts_and_keys,
        a_refused_own_append_leaves_nothing,
        a_draft_is_found_again_however_old_it_is,
        a_note_is_never_replaced_by_a_smaller_one,
        signed_entries_count_once_the_log_holds_them,
        acts_of_all_logs_come_in_order,
        of_two_writers_on_one_head_one_wins;
    payloads:
        wanted_rows_come_once_and_the_cursor_moves_with_them,
        a_search_without_a_hit_moves_the_cursor_too,
        what_is_wanted_is_found_by_range_limit_and_state,
        a_judged_page_fills_wanted_rows,
        a_held_row_is_never_replaced,
        absorbing_a_page_again_changes_nothing,
        what_was_not_held_can_become_so,
        a_known_id_at_another_index_is_turned_down,
        of_one_id_twice_in_a_page_the_earlier_entry_keeps_it,
        an_invalid_record_does_not_take_its_id,
        a_row_does_not_change_its_agreement,
        a_page_of_any_length_is_absorbed_whole,
        rows_come_by_agreement_range_and_limit,
        bodies_of_any_length_come_back,
        indexes_come_in_the_order_asked,
        states_are_counted,
        the_digest_of_states_is_that_of_the_definition,
        own_records_change_the_digest_of_states,
        writers_wait_for_each_other;
    agreements:
        a_document_is_stored_once,
        another_document_under_the_same_version_is_refused,
        versions_share_the_number_of_their_agreement,
        the_built_in_agreements_have_their_numbers,
        proofs_come_by_party_and_the_first_stays,
        a_linkage_is_stored_once,
        of_sealed_linkages_the_first_stays;
    guards:
        a_lease_has_one_holder_who_renews_it,
        a_lease_is_taken_over_only_when_it_has_run_out,
        a_lease_given_back_is_free_and_its_fence_grows,
        a_nonce_is_used_once,
        of_two_requests_with_one_nonce_one_is_let_in,
        a_seen_note_only_grows,
        the_audit_comes_newest_first,
        a_sound_database_has_no_complaints;
    reconciling:
        the_queue_is_read_oldest_first_by_agreement,
        an_evaluation_moves_queued_rows_to_the_facts,
        facts_come_with_their_payloads_each_once,
        a_part_of_the_queue_can_be_evaluated,
        facts_keep_every_byte,
        only_held_records_are_facts,
        facts_are_found_again_however_many_there_are,
        an_evaluation_of_rows_already_taken_is_refused_whole,
        the_findings_of_a_key_are_replaced_together,
        findings_come_gravest_first_and_can_be_filtered,
        findings_are_counted_by_agreement_rule_and_severity,
        what_is_observed_stands_first_and_is_of_no_agreement,
        due_dates_are_replaced_and_found_by_date,
        a_bucket_is_stale_from_a_change_until_it_is_computed,
        the_keys_of_a_bucket_count_their_origins,
        a_tally_statement_replaces_that_of_its_date_and_party;
    citing:
        what_is_cited_comes_up_again_when_it_arrives,
        what_is_cited_may_be_there_first,
        both_may_come_in_one_page,
        corrections_of_what_is_cited_are_in_sight,
        a_revocation_of_a_correction_is_in_sight,
        only_held_records_of_the_agreement_are_in_sight,
        what_is_looked_at_again_is_not_filed,
        rows_tell_which_cited_records_they_concern,
        a_flawed_entry_is_a_fact_of_its_own_key;
    tokens:
        a_token_is_found_by_its_hash_alone,
        a_token_is_revoked_once_and_stays;
    searching:
        rows_of_all_logs_come_by_log_and_index,
        a_search_is_narrowed_by_each_member,
        a_search_by_key_finds_what_is_filed_and_what_waits,
        a_rare_row_of_a_long_log_is_found_over_pages;
}

restarts! {
    restarts:
        everything_is_there_after_a_restart,
        a_restart_gives_no_number_twice,
        a_damaged_log_is_said_to_be_so,
        an_altered_entry_at_the_edge_is_noticed,
        a_head_without_its_entries_takes_no_append,
        damaged_payloads_are_said_to_be_so,
        damaged_findings_are_said_to_be_so;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let at = File::create().await;
    two_origins(&at.store).await;
    let mut files = 0;
    for entry in std::fs::read_dir(at.dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        files += 1;
    }
    assert!(files >= 3, "the database and its two side files");
}

#[tokio::test]
async fn create_refuses_what_is_there() {
    let at = File::create().await;
    two_origins(&at.store).await;
    assert!(Sqlite::create(&at.path()).await.is_err());
    assert_eq!(at.store.origins().await.unwrap().len(), 2);
}

#[tokio::test]
async fn open_makes_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("missing.db");
    assert!(Sqlite::open(&path).await.is_err());
    assert!(!path.exists());
}

#[tokio::test]
async fn open_refuses_a_file_of_another_program() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("other.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE x (y)").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    assert!(matches!(Sqlite::open(&path).await, Err(StoreError::Damaged { .. })));
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(Sqlite::open(&path).await, Err(StoreError::Damaged { .. })));
    std::fs::write(&path, [7; 20_000]).unwrap();
    assert!(Sqlite::open(&path).await.is_err());
}

#[tokio::test]
async fn open_refuses_a_file_of_a_newer_program() {
    let at = File::create().await;
    at.damage("UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)")
        .await;
    assert!(matches!(Sqlite::open(&at.path()).await, Err(StoreError::Migrate(_))));
}

#[tokio::test]
async fn the_file_is_laid_out_for_records() {
    let at = File::create().await;
    let mut conn = at.connection().await;
    let page_size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut conn).await.unwrap();
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut conn).await.unwrap();
    assert_eq!((page_size, mode.as_str()), (16_384, "wal"));
}

#[tokio::test]
async fn two_processes_share_the_file() {
    let at = File::create().await;
    two_origins(&at.store).await;
    let other = Sqlite::open(&at.path()).await.unwrap();
    let first = append_own(&other, 3, &[]).await;
    let second = append_own(&at.store, 4, &[]).await;
    assert_eq!(second.entries[0].index, 3);
    assert_eq!(other.edge(OWN).await.unwrap(), second.head);
    let stale = super::fixture::plan(&first.head, 1);
    let fence = super::fixture::fence(&other).await;
    assert!(matches!(other.append_own(fence, &stale, &[], &[]).await, Err(StoreError::Conflict { expected: 3 })));
}

#[tokio::test]
async fn closing_leaves_one_file() {
    let at = File::create().await;
    two_origins(&at.store).await;
    at.store.close().await.unwrap();
    assert_eq!(std::fs::read_dir(at.dir.path()).unwrap().count(), 1);
    assert_eq!(Sqlite::open(&at.path()).await.unwrap().origins().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_leaves_nothing_half_done() {
    let at = File::create().await;
    let (_, peer) = two_origins(&at.store).await;
    let plan = super::fixture::plan(&hefu_federation::append::Head::default(), 1_000);
    for polls in 0..6 {
        // The future is dropped after so many turns, wherever it is then.
        let mut write = Box::pin(at.store.append_replica(peer, &plan, &[]));
        for _ in 0..polls {
            let turn = tokio::time::timeout(std::time::Duration::from_micros(200), &mut write);
            if turn.await.is_ok() {
                break;
            }
        }
        drop(write);
        let size = at.store.head(peer).await.unwrap().size;
        assert!(size == 0 || size == 1_000);
        at.store.edge(peer).await.unwrap();
    }
    let _ = at.store.append_replica(peer, &plan, &[]).await;
    assert_eq!(at.store.edge(peer).await.unwrap(), plan.head);
}
