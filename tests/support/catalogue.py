"""Which test proves which fault of the catalogue: tier 1 of its sections 1.1 network, 1.2 protocol, 1.3 broker.

A scene (`scenes.py`) is played by `tests/engine/test_faults_agree.py`: a whole engine trades through it, and both sides
are compared. What no fault script can put on the wire is proven where it can happen, by the tests that are named here.
"""

from collections.abc import Mapping
from typing import NamedTuple

from scenes import SCENES

__all__ = ["AGREE", "CATALOGUE", "Proof"]


class Proof(NamedTuple):
    """How a fault is tried.

    Args:
        what: what is done to the client or its engine.
        tests: "file::test", below `tests`.
        missing: what of the catalogue's expectation nothing here shows, and why; empty: nothing.
    """

    what: str
    tests: tuple[str, ...] = ()
    missing: str = ""


AGREE = "engine/test_faults_agree.py::test_both_sides_agree_after"
HTTP, STREAM, SESSION = "alpaca/test_http_client.py", "alpaca/test_stream_client.py", "alpaca/test_stream_session.py"
DOUBT, ORDERS, MOVES = "engine/test_gateway_doubt.py", "core/test_orders.py", "engine/test_movements.py"
FAMILIES, RESTART, LINEAGE = "engine/test_families.py", "engine/test_restart.py", "core/test_orders_lineage.py"
VENUE, RISK = "exchange/venue", "core/test_risk.py"

_TABLE: Mapping[str, Proof] = {
    "NET-01": Proof(
        "every request is reset and both streams are refused for ten minutes",
        (f"{HTTP}::test_a_connection_that_cannot_be_made_sends_nothing", f"{STREAM}::test_reconnects_never_storm"),
    ),
    "NET-02": Proof(
        "names that do not resolve, or resolve elsewhere; loopback has no names to lose in a whole engine",
        (
            f"{HTTP}::test_the_host_is_checked_at_every_dial",
            "alpaca/test_hosts.py::test_names_must_resolve_to_where_they_belong",
        ),
    ),
    "NET-03": Proof(
        "expired, not yet valid, self-signed, another name, an old version, no TLS; the exchange speaks none, so there "
        "is no trading to compare",
        (
            "alpaca/test_tls_failures.py::test_a_request_fails_with_the_reason_and_once",
            "alpaca/test_tls_failures.py::test_streams_do_not_begin",
            "alpaca/test_tls_failures.py::test_a_stream_that_was_live_waits_before_it_tries_again",
            "alpaca/test_tls.py::test_an_untrusted_server_never_sees_a_key",
            "alpaca/test_tls.py::test_a_certificate_of_another_name_is_refused",
        ),
    ),
    "NET-04": Proof(
        "orders are reset before and after they are taken", (f"{DOUBT}::test_an_order_that_was_accepted_is_adopted",)
    ),
    "NET-05": Proof("requests are read and never answered"),
    "NET-06": Proof("the trading stream says nothing any more", (f"{STREAM}::test_a_dead_peer_is_noticed",)),
    "NET-10": Proof("half of an answer, then a reset"),
    "NET-13": Proof(
        "the trading stream is cut and refused", (f"{DOUBT}::test_no_new_risk_while_the_trading_stream_is_down",)
    ),
    "NET-14": Proof("requests are reset while both streams are up"),
    "NET-15": Proof(
        "the data stream is cut and refused",
        (f"{DOUBT}::test_a_stream_that_drops_in_the_middle_loses_nothing", f"{RISK}::test_r110_quote"),
    ),
    "NET-17": Proof(
        "a kept connection is reset", (f"{HTTP}::test_a_dead_kept_alive_connection_does_not_repeat_an_order",)
    ),
    "PRO-01": Proof("504 after accept", (f"{DOUBT}::test_an_order_that_was_accepted_is_adopted",)),
    "PRO-02": Proof(
        "500, 502, 503, before and after accept, HTML and JSON", (f"{HTTP}::test_reads_are_repeated_three_times",)
    ),
    "PRO-03": Proof("accepted, never answered"),
    "PRO-04": Proof("the words that the id exists already", (f"{DOUBT}::test_an_id_that_exists_already_is_looked_up",)),
    "PRO-05": Proof(
        "a new order cannot be read for two seconds", ("crash/test_kill_answers.py::test_not_to_be_seen_at_once",)
    ),
    "PRO-06": Proof(
        "429 without a reset, and with one that lies in another century",
        (
            "alpaca/test_pace.py::test_a_429_holds_until_its_reset_at_most_a_minute",
            f"{HTTP}::test_a_429_waits_for_its_reset",
            "engine/test_broker_limits.py::test_a_start_waits_while_the_broker_wants_it_to",
        ),
    ),
    "PRO-08": Proof(
        "200 with nothing, with half a body, with another order", (f"{DOUBT}::test_another_order_in_the_answer_halts",)
    ),
    "PRO-09": Proof(
        "words, fields and messages that nobody knows; the exchange has only Alpaca's own",
        (
            "alpaca/test_mapping.py::test_unknown_words_travel_on_raw",
            f"{ORDERS}::test_unknown_words_have_no_effect_but_are_kept",
            "wire/test_decode_fuzz.py::test_mutated_bytes_raise_nothing_but_protocol_errors",
        ),
    ),
    "PRO-10": Proof(
        "numbers outside the grammar; the exchange writes only numbers within it",
        (
            "wire/test_codec.py::test_strings_outside_the_grammar_are_refused",
            "wire/test_codec.py::test_json_numbers_are_bounded",
        ),
    ),
    "PRO-11": Proof(
        "no event, 500 before and after, and a refusal of what is open",
        (f"{DOUBT}::test_a_cancel_is_repeated_until_it_works",),
    ),
    "PRO-12": Proof(
        "rows of a 207, each an order or its own error; the engine cancels one by one, so no engine can meet it",
        (
            "alpaca/test_refusals.py::test_rows_of_a_207",
            "core/test_flattening.py::test_what_cannot_be_closed_is_listed_with_the_brokers_words",
        ),
    ),
    "PRO-13": Proof("401 and 403 to an order in the middle of the day", (f"{DOUBT}::test_refused_keys_halt",)),
    "PRO-14": Proof(
        "a dead data connection counts for 90 s", (f"{STREAM}::test_a_crowded_endpoint_is_tried_again_after_a_second",)
    ),
    "PRO-15": Proof(
        "refusals of a handshake; an engine that meets a permanent one does not begin to trade",
        (f"{SESSION}::test_refusals_while_authenticating", f"{STREAM}::test_a_permanent_refusal_ends_the_stream"),
    ),
    "PRO-17": Proof(
        "a reader that does not read",
        (
            f"{STREAM}::test_a_slow_consumer_gets_the_newest_quotes_and_a_count",
            f"{STREAM}::test_order_updates_are_never_dropped",
            "exchange/test_sockets_wire.py::test_a_slow_reader_is_told_and_closed_and_nobody_else_notices",
        ),
    ),
    "PRO-18": Proof(
        "a listening answer without trade_updates: nothing trades",
        (f"{STREAM}::test_a_listening_answer_without_trade_updates_is_not_ready",),
    ),
    "PRO-20": Proof(
        "the data stream answers pings and says nothing",
        (f"{STREAM}::test_a_mute_channel_is_a_failure_unless_explained",),
    ),
    "PRO-21": Proof(
        "many pages, ties, tokens that go round; the exchange pages honestly",
        (
            "alpaca/test_requests.py::test_orders_are_paged_by_time_without_loss",
            "alpaca/test_requests.py::test_pages_that_go_round_are_an_error",
            f"{HTTP}::test_a_failed_page_fails_the_list",
        ),
    ),
    "PRO-23": Proof("307 to another host", (f"{HTTP}::test_redirects_are_never_followed",)),
    "PRO-24": Proof(
        "bombs and endless bodies and heads; fatal to the answer, not to an order",
        (
            f"{HTTP}::test_bodies_are_capped_after_inflation",
            f"{HTTP}::test_bodies_are_capped_on_the_wire",
            f"{HTTP}::test_headers_are_capped",
            "alpaca/test_endless_heads.py::test_a_call_gives_up_soon",
        ),
    ),
    "BRK-01": Proof("every update twice", ("crash/test_kill_streams.py::test_garbled_updates",)),
    "BRK-02": Proof(
        "updates out of order, late answers, late news", (f"{ORDERS}::test_every_permutation_ends_in_the_same_bytes",)
    ),
    "BRK-03": Proof(
        "fills that are never told",
        (
            f"{DOUBT}::test_a_fill_that_the_stream_never_told_is_found_by_asking",
            "engine/test_activities_followed.py::test_the_feed_tells_a_fill_that_the_stream_lost",
        ),
    ),
    "BRK-04": Proof(
        "some fills twice, some never, some known from an answer alone",
        ("alpaca/test_mapping.py::test_three_sources_of_one_fill_are_one_fill",),
    ),
    "BRK-05": Proof(
        "partial fills told 45 s late, after `canceled`", (f"{ORDERS}::test_late_fill_after_cancel_is_booked",)
    ),
    "BRK-06": Proof(
        "cancels that come late or take long",
        (f"{ORDERS}::test_fill_wins_over_cancel", f"{VENUE}/test_venue_life.py::test_a_fill_may_win_against_a_cancel"),
    ),
    "BRK-07": Proof(
        "updates, acceptance or cancel take most of the day",
        (f"{ORDERS}::test_stuck_in_pending_cancel_keeps_its_quantity",),
    ),
    "BRK-08": Proof(
        "the exchange rejects replacements only, so: by evidence",
        (f"{ORDERS}::test_rejected_after_it_was_taken", f"{LINEAGE}::test_a_failed_replacement_leaves_the_old_wish"),
    ),
    "BRK-09": Proof(
        "the old order fills first; the replacement is refused", (f"{LINEAGE}::test_fills_of_a_lineage_add_up",)
    ),
    "BRK-10": Proof(
        "a partly filled order is replaced",
        (
            f"{VENUE}/test_venue_life.py::test_replacing_a_partly_filled_order",
            f"{LINEAGE}::test_shrinking_below_what_is_filled_is_no_overfill_by_itself",
        ),
    ),
    "BRK-11": Proof(
        "an error, or no answer, and it was done", (f"{DOUBT}::test_a_replace_without_an_answer_is_found_by_its_links",)
    ),
    "BRK-13": Proof(
        "a whole engine's brackets on the exchange",
        (
            f"{FAMILIES}::test_while_it_rests_each_quantity_is_reserved_once",
            f"{FAMILIES}::test_an_exit_can_be_moved",
            f"{VENUE}/test_venue_groups.py::test_prices_of_the_exits_can_be_replaced",
        ),
    ),
    "BRK-14": Proof(
        "the exchange never fills both, so: by evidence",
        (
            f"{ORDERS}::test_overfill_is_booked_and_flagged",
            f"{RESTART}::test_a_difference_halts_and_stays_until_a_person_decides",
        ),
    ),
    "BRK-15": Proof(
        "an entry ends filled in part", (f"{FAMILIES}::test_an_entry_that_ends_filled_in_part_is_protected",)
    ),
    "BRK-16": Proof(
        "a sale is refused for held quantity", (f"{VENUE}/test_rules_refusals.py::test_insufficient_quantity",)
    ),
    "BRK-18": Proof(
        "refused for buying power",
        ("engine/test_trading_day.py::test_what_the_broker_refuses_is_refused_with_its_words",),
    ),
    "BRK-19": Proof(
        "403 that the account may not trade",
        (
            f"{VENUE}/test_rules_refusals.py::test_an_account_that_may_not_trade",
            "engine/test_broker_limits.py::test_a_blocked_account_halts_at_once",
            "engine/test_closing_only.py::test_closing_only_lets_what_is_held_go",
        ),
    ),
    "BRK-20": Proof(
        "a stock stands still for a minute and a half",
        (
            f"{VENUE}/test_venue_halts.py::test_orders_wait_while_a_symbol_is_halted",
            f"{VENUE}/test_venue_halts.py::test_nothing_trades_outside_the_band",
        ),
    ),
    "BRK-21": Proof(
        "orders outside the hours are refused here, so they never leave",
        (
            f"{RISK}::test_r103_sessions",
            f"{VENUE}/test_venue_stops.py::test_the_cut_off_of_auctions",
            "engine/test_flatten.py::test_a_closed_market_leaves_closing_orders_and_names_them",
        ),
    ),
    "BRK-23": Proof(
        "prices and lots that are refused here",
        (
            "engine/test_trading_day.py::test_a_sub_penny_price_is_refused_before_it_leaves",
            f"{RISK}::test_r103_fractions",
            f"{VENUE}/test_venue_crypto.py::test_the_least_that_an_order_costs",
        ),
    ),
    "BRK-24": Proof(
        "the fee in the coin",
        (
            f"{MOVES}::test_a_coins_fee_is_taken_from_the_coin",
            "core/test_portfolio.py::test_fee_in_coin",
            "engine/test_flatten.py::test_random_books_with_options_and_coins_end_flat",
        ),
    ),
    "BRK-25": Proof(
        "with and without slash",
        (
            "core/test_symbols.py::test_what_symbols_mean",
            f"{VENUE}/test_venue_crypto.py::test_orders_take_both_spellings_and_say_the_one_with_the_slash",
        ),
    ),
    "BRK-26": Proof(
        "a split between two sessions of an engine",
        (
            f"{MOVES}::test_a_split_over_night_is_explained",
            f"{VENUE}/test_corporate.py::test_a_reverse_split_pays_for_fractions",
            "core/test_portfolio.py::test_reverse_split_with_cash_in_lieu",
        ),
    ),
    "BRK-29": Proof(
        "expiry and exercise between two sessions of an engine",
        (
            f"{MOVES}::test_options_that_end_are_explained",
            f"{MOVES}::test_an_assignment_brings_or_takes_shares_at_the_strike",
        ),
    ),
    "BRK-31": Proof(
        "the exchange busts prints, never our fills, so: by evidence",
        (f"{ORDERS}::test_bust_takes_back_what_was_booked", "core/test_portfolio.py::test_bust_is_taken_back"),
    ),
    "BRK-32": Proof(
        "somebody else trades on the account",
        (
            f"{RESTART}::test_orders_of_others_are_adopted_and_booked_and_left_alone",
            "engine/test_attribution.py::test_a_strategy_knows_that_its_position_was_closed_by_hand",
        ),
    ),
    "BRK-35": Proof("another account behind the key", (f"{RESTART}::test_the_journal_of_another_account_is_refused",)),
    "BRK-36": Proof(
        "positions lag five seconds", (f"{VENUE}/test_house_rules.py::test_positions_may_lag_behind_orders",)
    ),
}


def _with_scenes(name: str, proof: Proof) -> Proof:
    played = any(scene.partition(" ")[0] == name for scene in SCENES)
    return proof._replace(tests=(AGREE, *proof.tests)) if played else proof


CATALOGUE: Mapping[str, Proof] = {name: _with_scenes(name, proof) for name, proof in _TABLE.items()}
"""Every fault by its ID; where there are scenes of it, the test that plays them stands first."""
