"""`puna explain CODE`: what a code means, in which state it leaves you, and what to do; offline."""

import textwrap

import click

from puna.cli.codes import CODES, Text
from puna.cli.output import json_option, print_json, print_next, print_rows, verbose_option

__all__ = ["explain"]


@click.command
@click.argument("code", required=False)
@json_option
@verbose_option
def explain(*, code: str | None, as_json: bool) -> None:
    """The long text of an error or refusal code, offline."""
    wanted = {code.upper(): _find(code.upper())} if code else CODES
    if as_json:
        print_json([{"code": key, **text._asdict()} for key, text in wanted.items()])
    elif code:
        click.echo("\n\n".join(_long(key, text) for key, text in wanted.items()))
    else:
        print_rows([{"code": key, "title": text.title} for key, text in sorted(CODES.items())])
        print_next("puna explain CODE")


def _find(code: str) -> Text:
    if code not in CODES:
        raise click.UsageError(f"there is no code {code[:20]!a}; all codes: puna explain")
    return CODES[code]


def _long(code: str, text: Text) -> str:
    paragraphs = [textwrap.fill(part, 100, initial_indent="  ", subsequent_indent="  ") for part in text[1:]]
    return "\n\n".join([f"{code}  {text.title}", *paragraphs])
