"""HTML that escapes whatever is not HTML already, so that nobody has to remember to."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


class Html(str):
    """Mark text as markup that is safe to write as it is."""

    __slots__ = ()


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element; children that are not `Html` are escaped, None is left out.

    Args:
        name: Of the element.
        children: Its content, in order.
        attributes: A trailing or inner underscore becomes nothing or a hyphen; None is left out.

    >>> tag("p", "a < b, ", tag("b", "bold"), class_="note")
    '<p class="note">a &lt; b, <b>bold</b></p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Sequence[object], between: str = "") -> Html:
    """Return children side by side, each escaped unless it is `Html`."""
    return Html(
        between.join(
            child if isinstance(child, Html) else escape(str(child))
            for child in children
            if child is not None
        )
    )


def table(
    headers: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    caption: str | None,
    class_: str = "",
) -> Html:
    """Return a table in a box that scrolls sideways; columns of numbers align by CSS classes.

    Args:
        headers: One a column; a leading ``#`` says that it holds numbers.
        rows: Cells; a `Row` carries a class.
        caption: What the table shows; None where the heading above says it.
        class_: Of the table.
    """
    kinds = ["n" if str(header).startswith("#") else None for header in headers]
    head = [
        tag(
            "th",
            header[1:] if isinstance(header, str) and kind else header,
            class_=kind,
            scope="col",
        )
        for header, kind in zip(headers, kinds, strict=True)
    ]
    body = [
        tag(
            "tr",
            *(tag("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)),
            class_=getattr(row, "class_", None),
        )
        for row in rows
    ]
    inner = tag(
        "table",
        tag("caption", caption) if caption else None,
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
        class_=class_ or None,
    )
    return tag("div", inner, class_="scroll")


class Row(list[object]):
    """Hold the cells of a table row with a class of its own."""

    def __init__(self, cells: Sequence[object], class_: str | None = None) -> None:
        """Take cells and the row's class."""
        super().__init__(cells)
        self.class_ = class_
