"""The texts behind the codes of alarms, alerts and limits."""

from puna.cli.code_text import Text

__all__ = ["ALARM_CODES"]

ALARM_CODES: dict[str, Text] = {
    "E521": Text(
        "Only reductions could be sent for too long",
        "A stream was down, or the books could not be compared after it came back, or the broker's clock and the "
        "calendar disagree, for longer than alerts.down_seconds. Nothing was opened meanwhile, and nothing is while it "
        "lasts. It is an alarm, which stands until somebody acknowledges it, also when it is over.",
        "`puna doctor` looks at the network and the keys. Another process with the same keys takes the stream away. "
        "Then `puna ack --all --reason TEXT`.",
    ),
    "E522": Text(
        "A run has ended by an error, or its process has died",
        "The message has the error; of a process that died or hangs the watchdog tells. What was sent stands in the "
        "journal, and the next start compares it with the broker first. Orders may rest at the broker.",
        "Look at `puna orders` and `puna positions`, start again, then `puna ack --all --reason TEXT`.",
    ),
    "E523": Text(
        "An alert did not reach anybody",
        "The webhook did not answer with success in time, the program of alerts.command failed, or neither is set. "
        "Trading is not touched by this. The alarm stands in the journal, and is told again: soon when no way worked, "
        "else with the next repeat.",
        "Set alerts.command or PUNA_ALERT_WEBHOOK (its *_FILE form keeps it out of the environment), and try them "
        "with `puna alarms --test`.",
    ),
    "E524": Text(
        "No such alarm stands",
        "Alarms are named by the number of their record in the journal. It was acknowledged already, or the number "
        "belongs to another run.",
        "puna alarms shows those that stand, puna alarms --all also who acknowledged the others, and why.",
    ),
    "E530": Text(
        "The limits are looser than those of the last run",
        "The journal knows the limits of the run before. What is tighter applies at once; what is looser is noted with "
        "both values and who confirmed it. On paper that is all. A live account does not start on looser limits, "
        "and nothing is written, until a second person has named their version.",
        "Look at each change in the message. If it is meant: puna run CONFIG --confirm-limits VERSION --by NAME, with "
        "the name of somebody else than who starts. Else put the old values back.",
    ),
    "E531": Text(
        "An intraday margin deficit",
        "The broker's maintenance margin of what is held is larger than equity by more than the lower of 1,000 dollars "
        "and 5 % of equity. Under the intraday margin rule of June 2026 the broker calls for it within two business "
        "days; unmet after five, it freezes new debits and short sales for 90 days. Pattern day trading is gone: no "
        "trades are counted. R126 refuses what would make such a deficit, but prices can.",
        "Reduce (`puna close`, `puna flatten`) or deposit, then `puna ack`. risk.max_maintenance_percent below 100% "
        "keeps a distance.",
    ),
}
