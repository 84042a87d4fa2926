//! The cases by name. Each becomes a test of its own for each database: `storage::sqlite::logs::a_fresh_log_is_empty`.

/// Each case that needs a store only, in a database of its own.
macro_rules! cases {
    ($fixture:ty) => {
        super::suite::each! { $fixture;
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
                    acts_of_a_log_on_a_document_come_in_order,
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
                    corrections_are_found_by_the_range_of_what_they_correct,
                    what_came_early_is_filed_with_what_it_corrects,
                    what_came_early_is_not_filed_under_what_is_turned_down,
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
                    a_lease_that_is_wanted_goes_to_who_wants_it,
                    a_wish_ends_when_it_is_met_or_runs_out,
                    of_many_who_take_a_lease_at_once_one_gets_it,
                    the_registry_has_another_version_after_each_change,
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
                    of_a_flood_under_one_key_the_latest_facts_are_read,
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
    };
}

/// The cases that open the database again.
macro_rules! restarts {
    ($fixture:ty) => {
        super::suite::each_mut! { $fixture; restarts:
            everything_is_there_after_a_restart,
            a_restart_gives_no_number_twice;
        }
    };
}

/// The cases that damage it.
macro_rules! damages {
    ($fixture:ty) => {
        super::suite::each_mut! { $fixture; damages:
            a_damaged_log_is_said_to_be_so,
            an_altered_entry_at_the_edge_is_noticed,
            a_head_without_its_entries_takes_no_append,
            damaged_payloads_are_said_to_be_so,
            damaged_findings_are_said_to_be_so;
        }
    };
}

macro_rules! each {
    ($fixture:ty; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $case() {
                if let Some(at) = <$fixture as crate::storage::fixture::Fixture>::create().await {
                    crate::storage::$module::$case(crate::storage::fixture::Fixture::store(&at)).await;
                }
            })+
        })+
    };
}

macro_rules! each_mut {
    ($fixture:ty; $module:ident: $($case:ident),+;) => {
        mod $module {
            $(#[tokio::test]
            async fn $case() {
                if let Some(mut at) = <$fixture as crate::storage::fixture::Fixture>::create().await {
                    crate::storage::$module::$case(&mut at).await;
                }
            })+
        }
    };
}

pub(super) use {cases, damages, each, each_mut, restarts};
