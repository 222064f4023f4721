"""The statements of the synthetic cohort, and the groups they belong to."""

from ecgpipe.vocabularies import _answer

SELECTIONS = ("all", "groups")

GROUPS = {
    "NORM": "normal",  # normal sinus rhythm
    "SBRAD": "rhythm",  # sinus bradycardia
    "STACH": "rhythm",  # sinus tachycardia
    "AFIB": "rhythm",  # atrial fibrillation
    "AFLT": "rhythm",  # atrial flutter
    "PAC": "rhythm",  # premature atrial beats
    "PVC": "rhythm",  # premature ventricular beats
    "LPR": "conduction",  # prolonged PR interval: first-degree atrioventricular block
    "RBBB": "conduction",  # right bundle branch block
    "LBBB": "conduction",  # left bundle branch block
    "STE": "repolarisation",  # ST elevation
    "STD": "repolarisation",  # ST depression
    "INVT": "repolarisation",  # T inversion
    "LVOLT": "voltage",  # low QRS voltage
}


def mapping(selection: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Map the codes of a selection to their labels."""
    if not isinstance(selection, str):
        return _answer.one_by_one(selection, GROUPS, "synthetic")
    _answer.check(selection, SELECTIONS, "synthetic")
    return {code: (code if selection == "all" else group,) for code, group in GROUPS.items()}
