"""A page of its own: one file with its stylesheet inside, readable without network and without scripts."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template

from puna.research.report.markup import Html, tag

__all__ = ["asset", "page"]


def page(title: str, body: Html, more_style: str = "") -> bytes:
    """The page; its Content-Security-Policy allows its own stylesheet, by hash, and nothing else.

    Args:
        title: of the window.
        body: what is shown.
        more_style: a stylesheet of its own, after that of all pages.
    """
    style = asset("puna.research.report", "report.css") + more_style
    digest = b64encode(sha256(style.encode()).digest()).decode()
    whole = Template(asset("puna.research.report", "report_page.html")).substitute(
        title=tag("span", title)[len("<span>") : -len("</span>")],
        style=style,
        style_hash=f"sha256-{digest}",
        body=body,
    )
    return whole.encode()


@cache
def asset(package: str, name: str) -> str:
    """A file that ships beside the code."""
    return files(package).joinpath(name).read_text("utf-8")
