"""The six abnormalities of the CODE releases, and a normal ECG where a release states one.

CODE-15% says of a recording that it is normal, the test release does not; a recording without any
of the six is not normal for that. `scp` gives the names of PTB-XL's statements: bundle branch
blocks of which nobody says that they are incomplete are taken as complete.
"""

from ecgpipe.vocabularies import _answer

SELECTIONS = ("all", "abnormalities", "scp")

CODES = {  # statement: the statement of PTB-XL that it is
    "1dAVb": "1AVB",
    "RBBB": "CRBBB",
    "LBBB": "CLBBB",
    "SB": "SBRAD",
    "ST": "STACH",
    "AF": "AFIB",
    "normal_ecg": "NORM",
}


def mapping(selection: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Map the codes of a selection to their labels."""
    if not isinstance(selection, str):
        return _answer.one_by_one(selection, CODES, "code")
    _answer.check(selection, SELECTIONS, "code")
    if selection == "scp":
        return {code: (label,) for code, label in CODES.items()}
    return {code: (code,) for code in CODES if selection == "all" or code != "normal_ecg"}
