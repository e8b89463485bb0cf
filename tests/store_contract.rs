//! The store's contract: ONE suite that every backend passes. A backend joins with a factory and one more line below.
//! What must not live here: what only SQLite has (that is `damage`), and power cuts (see `power_cut`).

mod store_kit;

#[path = "store_contract/damage.rs"]
mod damage;
#[path = "store_contract/folding.rs"]
mod folding;
#[path = "store_contract/indexing.rs"]
mod indexing;
#[path = "store_contract/limits.rs"]
mod limits;
#[path = "store_contract/pages.rs"]
mod pages;
#[path = "store_contract/personal.rs"]
mod personal;
#[path = "store_contract/queue.rs"]
mod queue;
#[path = "store_contract/retention.rs"]
mod retention;
#[path = "store_contract/rules.rs"]
mod rules;
#[path = "store_contract/said.rs"]
mod said;
#[path = "store_contract/search.rs"]
mod search;
#[path = "store_contract/sends.rs"]
mod sends;

macro_rules! contract {
    ($backend:ident, $factory:expr) => {
        contract! { $backend, $factory,
            sends: receipts_are_gapless, a_repeat_gets_its_receipt_for_ever, another_body_under_the_same_id_is_refused,
                an_id_belongs_to_its_device, a_retry_of_something_erased_says_so, two_first_sends_open_one_conversation,
                a_direct_conversation_needs_two_people_who_exist, time_is_shown_and_marked;
            rules: groups_live_and_die, joining_by_approval, members_are_moved_about, bans_and_mutes,
                edits_recalls_and_reactions, channels_are_for_reading, the_writer_asks_again,
                only_ones_own_time_is_shown, who_was_erased_is_not_heard, who_was_signed_out_is_not_heard;
            folding: a_roster_is_what_its_events_say, rosters_beyond_the_budget_are_busy;
            pages: pages_are_what_was_told, ranges_with_holes_hide_the_rest, a_page_has_a_weight,
                a_page_far_away_is_empty, annotations_follow_their_targets, what_changed_since,
                markers_rise_and_are_counted, a_marker_never_goes_back, lists_survive_a_restart;
            queue: a_full_queue_is_busy, queued_bytes_are_bounded_too, a_batch_takes_what_waits,
                one_bad_command_spares_its_batch, a_closed_store_says_so, one_store_per_directory;
            search: what_is_found_is_what_is_said, the_text_decides_not_its_pairs, long_texts_are_found_to_their_end,
                of_many_conversations_only_ones_own_are_searched, one_search_looks_at_so_much,
                waiting_searches_are_limited;
            said: unread_mentions_are_counted_up_to_a_limit, a_user_follows_a_limited_number_of_threads,
                changes_of_what_is_followed_are_forgotten_in_time, a_thread_that_does_not_count_survives_a_crash, an_edit_has_its_time;
            retention: what_was_kept_long_enough_is_erased_day_by_day,
                a_conversation_keeps_for_its_own_time_if_that_is_shorter,
                a_wrong_clock_erases_nothing_and_doubtful_times_follow_the_next_certain_one,
                long_words_are_erased_a_few_at_a_time, messages_of_every_kind_are_erased_and_their_files_go;
            limits: conversations_of_a_user_are_limited, annotations_of_a_page_are_limited, waiting_reads_are_limited;
            personal: settings_of_a_key_are_limited, cleared_settings_are_forgotten_in_time,
                blocks_are_kept_and_limited_for_all_together,
                what_is_hidden_is_kept_and_limited_for_all_together;
        }
    };
    ($backend:ident, $factory:expr, $($room:ident: $($name:ident),+;)+) => {
        mod $backend {
            $(mod $room {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::$room::$name(&$factory).await;
                })+
            })+
        }
    };
}

contract!(sqlite, crate::store_kit::Sqlite);
