"""How a patient's beats look in the two leads of a long recording."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from ecgpipe.datasets._heart import PARTS, build_heart
from ecgpipe.datasets._patients import LEFT, NORMAL, RIGHT, Traits, Visits
from ecgpipe.datasets._waves import GRID, Waves

LEADS = ("II", "V5")
PLACES = [1, 6]  # of these leads among the eight of a torso
LARGEST = 2.8  # mV, of ordinary beats from peak to peak
# kinds of beat: ordinary ones, those that hurry down from the atria, those from the ventricles
ORDINARY, ATRIAL, ECTOPIC, OTHER = range(4)
# a wide beat need not come from the ventricles: these shares of the patients
PACED = 0.1  # have every ordinary beat started by an electrode in the ventricles
BLOCKED = 0.3  # have a bundle branch blocked, beyond those whose age brings it
HURRIED = 0.6  # have one blocked as soon as beats hurry
BYPASSED = 0.2  # have a bypass to the ventricles that hurried beats take
SYMBOLS = {NORMAL: "N", RIGHT: "R", LEFT: "L"}  # by bundle branch blocked


@dataclass(frozen=True)
class Look:
    """What the electrodes see of one heart, in millivolts; a row a kind of beat, an axis a lead."""

    beats: Waves  # of the parts P, QRS, ST, T; those of ECTOPIC and OTHER differ in height alone
    symbol: str  # of ordinary beats
    torso: Float[np.ndarray, "lead axis"]  # from the heart's dipole to millivolts
    size: Float[np.ndarray, "kind lead"]  # of the QRS, peak to peak
    interval: float  # seconds between beats, which T was placed for


def draw_looks(traits: Traits, visits: Visits, generator: np.random.Generator) -> list[Look]:
    """Draw how every kind of beat of each patient looks."""
    traits = _block(traits, BLOCKED, generator)
    heart = build_heart(traits, visits)
    torso = _torso(traits, heart.waves[0], generator)
    paced = generator.random(len(torso)) < PACED
    kinds = _kinds(traits, visits, torso, paced, generator)
    side = np.where(traits.complete, traits.conduction, NORMAL)
    return [
        Look(
            beats=_of_patient(kinds, number),
            symbol="/" if paced[number] else SYMBOLS[side[number]],
            torso=torso[number],
            size=np.stack([_size(waves)[number] for waves in kinds]),
            interval=float(heart.interval[number]),
        )
        for number in range(len(torso))
    ]


def _kinds(
    traits: Traits,
    visits: Visits,
    torso: Float[np.ndarray, "patient lead axis"],
    paced: Bool[np.ndarray, " patient"],
    generator: np.random.Generator,
) -> tuple[Waves, ...]:
    """Draw the beats of each kind, as the leads see them."""
    conducted = _seen(build_heart(traits, visits).waves[0], torso)
    hurried = _seen(build_heart(_block(traits, HURRIED, generator), visits).waves[0], torso)
    size = _size(conducted).max(axis=1)
    electrode, bypass, focus, other = (
        _ventricular(traits, visits, torso, size, generator) for _ in range(4)
    )
    bypassed = generator.random(len(torso)) < BYPASSED
    return (
        _choose(paced, electrode, conducted),
        _choose(bypassed, bypass, hurried),
        focus,
        replace(focus, vector=other.vector),
    )


def _torso(
    traits: Traits, ordinary: Waves, generator: np.random.Generator
) -> Float[np.ndarray, "patient lead axis"]:
    """Place the electrodes anew, and set a gain that nobody calibrates but that fits the beats."""
    count = len(traits.torso)
    gain = 0.3 * generator.standard_normal((count, 1, 1))
    gain = gain + 0.15 * generator.standard_normal((count, len(LEADS), 1))
    torso = traits.torso[:, PLACES] * np.exp(gain)
    size = _size(_seen(ordinary, torso)).max(axis=1)
    return torso * np.minimum(1.0, LARGEST / size)[:, None, None]


def _block(traits: Traits, share: float, generator: np.random.Generator) -> Traits:
    """Block a bundle branch in this share of the hearts that conduct normally."""
    count = len(traits.block)
    side = generator.choice([RIGHT, LEFT], count)
    blocked = (generator.random(count) < share) & (traits.conduction == NORMAL)
    return replace(
        traits,
        conduction=np.where(blocked, side, traits.conduction),
        complete=traits.complete | blocked,
        block=np.where(blocked, generator.uniform(0.7, 1.1, count), traits.block),
        qrs=np.where(blocked, generator.uniform(0.122, 0.17, count), traits.qrs),
    )


def _ventricular(
    traits: Traits,
    visits: Visits,
    torso: Float[np.ndarray, "patient lead axis"],
    size: Float[np.ndarray, " patient"],
    generator: np.random.Generator,
) -> Waves:
    """Draw wide beats from anywhere in the ventricles, mostly somewhat larger than the usual."""
    count = len(size)
    host = replace(
        traits,
        turn=generator.uniform(-1, 1, (count, 2)) * [np.pi, 0.7],
        shape=np.exp(0.45 * generator.standard_normal(traits.shape.shape)),
        focus=generator.integers(0, 3, count),
    )
    drawn = build_heart(host, visits).waves[-1]
    stretch = np.ones(drawn.centre.shape)
    stretch[:, PARTS["QRS"]] = generator.uniform(0.75, 1.1, (count, 1))
    waves = _seen(Waves(drawn.centre * stretch, drawn.width * stretch, drawn.vector), torso)
    aim = size * np.exp(0.15 + 0.25 * generator.standard_normal(count))
    scale = aim / _size(waves).max(axis=1)
    return replace(waves, vector=waves.vector * scale[:, None, None])


def _seen(waves: Waves, torso: Float[np.ndarray, "patient lead axis"]) -> Waves:
    """See the dipole through the leads."""
    return replace(waves, vector=np.einsum("pwa,pla->pwl", waves.vector, torso))


def _size(waves: Waves) -> Float[np.ndarray, "patient lead"]:
    """Measure the QRS from peak to peak."""
    parts = [values[:, PARTS["QRS"]] for values in (waves.centre, waves.width, waves.vector)]
    return np.ptp(Waves(*parts).dipole(GRID), axis=-1)


def _choose(chosen: Bool[np.ndarray, " patient"], these: Waves, those: Waves) -> Waves:
    """Take the waves of these for the patients chosen, of those for the others."""
    return Waves(
        np.where(chosen[:, None], these.centre, those.centre),
        np.where(chosen[:, None], these.width, those.width),
        np.where(chosen[:, None, None], these.vector, those.vector),
    )


def _of_patient(kinds: tuple[Waves, ...], number: int) -> Waves:
    """Put one patient's kinds of beat below each other."""
    return Waves(
        np.stack([waves.centre[number] for waves in kinds]),
        np.stack([waves.width[number] for waves in kinds]),
        np.stack([waves.vector[number] for waves in kinds]),
    )
