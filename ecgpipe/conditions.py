"""Signals as a worse recording would have them, for `settings.Condition`.

Things are done in the order in which they happen: noise arises at the skin, electrodes sit at each
other's place, an amplifier has another gain, a recorder is slower, leads are lost. So the ratio of
signal to noise is that at the skin, over all leads as they should be; a recorder that is slower
than the noise keeps some of it out, and lost leads are silent.
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ecgpipe import noises, signals
from ecgpipe.batches import Montage
from ecgpipe.settings import Condition

Signals = Float[Tensor, "record lead time"]

# A chest lead is measured against Wilson's central terminal, the mean of the limbs.
CENTRAL = {"RA": -1 / 3, "LA": -1 / 3, "LL": -1 / 3}
LIMB_LEADS = {
    "I": {"LA": 1.0, "RA": -1.0},
    "II": {"LL": 1.0, "RA": -1.0},
    "III": {"LL": 1.0, "LA": -1.0},
    "aVR": {"RA": 1.0, "LA": -0.5, "LL": -0.5},
    "aVL": {"LA": 1.0, "RA": -0.5, "LL": -0.5},
    "aVF": {"LL": 1.0, "RA": -0.5, "LA": -0.5},
}


def disturb(
    signal: Signals,
    condition: Condition,
    montage: Montage,
    seeds: Iterable[int],
    recorded: Float[Tensor, "channel long"] | None = None,
) -> Signals:
    """Disturb whole signals as a condition says, each record by its own seed.

    `recorded` is the noise that the condition names, at the sampling frequency of the signals.
    """
    if condition.noise is not None:
        assert condition.snr is not None
        drawn = draw_noise(signal, condition.noise, montage, seeds, recorded)
        signal = add_noise(signal, drawn, condition.snr)
    if condition.swapped:
        signal = swap_electrodes(montage.leads, condition.swapped).to(signal) @ signal
    signal = signal * condition.gain
    if condition.fs is not None:
        signal = record_at(signal, condition.fs, montage.fs)
    return silence(signal, condition.missing, montage.leads)


def draw_noise(
    signal: Signals,
    kind: str,
    montage: Montage,
    seeds: Iterable[int],
    recorded: Float[Tensor, "channel long"] | None,
) -> Signals:
    """Draw noise for each record by its own seed, so that no other record or device changes it."""
    drawn = []
    for seed in seeds:
        generator = Generator().manual_seed(seed)
        if recorded is None:
            drawn.append(noises.draw(kind, 1, signal.shape[-1], montage, generator))
        else:
            drawn.append(noises.pick(recorded, 1, signal.shape[-1], montage, generator))
    return torch.cat(drawn).to(signal)


def add_noise(signal: Signals, noise: Signals, snr: float) -> Signals:
    """Scale noise so that each record has exactly this signal-to-noise ratio in dB, and add it.

    Powers are means over leads and time, without each lead's own mean. Leads that are silent were
    not recorded, and have no noise.
    """
    noise = noise * (signal != 0).any(dim=-1, keepdim=True)
    wanted, found = noises.power(signal) / 10 ** (snr / 10), noises.power(noise)
    if ((found == 0) & (wanted > 0)).any():
        raise ValueError(
            "noise that does not vary over a whole record cannot have a signal-to-noise ratio"
        )
    scale = (wanted / found.clamp(min=torch.finfo(found.dtype).tiny)).sqrt()
    return signal + scale[:, None, None] * noise


def swap_electrodes(
    leads: tuple[str, ...], pairs: tuple[tuple[str, str], ...]
) -> Float[Tensor, "lead lead"]:
    """Say what each lead shows of the leads as they were when pairs of electrodes are exchanged.

    Electrodes are RA, LA, LL and those of the chest, V1 to V6, named as their leads. A lead whose
    electrodes stay is left as it was recorded, the others are computed from I, II and the chest.
    """
    potential = potentials(leads)
    at = {electrode: electrode for electrode in potential}
    for one, other in pairs:
        if unknown := sorted({one, other} - set(potential)):
            raise ValueError(
                f"condition: no electrode {', '.join(unknown)}; the leads {', '.join(leads)} "
                f"tell of {', '.join(potential)}"
            )
        at[one], at[other] = at[other], at[one]
    matrix = torch.eye(len(leads), dtype=torch.float64)
    for row, lead in enumerate(leads):
        weights = LIMB_LEADS.get(lead, {lead: 1.0} | CENTRAL)
        moved = {at.get(electrode, electrode): weight for electrode, weight in weights.items()}
        if moved != weights:
            there = [weight * potential[e] for e, weight in moved.items() if e in potential]
            matrix[row] = torch.stack(there).sum(dim=0)
    return matrix


def potentials(leads: tuple[str, ...]) -> dict[str, Float[Tensor, " lead"]]:
    """Say how the potential of each electrode follows from leads, Wilson's terminal being zero."""
    unit = dict(zip(leads, torch.eye(len(leads), dtype=torch.float64), strict=True))
    found = {lead: unit[lead] for lead in leads if lead not in LIMB_LEADS}
    if {"I", "II"} <= set(leads):
        one, two = unit["I"] / 3, unit["II"] / 3
        found |= {"RA": -one - two, "LA": 2 * one - two, "LL": 2 * two - one}
    return found


def record_at(signal: Signals, fs: int, native: int) -> Signals:
    """Resample to the sampling frequency of a slower recorder, and back."""
    if fs >= native:
        raise ValueError(f"condition: fs {fs} is no slower recorder for signals of {native} Hz")
    flat = signal.flatten(0, 1).cpu().numpy().astype(np.float32)
    slow = signals.resample(flat, float(native), float(fs))
    back = signals.resample(slow, float(fs), float(native))[:, : signal.shape[-1]]
    return torch.from_numpy(back).unflatten(0, signal.shape[:2]).to(signal)


def silence(signal: Signals, missing: tuple[str, ...], leads: tuple[str, ...]) -> Signals:
    """Set leads to zero."""
    if unknown := sorted(set(missing) - set(leads)):
        raise ValueError(f"condition: no lead {', '.join(unknown)}; there are: {', '.join(leads)}")
    kept = torch.tensor([lead not in missing for lead in leads], device=signal.device)
    return signal * kept[:, None]
