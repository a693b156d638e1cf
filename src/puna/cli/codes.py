"""What every error code and refusal code means, in a few sentences: the text behind `puna explain`."""

from puna.cli.code_text import Text
from puna.cli.codes_alarms import ALARM_CODES
from puna.cli.codes_research import RESEARCH_CODES
from puna.cli.codes_run import RUN_CODES

__all__ = ["CODES", "Text"]


CODES: dict[str, Text] = {
    "E000": Text(
        "An error without a code of its own",
        "The message itself says what happened. The exit code is 1.",
        "Run it once more with -v to see where it comes from.",
    ),
    "E007": Text(
        "The configuration cannot be used",
        "A key is unknown, a value has the wrong type or unit, or the file is no TOML. The message begins with file, "
        "line and column, or with the variable that set the value. Nothing was started and nothing was sent.",
        "Correct that place. `puna config explain KEY` tells what belongs there, `puna config show` what is set and "
        'where it came from. Percentages are written "10%", money 500 or "1500.50".',
    ),
    "E008": Text(
        "The API keys cannot be used",
        "No keys are set, or half of a pair, two variables contradict each other, or a key file cannot be read. Keys "
        "come from the environment, from files named by *_FILE, or from .env; never from the TOML. An exchange of your "
        "own (`puna exchange`, its address in ALPACA_BASE_URL) takes any two words, unless it was started with --key.",
        "Set ALPACA_API_KEY and ALPACA_SECRET_KEY (or APCA_API_KEY_ID and APCA_API_SECRET_KEY), and unset what "
        "contradicts them. `puna doctor` shows what is found, never the keys.",
    ),
    "E009": Text(
        "The broker's address does not agree with the mode",
        "ALPACA_BASE_URL or APCA_API_BASE_URL is set. Mode sim talks to an exchange on this machine (loopback), mode "
        "paper to https://paper-api.alpaca.markets. Anything else is refused, because an address that does not fit the "
        "mode is how orders end up in the wrong account.",
        "Unset the variable, or change account.mode so that both say the same.",
    ),
    "E011": Text(
        "The broker could not be reached",
        "The name was not resolved, the connection was refused, or it broke. This says nothing about your symbols or "
        "keys. If an order was on its way, the message says that it is in doubt.",
        "Check the network; `puna doctor` tries the broker. Everything with mode sim works without a network.",
    ),
    "E012": Text(
        "No answer in time",
        "The request left and nothing came back within the deadline. A read can simply be repeated. An order, a "
        "replace or a cancel may have been carried out: its state is in doubt, not rejected.",
        "Do not send it again by hand. `puna run` asks the broker for the order by its client_order_id at its next "
        "start; `puna orders --status all` shows what the broker knows.",
    ),
    "E013": Text(
        "The broker has been failing, so nothing was sent",
        "After several outages in a row the circuit breaker is open: requests that could wait are not sent at all. "
        "Cancels and closes are sent regardless.",
        "Wait. Reads try again by themselves, and the breaker closes with the first answer.",
    ),
    "E014": Text(
        "No secure connection to the broker",
        "Its certificate has expired, is not valid yet, is signed by itself or by somebody unknown, or is for another "
        "name; or what answers speaks no TLS, or one older than 1.2. The message says which. Nothing was sent, so this "
        "says nothing about your keys or orders, and it is not tried again: it would end the same way.",
        "Look at this machine's clock and at what stands between here and the broker (proxy, virus scanner, captive "
        "portal). An authority of your own is trusted with SSL_CERT_FILE=FILE. Nothing is ever downgraded.",
    ),
    "E020": Text(
        "Live trading is refused",
        "Something asked for live: account.mode, STAGE, ALPACA_PAPER_TRADE=false, or the host of an address. Live "
        "needs a permit, and this version has none to give. Hosts that are not known to be paper are taken for live.",
        'Use account.mode = "sim" or "paper" and remove the variable that the message names.',
    ),
    "E030": Text(
        "The exchange cannot listen on that port",
        "Another program uses it, or the address is not one of this machine. Nothing was started.",
        "Stop the other program, choose another port, or 0 for a free one.",
    ),
    "E031": Text(
        "The exchange does not listen on the network without keys",
        "Without --key any credentials are accepted, which is meant for this machine only.",
        "Give --key ID:SECRET, or listen on 127.0.0.1.",
    ),
    "E032": Text(
        "The fault script cannot be used",
        "The file is not TOML, or a fault in it makes no sense: an action that does not go with what it strikes, a "
        "negative time, two conditions at once. The message names the line.",
        "docs/exchange.md lists the actions and what they go with.",
    ),
    "E047": Text(
        "There is no such scenario",
        "A scenario is a name for something that goes wrong on purpose at the exchange. Nothing was started.",
        "`puna exchange --help` lists the names, docs/exchange.md says what each does and how to write one's own.",
    ),
    "E033": Text(
        "The exchange's event log cannot be written",
        "The folder does not exist, or it may not be written to: nothing was started. Or the disk became full in the "
        "middle of a day: the file ends there, the day and its hash went on.",
        "Choose another path, make the folder, or make room.",
    ),
    "E034": Text(
        "The folder cannot take a run",
        "What --out names is a file, or a folder that holds files but no run (no journal.sqlite, no report.json). Puna "
        "fills only folders that are new, empty, or hold a run already. Nothing was started and nothing was changed.",
        "Name another folder with --out.",
    ),
    "E042": Text(
        "The targets cannot be understood",
        "A target is SYMBOL=WEIGHT: a stock in capitals, and a part of the equity such as 0.4 or 40%. Weights add up "
        "to at most 100%. A single word without = is the name of a TOML file with such lines. Nothing was sent.",
        "Try `puna rebalance AAPL=40% MSFT=30%`: without --execute it only shows the plan.",
    ),
    "E040": Text(
        "Nothing is running",
        "The verb asks something that runs, and nothing does: in mode sim an account exists only "
        "while an exchange does.",
        "Start `puna exchange` and set ALPACA_BASE_URL to the address it prints, or use mode paper.",
    ),
    "E041": Text(
        "There is no such run",
        "The verb is about a run, by its journal: a configuration leads to it, or the folder of a run, or the file "
        "itself. There is none where it should be. Nothing was changed and nothing was sent.",
        "Name the folder, such as runs/demo-7, or start one: puna run CONFIG.",
    ),
    "E048": Text(
        "No run is trading",
        "`puna halt` without RUN halts the newest run that is trading: of the journals in runs/, and of puna.toml's, "
        "one that a process has open. There is none, so nothing was changed: a run that is over needs no halt.",
        "Name the run where it is elsewhere. To keep a run from trading when it starts again, name it as well: "
        "puna halt CONFIG, or the folder of the run.",
    ),
    "E036": Text(
        "The bus is not installed",
        "The bus and the services need pyzmq, which is in the extra `bus`. Nothing was started.",
        "Run `pip install 'puna[bus]'`.",
    ),
    "E049": Text(
        "Traces cannot be sent",
        "A variable of OpenTelemetry (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT or "
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) asks for traces, and the extra `otel`, or the exporter that it names, is "
        "not installed. Nothing was started.",
        "Run `pip install 'puna[otel]'`, or unset the variable.",
    ),
    "E037": Text(
        "The bus keys cannot be used",
        "A key file is missing, is a link, can be read by others, or names a peer that nobody knows. Without usable "
        "keys nobody is let in.",
        "`puna bus keys` lists who is known, `puna bus keys NAME --role signals` makes a pair. Files have mode 0600.",
    ),
    "E050": Text(
        "A stream does not have that channel",
        "Each market-data feed has channels of its own: stocks have no order books, crypto has no halts, options have "
        "trades and quotes only, and take no * for quotes. Nothing was sent.",
        "Subscribe on the feed that has it; the message names the channels of this one.",
    ),
    "E038": Text(
        "Health cannot listen there",
        "The port is in use, or the address is not loopback and there is no token. Nothing was started.",
        "Choose another host or port in [services], or stop what uses it.",
    ),
    "E039": Text(
        "The exchange did not start",
        "`puna up` starts the simulated exchange first, and it ended at once. Its log is in the folder of the logs.",
        "Read the log; `puna exchange` with the same options shows the error.",
    ),
    "E045": Text(
        "No such order in the journal",
        "The name fits no order and no refused wish of the run, or more than one.",
        "Give the client_order_id, or enough of its end, or the broker's id; the report of the run lists them.",
    ),
    "E200": Text(
        "The broker said no",
        "An answer with a status that has no code of its own here; the message carries the broker's own words.",
        "Read the broker's words; nothing was done for this request.",
    ),
    "E201": Text(
        "These keys are not accepted",
        "The broker answered 401, or 403 about the keys. Paper and live keys are different, and each works on its own "
        "host only. Nothing was done.",
        "Make new paper keys on Alpaca's site, set them in the environment, then `puna doctor`.",
    ),
    "E203": Text(
        "The broker refused it",
        "It was understood and not accepted: not enough buying power or shares, an asset that cannot be traded, a "
        "price finer than a cent, a time in force that does not go with the type. Nothing was sent to the market.",
        "The broker's words and the numbers beside them tell what is missing.",
    ),
    "E204": Text(
        "There is no such thing",
        "The broker knows no order, position or asset of that name. An order that was placed a moment ago may not be "
        "found yet; Puna waits before it believes that.",
        "Check the symbol or id; `puna orders --status all` and `puna positions` list what exists.",
    ),
    "E229": Text(
        "Too many requests",
        "The broker's quota for this minute is used up, by this program or by another one with the same key.",
        "Wait for the next minute. Puna keeps to the quota by itself when it is alone with the key.",
    ),
    "E250": Text(
        "The broker has an outage",
        "It answered 5xx. A read was repeated and still failed. An order that was under way is in doubt: it may have "
        "been accepted before the error.",
        "Do not send the order again by hand. `puna run` finds out what became of it.",
    ),
    "E300": Text(
        "The broker's answer cannot be read",
        "The bytes are not what the broker documents: no JSON, a number that is none, an answer that is far too large. "
        "Nothing of it was used. Unknown fields and new words are no error.",
        "Try again; if it stays, run with -v and report it.",
    ),
    "E302": Text(
        "An exit that is watched here cannot be sent",
        "The broker, or risk, refused an exit several times in a row. Without a stop at the broker the position is "
        "watched by the running process alone; an exit that was due is tried again, ever more slowly.",
        "`puna why ORDER` shows the refusal. Close by hand (`puna flatten`) what must not wait.",
    ),
    "E400": Text(
        "The journal cannot be used",
        "The journal is the durable record of what was sent and answered. It could not be opened or read. Without it "
        "nothing is sent.",
        "Check the path and the permissions; `puna doctor` reads the file. Never edit it.",
    ),
    "E401": Text(
        "The journal is in use by another process",
        "Two processes with one journal would send orders under the same ids, so the second one is refused. Nothing "
        "was started.",
        "End the other process, or give this one a journal and an account of its own.",
    ),
    "E402": Text(
        "The journal is damaged",
        "Each record holds the hash of all before it, and these do not agree; or a record cannot be understood, "
        "because another version wrote it. Nothing was started, and the file was not changed.",
        "Restore the file from a copy, or move it away: with a new journal the broker's orders and positions decide.",
    ),
    "E403": Text(
        "The journal cannot be written",
        "The disk is full or fails, or there is no permission. What could not be written was not sent either.",
        "Make room, then start again: Puna reconciles with the broker first.",
    ),
    "E404": Text(
        "The journal belongs to another account",
        "It was opened for one account, and the keys lead to another. Its orders and positions would be taken for this "
        "account's. Nothing was sent and nothing was changed.",
        "Use the keys of that account, or a new journal. A paper account that was reset is a new account.",
    ),
    "E500": Text(
        "What became of an order is not known",
        "An order was sent and no evidence of its fate has come. It counts against every limit as if it were open.",
        "Wait or restart: Puna asks by client_order_id and adopts what it finds. Do not send it again by hand.",
    ),
    "E600": Text(
        "Market data cannot be used",
        "A price, a bar or a data file is not what it must be. Nothing was derived from it.",
        "The message names the data; fetch it again.",
    ),
    "E601": Text(
        "A position has no mark",
        "Without a price for everything that is held, the portfolio has no value. An unknown worth is not taken for "
        "nothing.",
        "Supply a price for every symbol that is held.",
    ),
    "E602": Text(
        "An impossible bar",
        "A price or volume is no number or negative, the high is below the low, or time goes back. Nothing has "
        "changed.",
        "Feed bars as they come from the market, in their order.",
    ),
    "E610": Text(
        "There are no prices for this day",
        "The data that ships with Puna begins in March 2000 and ends in March 2013; a company that was listed later "
        "begins later.",
        "Choose a day inside the span that the message names.",
    ),
    "E611": Text(
        "There are no prices for this symbol",
        "The data that ships with Puna holds a few stocks only.",
        "Choose among the symbols that the message lists.",
    ),
    "E612": Text("A data file cannot be read", "A file that ships with Puna is damaged.", "Install Puna again."),
    "E613": Text(
        "A timeframe or an adjustment that cannot be had",
        "Timeframes look like 1Min, 15Min, 1Hour, 1Day, 1Week, 3Month; adjustments are raw, split, dividend, spin-off "
        "and all. A strategy that runs live hears bars of minutes only, of a length that divides an hour; a backtest "
        "has longer ones, too.",
        "Use one of these. Live, put longer bars into warmup and decide at a time of the day: docs/strategies.md.",
    ),
    "E614": Text(
        "No path of prices leads through this day",
        "The day's open, high, low and close cannot be reached in the number of steps asked for.",
        "Ask for smaller steps.",
    ),
    "E615": Text("Not a trading day", "New York does not trade on that date.", "Choose the day before or after."),
    "E616": Text(
        "No quote",
        "The broker has no quote of that symbol: it did not trade yet, it is not listed any more, or it never was.",
        "Check the symbol, and whether its market is open.",
    ),
    "E620": Text(
        "Outside the trading calendar",
        "The calendar of trading days, sessions and settlement holds 2000 to 2030, and it does not guess.",
        "Choose a date inside it.",
    ),
    "E621": Text(
        "The broker's clock and the calendar here disagree",
        "The broker says that the market is open, opens or closes at other times than the calendar that comes with "
        "Puna: a closure that nobody foresaw, a half day that the calendar lacks, or a clock that is wrong. While they "
        "disagree only reductions are sent; they are compared again with the books, after each gap and at each start.",
        "Look at the exchange's own calendar: if the broker is right, wait or update Puna; else wait for the broker.",
    ),
    "E630": Text(
        "Not a symbol",
        "Symbols look like AAPL, BRK.B, AAPL250620C00100000 or BTC/USD: capitals and digits of bounded length. What "
        "looks otherwise is refused at the door, because a symbol becomes part of addresses and file names. Nothing "
        "was sent.",
        "Check the spelling; small letters are not turned into capitals.",
    ),
    "E640": Text(
        "Unlimited risk",
        "Short calls remain that neither long calls of the same expiration nor shares cover, so the loss has no bound "
        "as the underlying rises. Alpaca refuses such orders, and so does Puna before sending anything.",
        "Add long calls of the same expiration, hold 100 shares for each short call, or make the order smaller.",
    ),
    "E641": Text(
        "The legs cannot be read",
        "An option order on the command line is an underlying, an expiration and signed legs, as in "
        '"SPY 2026-03-20 480P -1, 470P +1"; amounts are plain decimals. Nothing was sent.',
        "Correct the part that the message names.",
    ),
    "E650": Text(
        "A signal model cannot be used",
        "It cannot be trained on these samples, cannot be converted to ONNX, or its folder is damaged, incomplete, "
        "changed, or holds something else than plain ONNX. Nothing of it was run and no signal was given.",
        "The message names the reason; train and save it again.",
    ),
    "E651": Text(
        "A signal model and its features do not agree",
        "It was trained on other features, windows, a version of them, or bars of another timeframe than it would be "
        "served with. Its answers would be numbers without meaning, so it gives none.",
        "Serve it with what its manifest.json names, or train it again.",
    ),
    "E652": Text(
        "A signal model answered outside -1 to 1",
        "A signal is a number from -1 to 1, one for each row. Anything else, NaN included, is refused and never "
        "clipped, because it shows that the model or its input is not what it was thought to be.",
        "Correct the model; squash its output inside it, for example by tanh.",
    ),
    "E653": Text(
        "A library of the extra `models` is not installed",
        "Training, saving and serving signal models need scikit-learn, skl2onnx, onnx and onnxruntime; nothing else in "
        "Puna does. Nothing was trained, saved or served.",
        "pip install 'puna[models]', or from a clone: make test installs them into .venv.",
    ),
    **ALARM_CODES,
    **RESEARCH_CODES,
    **RUN_CODES,
    "E654": Text(
        "The report of a run cannot be read",
        "`puna report` works from report.json in the folder of a run, or from record.json of the services. The file is "
        "damaged, unreadable, or something else. `--trials` names the folder of a sweep that has ended, with its "
        "sweep.json, or a number. Nothing was written.",
        "Name the folder of a run, such as runs/demo-7. If its report is damaged, run it again: the same seed gives "
        "the same run.",
    ),
    "E700": Text(
        "The bus cannot work with this",
        "A topic is none, or a peer answered something else than was asked. Nothing was changed by it.",
        "Topics are dotted segments such as market.bar.AAPL; see docs/bus.md.",
    ),
    "E701": Text(
        "A message of another schema",
        "A peer speaks another version of the messages. They were not looked at, and counted.",
        "Run the same version of Puna everywhere.",
    ),
    "E702": Text(
        "A message that cannot be read",
        "The bytes are no frame of the bus, or its messages are not what the schema says. They were counted.",
        "docs/bus.schema.json is the schema; docs/bus.md shows a peer that needs nothing of Puna.",
    ),
    "E703": Text(
        "An address that the bus does not use",
        "It leads off this machine without keys, its folder is open to others, or something else uses it. The control "
        "plane is never open: it needs keys, or ipc in a folder of mode 0700.",
        "Make keys with `puna bus keys NAME`, or choose another address.",
    ),
    "E704": Text(
        "What is on its way cannot be written down",
        "The outbox or inbox of the control plane is not writable. A message that cannot be kept is not sent.",
        "Make room on the disk, or repair the permissions of the folder.",
    ),
    "E705": Text(
        "This peer may not do that",
        "Who a peer is comes from its key, and what it may do from its roles: watch, signals, intents, risk. Nothing "
        "was done, and it was counted.",
        "`puna bus keys` shows the roles; a peer with others is made by revoking and making it anew.",
    ),
    "E706": Text(
        "Too late, or from an earlier life",
        "The message came after its deadline, or from an epoch of its sender that is over. Nothing was done.",
        "A sender that still wants it says so anew, with a new deadline.",
    ),
    "E707": Text(
        "The component that is asked does not work now",
        "Execution is not reconciled yet, halted, or between two sessions; or the risk process does not answer. "
        "Nothing was done.",
        "Look at its /health; a signal or intent is welcome again when it is ready.",
    ),
    "E708": Text(
        "This recording cannot be used",
        "The file exists already (a recording is never overwritten), cannot be read, or is no recording of the bus.",
        "Choose another file.",
    ),
    "E900": Text(
        "A mistake in Puna",
        "Something failed in a way that nobody foresaw. What was sent before stands in the journal.",
        "Run it once more with -v and report what it prints; start again, and Puna reconciles with the broker first.",
    ),
    "E901": Text(
        "The system refused",
        "A file could not be read or written, or a system call failed. The message has the system's words.",
        "Check the path, the permissions and the free space; `puna doctor` looks at all three.",
    ),
    "E910": Text(
        "A strategy failed and was stopped",
        "Its own code raised an error in one of its callbacks. It gets no further events and decides nothing more; its "
        "open orders are cancelled or left, as the strategy says (when_stopped). Other strategies go on.",
        "The message names the callback and the error; correct the strategy and start again.",
    ),
    "R100": Text(
        "A risk check said no",
        "Every order passes the checks before anything is written or sent. A refused order was not sent.",
        "`puna config show` lists the limits, `puna config explain risk` what they mean.",
    ),
    "R101": Text(
        "Trading state",
        "Trading is halted, and nothing is sent; or only reductions of positions are sent.",
        "Find out why it was halted before you resume.",
    ),
    "R102": Text(
        "Instrument",
        "The symbol is unknown to the broker, not tradable, halted, denied, or not on the list of what may be traded.",
        "Keys: risk.allowed, risk.denied.",
    ),
    "R103": Text(
        "Order rules",
        "The broker would refuse it anyway: price not on a tick (two decimals from 1.00 on), quantity not in lots, a "
        "time in force that does not go with the type, or a session in which such an order cannot be placed.",
        "Correct the order; key: risk.allow_queued for orders that wait for the next session.",
    ),
    "R104": Text(
        "Position cap",
        "If every open order of this side filled, the position would be worth more than allowed, in money or as a part "
        "of equity; the smaller limit holds.",
        "Keys: risk.max_position_value, risk.max_position_percent (short: risk.max_position).",
    ),
    "R105": Text("Order quantity", "Too many units in one order.", "Key: risk.max_order_qty."),
    "R106": Text(
        "Order value",
        "One order is worth too much. A market order is valued at the far side of the quote and the protection on top.",
        "Keys: risk.max_order_value, risk.max_order_percent, risk.protection_percent.",
    ),
    "R107": Text(
        "Exposure",
        "All positions together, with everything that is open, would become too large: gross (longs plus shorts) or "
        "net (longs less shorts).",
        "Keys: risk.max_gross_value, risk.max_gross_percent, risk.max_net_value, risk.max_net_percent.",
    ),
    "R108": Text(
        "Price collar",
        "The price is too far from the middle of the quote: probably a misplaced decimal point.",
        "Keys: risk.collar_percent, risk.collar_extended_percent, risk.collar_passive_percent.",
    ),
    "R109": Text(
        "Duplicate",
        "An equal order was sent a moment ago, or its client_order_id was used before.",
        "If you mean it, wait; key: risk.duplicate_window_seconds.",
    ),
    "R110": Text(
        "Quote",
        "There is no quote to judge the order by, or it is too old, crossed, one-sided or no number.",
        "Check the stream; key: risk.max_quote_age_seconds.",
    ),
    "R111": Text(
        "Message rate",
        "Too many orders in a short time.",
        "Keys: risk.max_submits, risk.submit_window_seconds.",
    ),
    "R112": Text(
        "Open orders",
        "Too many orders are open, or they are worth too much together.",
        "Keys: risk.max_open_orders, risk.max_open_value, risk.max_open_percent.",
    ),
    "R113": Text(
        "Buying power",
        "The broker's buying power, less what is under way and less the buffer, does not suffice.",
        "Key: risk.buying_power_buffer; `puna account` shows the buying power.",
    ),
    "R114": Text(
        "Self match",
        "It could trade with an open order of your own. The broker refuses that as a wash trade. Orders of two "
        "strategies are crossed inside the account instead, where that is fair and nothing of them has left; the "
        "message says why these were not.",
        "Cancel the other order first, or order again when it is over.",
    ),
    "R115": Text("Deadline", "The decision is too old to be sent.", "The strategy decides anew with the next event."),
    "R116": Text(
        "Flip",
        "One order would take a position through flat: from long to short or back. The broker does not accept that. "
        "Or a strategy would sell what another one holds, which could not sell it itself any more.",
        "Close what is held first, then open the other side; without allow_short a strategy sells what it holds.",
    ),
    "R117": Text(
        "Short sale",
        "Selling what is not held is switched off, or these shares cannot be borrowed easily, are no whole number, or "
        "equity is below 2,000 dollars.",
        "Key: risk.allow_short.",
    ),
    "R118": Text(
        "Liquidity",
        "The order is a larger part of the average daily volume than allowed, or that volume is not known: it comes "
        "from the daily bars of a strategy's warm-up.",
        'Key: risk.max_adv_percent; a strategy asks for the bars with warmup = {"1Day": 20}.',
    ),
    "R119": Text(
        "Group",
        "Symbols that you called a group, because they move together, would become worth too much of the equity.",
        "Keys: risk.groups, risk.max_group_percent.",
    ),
    "R120": Text(
        "Budget",
        "The strategy has a budget of its own, and what it holds and has open would exceed it.",
        "Key: max_budget_value in a table of narrower limits: puna config explain narrow.",
    ),
    "R121": Text(
        "Protection",
        "A protection was set off: a loss of the day or week, a drawdown, losses in a row, costly fills, refusals by "
        "the broker. Reductions pass; nothing is opened until it ends. A lock outlives the process, and equity coming "
        "back does not lift it; a drawdown ends only when a person resumes.",
        "The message names it. Keys: risk.max_daily_loss, risk.max_weekly_loss, risk.max_drawdown_percent, "
        "risk.max_losses_in_a_row, risk.cooldown_seconds, risk.max_slippage_bp, risk.max_refusals, "
        "risk.max_orders_per_fill. To end it: puna resume CONFIG --reason TEXT.",
    ),
    "R122": Text("Spread", "Bid and ask are too far apart.", "Key: risk.max_spread_bp."),
    "R123": Text(
        "Volatility",
        "The last half hour moved more than allowed, or there are not thirty one-minute bars yet.",
        "Key: risk.max_volatility_percent.",
    ),
    "R124": Text(
        "Blackout",
        "The session has only begun, or is about to end; nothing is opened then.",
        "Keys: risk.open_blackout_minutes, risk.close_blackout_minutes.",
    ),
    "R125": Text(
        "Repeats",
        "One strategy keeps ordering in one symbol. That is how a strategy with a mistake empties an account.",
        "Look at the strategy. Keys: risk.max_repeats, risk.repeat_window_seconds.",
    ),
    "R126": Text(
        "Maintenance margin",
        "With what would be opened, the maintenance margin would be too large a part of the equity: a margin call "
        "would be near.",
        "Key: risk.max_maintenance_percent; `puna account` shows the margin.",
    ),
    "R127": Text(
        "Options",
        "The options level does not allow it, a short leg is not covered, the sign of the price is wrong, the risk has "
        "no bound, it could lose more than allowed, or the contract is on or past its last day.",
        "`puna margin LEGS` shows it. Keys: risk.option_level, risk.max_option_loss_value, risk.allow_expiry_day.",
    ),
    "R128": Text(
        "Clock",
        "Our clock and the broker's are too far apart, so ages and sessions cannot be judged.",
        "Let the machine keep its time by NTP; key: risk.max_clock_skew_seconds.",
    ),
    "R129": Text(
        "Without a stop",
        "The strategy holds stocks or coins that neither a stop at the broker nor an exit watched here protects, for "
        "longer than is allowed. It opens nothing until they are; reductions, stops among them, pass.",
        "Place a stop (bracket, OTO, protect) for all that is held, or close it; key: risk.max_unprotected_seconds.",
    ),
}
