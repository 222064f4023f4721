"""Pages in HTML that need nothing else: text is escaped, pictures are part of the page."""

import base64
import html
from collections.abc import Iterable

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 64rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #ccc; }
p { max-width: 50rem; margin: .4rem 0; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .2rem; white-space: nowrap; }
th, td { text-align: left; vertical-align: top; padding: .1rem .9rem .1rem 0; }
th { font-weight: 600; white-space: nowrap; }
tr.head th { border-bottom: 1px solid #999; }
.number { text-align: right; white-space: nowrap; }
.bar { width: 8rem; padding-top: .35rem; }
.bar div { background: #0072B2; height: .7rem; min-width: 1px; }
.side { display: flex; flex-wrap: wrap; gap: 0 3rem; }
img { width: 100%; }
@media print {
  body { font-size: 10px; margin: 0; max-width: none; }
  h2, caption, tr.head { break-after: avoid; }
  tr, img { break-inside: avoid; }
}
"""


class Html(str):
    """Markup; every other text is escaped where it enters a page."""


class Number(str):
    """A number with its unit, as people read it; it stands to the right in a table."""


class Share(float):
    """A part of a whole, drawn as a bar in a table."""


def page(title: str, *inside: Html) -> str:
    """Write a whole page."""
    style = element("style", Html(STYLE))
    head = element("head", Html('<meta charset="utf-8">'), element("title", title), style)
    return f"<!doctype html>\n{element('html', head, element('body', *inside), lang='en')}\n"


def element(name: str, *inside: object, **attributes: str) -> Html:
    """Write an element; `class_` stands for its class."""
    told = "".join(f' {key.rstrip("_")}="{html.escape(v)}"' for key, v in attributes.items())
    return Html(f"<{name}{told}>{''.join(map(_escaped, inside))}</{name}>")


def section(title: str, *inside: Html) -> Html:
    """Write a heading and what belongs to it."""
    return element("section", element("h2", title), *inside)


def paragraph(*inside: object) -> Html:
    """Write a paragraph."""
    return element("p", *inside)


def beside(*inside: Html) -> Html:
    """Set what is inside side by side, as far as the page is wide."""
    return element("div", *inside, class_="side")


def picture(png: bytes, says: str) -> Html:
    """Write a PNG into the page."""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return Html(f'<img alt="{html.escape(says)}" src="{source}">')


def facts(lines: dict[str, object]) -> Html:
    """Write names and what is said of them; those of which nothing is said are left out."""
    rows = [
        element("tr", element("th", name), element("td", said))
        for name, said in lines.items()
        if said
    ]
    return element("table", *rows)


def table(title: str, header: Iterable[str], lines: Iterable[Iterable[object]]) -> Html:
    """Write a table, numbers to the right, shares as bars; one without lines is left out."""
    rows = [[_cell(value) for value in line] for line in lines]
    if not rows:
        return Html()
    kinds = [kind for _, kind in rows[0]]
    head = [element("th", n, class_=kind) for n, kind in zip(header, kinds, strict=True)]
    body = [element("tr", *(element("td", said, class_=kind) for said, kind in r)) for r in rows]
    return element("table", element("caption", title), element("tr", *head, class_="head"), *body)


def _cell(value: object) -> tuple[object, str]:
    """Say what stands in a cell, and of which kind it is."""
    if isinstance(value, Share):
        return element("div", style=f"width: {100 * value:.1f}%") if value else "", "bar"
    if isinstance(value, int | float):
        value = number(value)
    return value, "number" if isinstance(value, Number) else "text"


def _escaped(value: object) -> str:
    return value if isinstance(value, Html) else html.escape(str(value))


def number(value: int | float) -> Number:
    """Write a number."""
    return Number(f"{value:,.2f}".rstrip("0").rstrip("."))


def percent(part: int | float, whole: int | float) -> Number:
    """Write a share; what is more than nothing is never written as nothing."""
    share = 100 * part / whole if whole else 0.0
    return Number(f"{share:.1f} %" if share >= 0.05 or not part else "< 0.1 %")


def duration(seconds: int | float) -> Number:
    """Write seconds in the unit that suits them."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return Number(f"{number(round(seconds / length, 1))} {unit}")
    return Number(f"{number(round(seconds, 1))} s")
