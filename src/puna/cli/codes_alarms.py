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
}
