"""A page of its own: one file with its stylesheet inside, readable without network and without scripts."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template

from puna.research.markup import Html, tag

__all__ = ["page"]


def page(title: str, body: Html) -> bytes:
    """The page; its Content-Security-Policy allows its own stylesheet, by hash, and nothing else."""
    style = _asset("report.css")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    whole = Template(_asset("report_page.html")).substitute(
        title=tag("span", title)[len("<span>") : -len("</span>")],
        style=style,
        style_hash=f"sha256-{digest}",
        body=body,
    )
    return whole.encode()


@cache
def _asset(name: str) -> str:
    return files("puna.research").joinpath(name).read_text("utf-8")
