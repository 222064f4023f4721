"""Tables: each file makes one table of a study out of what was collected.

A table `NAME.py` offers

- `NEEDS`: what it reads, out of scores, comparisons, costs, histories, estimates, conditions,
  predictions, attributions, records;
- `build(needs: render.Needs) -> pandas.DataFrame`: the numbers, one line a fact, for the CSV;
- `layout(table: pandas.DataFrame) -> pandas.DataFrame`: the same as text for people,
  one line a row of the printed table, columns by their headings; `**0.93**` is bold in Markdown
  and in LaTeX.

A study names its tables by their files' names.
"""
