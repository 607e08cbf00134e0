"""Plain text from the markup of manuals: HTML, Perl's pod, man pages, WordNet's data files."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_LEFT_OUT_TAGS = {"script", "style", "nav", "head", "footer", "form", "svg"}
_LEFT_OUT_CLASSES = {"navheader", "navfooter", "t-navbar", "printfooter", "editsection", "toc"}
_PARAGRAPHS = {
    "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "table", "pre", "ul", "ol", "dl", "blockquote",
    "section", "article", "hr",
}  # fmt: skip
_LINES = {"li", "tr", "dt", "dd", "br"}
_CELLS = {"td", "th"}
# Most of some pages is these; a parser would take minutes over them.
_BULK = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")


def html_to_text(html: str) -> str:
    r"""Return a page's text: a blank line between blocks, spaces as they are inside ``pre``.

    >>> html_to_text("<head><title>x</title></head><p>a <b>b</b>\n c</p><pre>d\n  e</pre>")
    'a b c\n\nd\n  e\n'
    """
    page = _Page()
    page.feed(_BULK.sub("", html))
    page.close()
    page.end_block("\n\n")
    return _tidy("".join(page.parts))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._line: list[str] = []
        self._left_out_tag = ""
        self._left_out_depth = 0
        self._pre_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._left_out_depth:
            self._left_out_depth += tag == self._left_out_tag
            return
        classes = next((value or "" for name, value in attrs if name == "class"), "")
        if tag in _LEFT_OUT_TAGS or (
            tag in ("div", "table", "span") and _LEFT_OUT_CLASSES.intersection(classes.split())
        ):
            self._left_out_tag, self._left_out_depth = tag, 1
            return
        self._end_of(tag)
        self._pre_depth += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if self._left_out_depth:
            self._left_out_depth -= tag == self._left_out_tag
            return
        self._end_of(tag)
        if tag == "pre" and self._pre_depth:
            self._pre_depth -= 1

    def handle_data(self, data: str) -> None:
        if not self._left_out_depth:
            self._line.append(data)

    def end_block(self, separator: str) -> None:
        text = "".join(self._line)
        self._line.clear()
        self.parts += [text if self._pre_depth else " ".join(text.split()), separator]

    def _end_of(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self.end_block("\n\n")
        elif tag in _LINES:
            self.end_block("\n")
        elif tag in _CELLS:
            self._line.append(" ")


_POD_SKIPPED = re.compile(
    r"^=begin\b.*?^=end\b[^\n]*\n|^=cut\b.*?(?=^=[a-z]|\Z)", re.DOTALL | re.MULTILINE
)
_POD_COMMAND = re.compile(r"^=(head\d|item)[ \t]*")
_POD_WORDLESS = re.compile(r"^=[a-z]")
_POD_WIDE_CODE = re.compile(r"\b([A-Z])<<+\s+(.*?)\s+>>+", re.DOTALL)
_POD_CODE = re.compile(r"\b([A-Z])<([^<>]*)>")
_POD_ENTITIES = {"lt": "\x00", "gt": "\x01", "verbar": "|", "sol": "/"}


def pod_to_text(pod: str) -> str:
    r"""Return the text of Perl's plain old documentation, code examples as they are.

    >>> pod_to_text("=head1 NAME\n\nSee L<the manual|perlop>, C<< $a <=> $b >> and E<lt>.\n")
    'NAME\n\nSee the manual, $a <=> $b and <.\n'
    """
    paragraphs = []
    for paragraph in re.split(r"\n{2,}", _POD_SKIPPED.sub("", pod)):
        if paragraph[:1] in (" ", "\t"):
            paragraphs.append(paragraph)
            continue
        command = _POD_COMMAND.match(paragraph)
        if not command and _POD_WORDLESS.match(paragraph):
            continue
        text = paragraph[command.end() :] if command else paragraph
        text = _POD_WIDE_CODE.sub(_wide_pod_code, text)
        n_found = 1
        while n_found:
            text, n_found = _POD_CODE.subn(_pod_code, text)
        paragraphs.append(text.replace("\x00", "<").replace("\x01", ">"))
    return _tidy("\n\n".join(paragraphs))


def _wide_pod_code(found: re.Match[str]) -> str:
    return found[2].replace("<", "\x00").replace(">", "\x01")


def _pod_code(found: re.Match[str]) -> str:
    code, text = found[1], found[2]
    if code in "XZ":
        return ""
    if code == "E":
        return _POD_ENTITIES.get(text, text)
    return text.partition("|")[0].strip("/") if code == "L" else text


_ROFF_DEFINITION = re.compile(r"^\.(de|ig)\b.*?^\.\.\s*$", re.DOTALL | re.MULTILINE)
_ROFF_FONT = re.compile(r"\\f(?:\[[^]]*\]|\(..|.)|\\s[-+]?\d|\\[&|^%:/,]")
_ROFF_CHARACTER = re.compile(r"\\[(*](..)|\\\*?\[([^]]*)\]|\\\*(.)")
_ROFF_CHARACTERS = {
    'L"': '"', 'R"': '"', "lq": '"', "rq": '"', "C`": "`", "C'": "'", "--": "--", "em": "--",
    "en": "-", "bu": "*", "aq": "'", "dq": '"', "oq": "'", "cq": "'", "ga": "`", "ha": "^",
    "ti": "~", "rs": "\\", "co": "(c)", "mu": "x",
}  # fmt: skip
_ROFF_WORDS = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
_ROFF_BREAKS = {"PP", "P", "LP", "Sp", "Vb", "Ve", "sp", "br", "RS", "RE"}
_ROFF_TEXT = {"SH", "SS", "IP", "TP", "B", "I", "BR", "RB", "IR", "RI", "BI", "IB", "SM", "SB"}


def roff_to_text(page: str) -> str:
    r"""Return the text of a man page (the ``man`` macros, as pod2man writes them).

    >>> roff_to_text('.TH X 3\n.SH "NAME"\nx \\- does \\fBthis\\fR\n.IP "\\(bu" 4\none\n')
    'NAME\n\nx - does this\n\n*\none\n'
    """
    lines = []
    for line in _ROFF_DEFINITION.sub("", page).splitlines():
        if line[:1] not in (".", "'"):
            lines.append(_roff_line(line))
            continue
        name, _, rest = line[1:].strip().partition(" ")
        if name in _ROFF_BREAKS:
            lines.append("")
        elif name in _ROFF_TEXT:
            words = [a or b for a, b in _ROFF_WORDS.findall(rest)]
            text = _roff_line(" ".join(words[:1] if name == "IP" else words))
            if name in ("SH", "SS"):
                lines += ["", text, ""]
            elif name in ("IP", "TP"):
                lines += ["", text]
            else:
                lines.append(text)
    return _tidy("\n".join(lines))


def _roff_line(line: str) -> str:
    line = _ROFF_CHARACTER.sub(lambda found: _ROFF_CHARACTERS.get(found[1] or found[2], ""), line)
    line = _ROFF_FONT.sub("", line).replace("\\-", "-").replace("\\ ", " ").replace("\\~", " ")
    return line.replace("\\e", "\\")


def wordnet_to_text(data: str) -> str:
    r"""Return ``words: gloss`` for each meaning of a WordNet data file.

    >>> wordnet_to_text("00039297 04 n 02 contact 2 hook_on 0 001 @ 00039021 n 0000 | joined  \n")
    'contact, hook on: joined\n'
    """
    meanings = []
    for line in data.splitlines():
        if line.startswith(" "):  # the licence, at the head of each file
            continue
        fields, _, gloss = line.partition(" | ")
        values = fields.split()
        words = values[4 : 4 + 2 * int(values[3], 16) : 2]
        # An adjective's word may end in its position: "alone(p)".
        names = ", ".join(word.partition("(")[0].replace("_", " ") for word in words)
        meanings.append(f"{names}: {gloss.strip()}")
    return _tidy("\n\n".join(meanings))


def _tidy(text: str) -> str:
    """Return text with single blank lines, no spaces at the end of lines, and one newline last."""
    text = "\n".join(line.rstrip() for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", text).strip("\n") + "\n"
