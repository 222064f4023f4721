"""Figures: each file draws one figure of a study out of what was collected.

A figure `NAME.py` offers

- `NEEDS`: what it reads, out of scores, comparisons, costs, histories, estimates, conditions,
  predictions, attributions, records;
- `draw(needs: render.Needs) -> matplotlib.figure.Figure`: drawn on a
  `_style.Sheet`, without pyplot.

It takes sizes, colours, markers and the arms' labels from `_style.py`, so that an arm looks the
same in every figure, no text is smaller than 6 points, and the same numbers give the same bytes.
Nothing else imports matplotlib. A study names its figures by their files' names.
"""
