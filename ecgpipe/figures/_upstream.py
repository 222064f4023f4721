"""How arms look where networks have panels of their own: upstreams are colours, recipes dashes."""

import pandas as pd

from ecgpipe.figures import _style
from ecgpipe.render import distinct

DASHES = (*_style.DASHES, (0, (5, 1, 1, 1)), (0, (8, 2)), (0, (5, 1, 1, 1, 1, 1)))
Looks = dict[str, dict]


def looks(lines: pd.DataFrame) -> tuple[Looks, Looks]:
    """Give each `upstream` of the lines its colour and each `recipe` its dash, in their order."""
    colours = {
        upstream: {"label": upstream, "color": _style.COLOURS[i % len(_style.COLOURS)]}
        for i, upstream in enumerate(lines["upstream"].unique())
    }
    recipes = distinct(list(lines["recipe"].unique()))
    dashes = {
        recipe: {"label": name, "color": _style.GREY, "linestyle": DASHES[i % len(DASHES)]}
        for i, (recipe, name) in enumerate(recipes.items())
    }
    return colours, dashes
