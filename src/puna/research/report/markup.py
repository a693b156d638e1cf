"""HTML and SVG that cannot be injected into: every string is text until `tag` has made it markup (SEC-11)."""

from collections.abc import Iterable
from html import escape

__all__ = ["EMPTY", "Child", "Html", "join", "tag"]


class Html(str):
    """A string that is markup already; any other string is escaped where it enters a tag."""

    __slots__ = ()


Child = str | int | None
EMPTY = Html("")
_VOID = {"br", "hr", "meta", "input"}


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Html:
    """An element: children in order, None left out; `class_` and `aria_label` become `class` and `aria-label`."""
    head = name + "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Html(f"<{head}>")
    return Html(f"<{head}>{join(children)}</{name}>")


def join(children: Iterable[Child], between: str = "") -> Html:
    """Children one after the other; text is escaped, None left out."""
    return Html(escape(between).join(_text(child) for child in children if child is not None))


def _text(child: str | int) -> str:
    return child if isinstance(child, Html) else escape(str(child))


def _attribute(key: str, value: str | float) -> str:
    name = key.rstrip("_").replace("_", "-") if not key[0].isupper() else key
    name = {"viewbox": "viewBox"}.get(name, name)
    return f' {name}="{escape(_number(value) if isinstance(value, float) else str(value))}"'


def _number(value: float) -> str:
    """Coordinates with one decimal: finer is not seen."""
    return f"{value:.1f}".removesuffix(".0")
