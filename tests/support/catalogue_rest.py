"""Which test proves which fault of tier 1: crash, data, time, resources, operator, security (sections 1.4 to 1.9)."""

from collections.abc import Mapping

from catalogue import DOUBT, HTTP, MOVES, RESTART, RISK, STREAM, Proof

__all__ = ["REST"]

KILLS, ANSWERS = "crash/test_kill_points.py::test_first_and_last_pass", "crash/test_kill_answers.py"
JOURNAL, SWITCH, PARTS = "engine/test_journal_storage.py", "engine/test_killswitch.py", "engine/test_engine_parts.py"
SERVICES, RELOAD = "services/test_services_parts.py", "services/test_services_reload.py"
DATA_BUS, CONTROL_BUS = "bus/test_bus_data.py", "bus/test_bus_control.py"
HALT, DOCTOR = "cli/test_cli_halt.py", "cli/test_cli_doctor.py"
LOAD, ENVIRONMENT = "cli/test_config_load.py", "cli/test_config_environment.py"
HOSTS, SESSIONS = "alpaca/test_hosts.py", "core/test_sessions.py"
ANYWHERE = f"{RESTART}::test_a_process_that_ends_anywhere_is_taken_up"


def _killed(what: str, *more: str) -> Proof:
    """Ended for good at named points, in a process of its own and within one."""
    return Proof(what, (KILLS, ANYWHERE, *more))


REST: Mapping[str, Proof] = {
    "CRA-01": _killed("at signal"),
    "CRA-02": _killed("at risk-reserved"),
    "CRA-03": _killed(
        "at intent-durable", f"{DOUBT}::test_an_order_that_never_arrived_is_abandoned_after_its_deadline"
    ),
    "CRA-04": _killed("at request-first-byte", f"{DOUBT}::test_an_order_that_never_arrived_is_sent_again_under_its_id"),
    "CRA-05": _killed("at request-sent and reply-received", f"{ANSWERS}::test_lost_reply"),
    "CRA-06": _killed("at reply-read"),
    "CRA-07": _killed("at ack-durable"),
    "CRA-08": _killed("at fill-read"),
    "CRA-09": _killed("at fill-durable"),
    "CRA-10": _killed("at fill-projected", f"{RESTART}::test_fills_nobody_was_told_of_are_told_after_the_restart"),
    "CRA-11": _killed("at cancel-durable and cancel-sent", f"{ANSWERS}::test_cancel_without_answer"),
    "CRA-12": _killed("at cancel-reply", f"{ANSWERS}::test_cancel_taken_and_forgotten"),
    "CRA-13": _killed(
        "at replace-durable, replace-reply and lineage-durable", f"{ANSWERS}::test_replace_without_answer"
    ),
    "CRA-14": Proof(
        "the journal's end is gone",
        (
            "crash/test_kill_journal.py::test_lost_end",
            f"{RESTART}::test_an_order_of_ours_that_the_journal_lost_is_adopted",
        ),
    ),
    "CRA-15": Proof(
        "records changed, cut, taken out, put in; there are no snapshots to lose",
        (
            f"{JOURNAL}::test_every_change_is_found_and_named",
            f"{JOURNAL}::test_a_damaged_file_does_not_open",
            f"{JOURNAL}::test_commits_survive_the_power",
            "crash/test_kill_journal.py::test_damage",
        ),
    ),
    "CRA-16": Proof(
        "killed in each step of the reconciliation, three times in a row",
        (
            "crash/test_kill_reconcile.py::test_three_times_in_a_row",
            f"{RESTART}::test_a_start_that_ends_three_times_in_a_row_begins_again",
        ),
    ),
    "CRA-17": Proof(
        "killed after the latch, before the cancels",
        (
            f"{SWITCH}::test_a_process_killed_before_it_noticed_starts_halted",
            f"{HALT}::test_halt_is_confirmed_survives_kill_and_ends_with_a_reason",
        ),
    ),
    "CRA-18": Proof(
        "limits reloaded",
        (f"{RELOAD}::test_tighter_applies_looser_waits_and_invalid_changes_nothing",),
        "nobody is killed in the middle of a reload; a file is read whole or not at all",
    ),
    "DAT-01": Proof(
        "no price, a negative one, NaN, and a hundred times the last one",
        (
            f"{PARTS}::test_a_bar_that_cannot_be_true_is_not_taken",
            f"{PARTS}::test_an_absurd_price_changes_nothing",
            "core/test_plausible.py::test_a_single_absurd_price_never_gets_in",
        ),
    ),
    "DAT-02": Proof(
        "crossed, locked, without a bid",
        (f"{RISK}::test_r110_quote", f"{PARTS}::test_the_mark_is_the_middle_of_a_sound_quote_else_the_last_price"),
    ),
    "DAT-03": Proof("an old quote on a stream that is well", (f"{RISK}::test_r110_quote",)),
    "DAT-04": Proof("bars late, twice, out of order", (f"{PARTS}::test_bars_come_in_order_and_once",)),
    "DAT-05": Proof(
        "a stream that was away",
        (
            f"{STREAM}::test_a_lost_connection_comes_back_with_its_gap",
            f"{DOUBT}::test_a_stream_that_drops_in_the_middle_loses_nothing",
        ),
    ),
    "DAT-07": Proof(
        "a split between two sessions",
        (f"{MOVES}::test_a_split_over_night_is_explained",),
        "a run over several days keeps the bars from before the split as they were told; a run ends with its session "
        "unless somebody says otherwise, and warm-up bars are adjusted",
    ),
    "DAT-09": Proof(
        "anything in place of a symbol", ("core/test_symbols.py::test_any_text_is_a_canonical_symbol_or_a_data_error",)
    ),
    "TIM-01": Proof(
        "a clock that leaps",
        (
            f"{PARTS}::test_who_sleeps_through_a_leap_of_the_market_wakes_with_it",
            "core/test_risk_gates.py::test_r128_clock",
        ),
        "the machine's own clock is not set by a test; deadlines of sockets are on the monotonic clock by its type",
    ),
    "TIM-02": Proof(
        "a clock that is wrong",
        ("core/test_risk_gates.py::test_r128_clock", f"{DOCTOR}::test_the_clock_is_compared_with_the_brokers"),
    ),
    "TIM-03": Proof(
        "the days on which the clock changes",
        (
            f"{SESSIONS}::test_opens_at_half_past_nine_on_both_sides_of_a_clock_change",
            f"{SESSIONS}::test_the_night_of_a_clock_change_is_an_hour_shorter_or_longer",
        ),
    ),
    "TIM-04": Proof(
        "half days, and days of which only the broker knows",
        (
            f"{SESSIONS}::test_a_half_day_ends_at_one_and_its_evening_at_five",
            "engine/test_calendars.py::test_nothing_is_opened_while_they_disagree",
            "engine/test_calendars.py::test_it_heals_when_they_agree_again",
        ),
    ),
    "TIM-05": Proof(
        "three hours between a record and its request",
        ("engine/test_resources.py::test_an_intent_that_slept_through_its_time_is_not_sent",),
    ),
    "RES-01": Proof(
        "a full disk",
        (
            f"{RESTART}::test_a_full_disk_sends_nothing_and_halts_and_cancels_still_go",
            "crash/test_kill_journal.py::test_full_disk",
        ),
    ),
    "RES-02": Proof(
        "a disk that takes its time, and one that fails",
        (
            "engine/test_resources.py::test_nothing_is_sent_before_it_is_durable",
            f"{JOURNAL}::test_a_failed_journal_stays_failed",
        ),
    ),
    "RES-03": Proof(
        "log lines of any size",
        (f"{SERVICES}::test_logs_are_json_lines_of_every_library",),
        "nobody fills the disk that logs go to; they go to the standard error of their process",
    ),
    "RES-04": Proof(
        "readers that do not read",
        (
            f"{STREAM}::test_a_slow_consumer_gets_the_newest_quotes_and_a_count",
            f"{HTTP}::test_bodies_are_capped_after_inflation",
        ),
        "no test limits the memory of a whole process",
    ),
    "RES-05": Proof(
        "no descriptor is left",
        ("engine/test_resources.py::test_a_client_without_descriptors_keeps_the_connection_it_has",),
    ),
    "RES-06": Proof(
        "a consumer that does not come back for more",
        (
            f"{STREAM}::test_a_slow_consumer_gets_the_newest_quotes_and_a_count",
            f"{STREAM}::test_order_updates_are_never_dropped",
        ),
    ),
    "RES-07": Proof(
        "a client of the exchange that never reads; there is no dashboard to be slow",
        ("exchange/test_sockets_wire.py::test_a_slow_reader_is_told_and_closed_and_nobody_else_notices",),
    ),
    "RES-08": Proof("losses on the bus", (f"{DATA_BUS}::test_reported_losses_are_the_real_losses_exactly",)),
    "RES-09": Proof(
        "a late joiner, and a publisher that begins anew",
        (
            f"{DATA_BUS}::test_a_joiner_gets_the_last_of_each_topic_and_nobody_gets_it_twice",
            f"{DATA_BUS}::test_a_restarted_publisher_is_told_from_a_loss",
        ),
    ),
    "RES-10": Proof(
        "a process that hangs",
        (
            f"{HALT}::test_a_hung_process_is_told_of_and_ended",
            "services/test_services_system.py::test_without_the_risk_process_only_reductions_leave",
            "engine/test_resources.py::test_an_intent_that_slept_through_its_time_is_not_sent",
        ),
    ),
    "OPR-01": Proof(
        "two processes with one journal, and with two",
        (
            f"{RESTART}::test_a_second_process_on_one_journal_is_refused",
            f"{RESTART}::test_of_two_processes_on_one_account_the_older_halts",
            f"{RESTART}::test_an_order_of_a_newer_process_halts_and_is_left_alone",
        ),
    ),
    "OPR-02": Proof("mistakes in a configuration", (f"{LOAD}::test_every_mistake_names_its_place",)),
    "OPR-03": Proof(
        "a reload of less, of more, of nonsense",
        (
            f"{RELOAD}::test_tighter_applies_looser_waits_and_invalid_changes_nothing",
            "engine/test_loosened.py::test_live_does_not_start_on_looser_limits_until_their_version_is_confirmed",
        ),
    ),
    "OPR-04": Proof("another configuration or code", (f"{SERVICES}::test_a_version_changes_with_what_counts",)),
    "OPR-05": Proof(
        "halted, again, killed, started",
        (
            f"{HALT}::test_halt_is_confirmed_survives_kill_and_ends_with_a_reason",
            f"{SWITCH}::test_halted_stays_halted_and_resume_takes_a_reason",
        ),
    ),
    "OPR-06": Proof(
        "a strategy that repeats itself", ("engine/test_guard.py::test_a_strategy_that_repeats_itself_is_stopped",)
    ),
    "OPR-07": Proof(
        "keys that are not accepted any more",
        (f"{DOUBT}::test_refused_keys_halt",),
        "new keys need a new start",
    ),
    "OPR-08": Proof(
        "an address and a mode that do not agree",
        (
            f"{ENVIRONMENT}::test_an_address_that_does_not_agree_is_refused_with_the_reason",
            f"{LOAD}::test_live_is_refused_however_it_is_asked_for",
        ),
    ),
    "OPR-09": Proof(
        "quotes, line ends, byte order marks",
        (
            f"{ENVIRONMENT}::test_keys_that_cannot_be_used",
            f"{LOAD}::test_line_ends_of_windows_and_a_byte_order_mark_change_nothing",
        ),
    ),
    "SEC-01": Proof(
        "a peer that nobody knows",
        (
            f"{CONTROL_BUS}::test_an_unknown_key_gets_no_answer_and_is_counted",
            f"{DATA_BUS}::test_with_keys_only_known_peers_get_anything",
        ),
    ),
    "SEC-02": Proof("no authenticator", (f"{DATA_BUS}::test_without_an_authenticator_nobody_gets_in",)),
    "SEC-03": Proof(
        "a peer beyond its role", (f"{CONTROL_BUS}::test_a_peer_may_do_what_its_role_allows_and_is_who_its_key_says",)
    ),
    "SEC-04": Proof(
        "messages again, and of an earlier life",
        (
            f"{CONTROL_BUS}::test_a_repetition_gets_the_first_answer",
            f"{CONTROL_BUS}::test_an_earlier_life_of_a_sender_is_not_heard",
        ),
    ),
    "SEC-05": Proof(
        "garbage on the bus",
        (
            f"{CONTROL_BUS}::test_garbage_of_a_known_peer_changes_nothing",
            f"{DATA_BUS}::test_frames_that_cannot_be_read_are_counted",
        ),
        "ten thousand connections at once",
    ),
    "SEC-06": Proof(
        "depth, size, endless numbers, bytes that are no text",
        (
            "wire/test_hostile_json.py::test_an_answer_that_is_meant_to_hurt_is_one_typed_error",
            "wire/test_hostile_json.py::test_a_frame_that_is_meant_to_hurt_costs_only_itself",
            "bus/test_bus_frames.py::test_deep_and_wrong_bodies_are_refused",
        ),
    ),
    "SEC-07": Proof(
        "code that would run data", ("test_unsafe_lint.py::test_nothing_runs_what_it_reads_and_tls_stays_on",)
    ),
    "SEC-08": Proof("doors without a token", (f"{SERVICES}::test_outside_dev_every_door_but_live_needs_the_token",)),
    "SEC-09": Proof(
        "effects without a token", (f"{SERVICES}::test_doors_tell_the_truth_and_keep_out_who_has_no_business",)
    ),
    "SEC-10": Proof(
        "foreign hosts and origins", (f"{SERVICES}::test_doors_tell_the_truth_and_keep_out_who_has_no_business",)
    ),
    "SEC-11": Proof("markup in names and reasons", ("research/test_report_page.py::test_text_never_becomes_markup",)),
    "SEC-12": Proof(
        "paths that lead elsewhere",
        (f"{SERVICES}::test_doors_tell_the_truth_and_keep_out_who_has_no_business",),
        "no door serves files, so there is no path to try",
    ),
    "SEC-13": Proof(
        "wrong tokens",
        (f"{SERVICES}::test_outside_dev_every_door_but_live_needs_the_token",),
        "nobody measures the time of a comparison; it is hmac's",
    ),
    "SEC-14": Proof(
        "canary keys",
        (
            f"{ENVIRONMENT}::test_a_secret_does_not_leak",
            f"{HOSTS}::test_credentials_never_show",
            f"{SERVICES}::test_secrets_are_redacted_by_type_and_fields_are_capped",
        ),
    ),
    "SEC-15": Proof(
        "live by every way it can be asked for",
        (
            f"{LOAD}::test_live_is_refused_however_it_is_asked_for",
            f"{LOAD}::test_ceilings_of_live_come_before_any_permit",
        ),
    ),
    "SEC-16": Proof("addresses that look alike", (f"{HOSTS}::test_everything_else_is_refused",)),
    "SEC-17": Proof(
        "redirects, and names that lead elsewhere; addresses of webhooks",
        (
            f"{HTTP}::test_redirects_are_never_followed",
            f"{HOSTS}::test_names_must_resolve_to_where_they_belong",
            "engine/test_alerts.py::test_a_webhook_that_does_not_answer_with_success_has_failed",
            "cli/test_cli_alarms.py::test_an_address_that_alerts_may_not_go_to_is_refused",
        ),
    ),
    "SEC-18": Proof(
        "a way to switch TLS off",
        (
            "test_unsafe_lint.py::test_nothing_runs_what_it_reads_and_tls_stays_on",
            "alpaca/test_tls.py::test_an_untrusted_server_never_sees_a_key",
        ),
    ),
    "SEC-19": Proof("calls that take money out", ("alpaca/test_operations.py::test_money_cannot_leave_the_account",)),
    "SEC-22": Proof(
        "control characters in a log", (f"{SERVICES}::test_secrets_are_redacted_by_type_and_fields_are_capped",)
    ),
}
