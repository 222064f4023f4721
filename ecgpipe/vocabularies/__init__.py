"""What the statements of a source mean, and which labels they make: one file each.

A file offers `SELECTIONS`, the names of the selections of labels it knows (none, where a task must
list them), and `mapping(selection)` from a statement's code to the labels it stands for, where a
selection is one of those names or a tuple of labels. Codes that the mapping leaves out make no
label; several codes may make one label, and one code several. A statement counts whatever its
likelihood. An unknown selection or label is answered with those there are. Tables that a clinician
should be able to read and correct lie beside the code as CSV.
`tests/contracts/test_vocabularies.py` holds every file to this.
"""
