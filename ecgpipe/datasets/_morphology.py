"""How a beat looks by conduction, focus, voltage and ischaemia: tables and vectors of its waves.

After McSharry et al. (2003), in three dimensions as Sameni et al. (2007). The axes are those of
Frank: left, down, back. Times are seconds from the R peak.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from ecgpipe.datasets._patients import ANTERIOR, DOWER, LEFT, NORMAL, RIGHT, Traits, Visits
from ecgpipe.datasets._waves import GRID, OFFSET, ONSET, Waves

# centre and width in seconds; the dipole's left, down and back in millivolts
QRS = np.array(
    [
        [  # normal: septum, free walls, base
            [-0.030, 0.0080, -0.13, -0.04, -0.24],
            [-0.014, 0.0090, 0.30, 0.20, -0.34],
            [0.000, 0.0095, 0.95, 0.62, 0.10],
            [0.014, 0.0100, 0.42, 0.30, 0.62],
            [0.029, 0.0090, -0.16, -0.10, 0.34],
            [0.041, 0.0085, -0.25, -0.05, -0.30],
            [0.000, 0.0100, 0.00, 0.00, 0.00],
        ],
        [  # right bundle branch block: the right ventricle comes last, slowly
            [-0.030, 0.0080, -0.13, -0.04, -0.24],
            [-0.014, 0.0090, 0.30, 0.20, -0.34],
            [0.000, 0.0095, 0.90, 0.58, 0.10],
            [0.014, 0.0100, 0.34, 0.24, 0.50],
            [0.030, 0.0090, -0.10, -0.05, 0.10],
            [0.050, 0.0130, -0.34, -0.08, -0.48],
            [0.074, 0.0150, -0.31, -0.02, -0.42],
        ],
        [  # left bundle branch block: through the septum from the right, leftwards all along
            [-0.046, 0.0120, 0.14, 0.10, 0.02],
            [-0.026, 0.0130, 0.50, 0.28, 0.50],
            [-0.002, 0.0140, 0.62, 0.28, 0.82],
            [0.022, 0.0140, 0.60, 0.16, 0.80],
            [0.044, 0.0140, 0.62, 0.05, 0.58],
            [0.064, 0.0130, 0.16, 0.00, 0.22],
            [0.000, 0.0100, 0.00, 0.00, 0.00],
        ],
    ]
)
PREMATURE = np.array([[-0.052, 0.017, 0.30], [-0.020, 0.019, 0.85], [0.014, 0.020, 0.90],
                      [0.046, 0.019, 0.45]])  # centre, width, strength  # fmt: skip
FOCI = np.array([[0.35, 1.15, 0.70], [-0.95, 0.35, -0.95], [0.25, -1.00, 0.60]])  # where it runs to
SEEN = np.vstack([DOWER, DOWER[1] - DOWER[0]])  # the leads that may be worst: the eight and III
# ST and T of a territory move along its direction, by one millivolt in its worst lead
TERRITORIES = np.array([[-0.10, 1.00, 0.10], [0.35, 0.05, -0.90], [0.90, -0.25, 0.30]])
TERRITORIES /= (TERRITORIES @ SEEN.T).max(axis=1, keepdims=True)
# what lies under the endocardium moves ST away from it, with little to mirror it but aVR
DEPRESSED = np.array([[0.60, 1.00, 0.05], [0.50, 0.15, -0.80], [0.80, 0.45, -0.20]])
DEPRESSED /= (DEPRESSED @ SEEN.T).max(axis=1, keepdims=True)
WORST = (TERRITORIES @ SEEN.T).argmax(axis=1)


def _turn(
    vector: Float[np.ndarray, "row wave axis"], turn: Float[np.ndarray, "row plane"]
) -> Float[np.ndarray, "row wave axis"]:
    """Turn in the frontal plane (down is positive), then in the horizontal one."""
    left, down, back = np.moveaxis(vector, -1, 0)
    frontal, horizontal = turn[:, None, 0], turn[:, None, 1]
    left, down = (
        left * np.cos(frontal) - down * np.sin(frontal),
        left * np.sin(frontal) + down * np.cos(frontal),
    )
    left, back = (
        left * np.cos(horizontal) - back * np.sin(horizontal),
        left * np.sin(horizontal) + back * np.cos(horizontal),
    )
    return np.stack([left, down, back], axis=-1)


def ordinary_qrs(host: Traits) -> Waves:
    """Give each patient's QRS its own shape, direction and length."""
    part = host.block[:, None, None]
    waves = (1 - part) * QRS[NORMAL] + part * QRS[host.conduction]
    centre, width = waves[..., 0], waves[..., 1]
    strength = host.shape.copy()
    strength[:, 5] *= np.where(host.conduction == NORMAL, host.rsr, 1.0)
    vector = _turn(waves[..., 2:] * strength[..., None], host.turn)
    bounds = Waves(centre, width, vector).bounds()
    stretch = (host.qrs / (bounds[:, OFFSET] - bounds[:, ONSET]))[:, None]
    return Waves(centre * stretch, width * stretch, vector)


def aberrant(host: Traits) -> Traits:
    """The same patients as an early beat finds them: some with the right bundle branch blocked."""
    blocked = host.aberrant & (host.conduction == NORMAL)
    return replace(
        host,
        conduction=np.where(blocked, RIGHT, host.conduction),
        block=np.where(blocked, 0.9, host.block),
        qrs=np.where(blocked, host.qrs + 0.04, host.qrs),
    )


def to_voltage(
    qrs: Waves, host: Traits, visits: Visits
) -> tuple[Waves, Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
    """Scale to the patient's voltage; hand back the scale and the largest QRS of the limb leads."""
    one, two = np.moveaxis(host.torso[:, :2] @ qrs.dipole(GRID), 1, 0)
    limbs = np.stack([one, two, two - one, (one + two) / 2, one - two / 2, two - one / 2])
    largest = np.ptp(limbs, axis=-1).max(axis=0)
    usual = np.maximum(0.85 * host.voltage, 0.6 / largest)
    scale = visits.gain * np.where(host.limb > 0, host.limb / largest, usual)
    scaled = Waves(qrs.centre, qrs.width, qrs.vector * scale[:, None, None])
    return scaled, scale, scale * largest


def premature_qrs(host: Traits, scale: Float[np.ndarray, " row"]) -> Waves:
    """A wide beat that starts in the ventricle and runs away from where it starts."""
    centre, width, strength = PREMATURE.T
    stretch = 0.92 + 0.1 * host.shape[:, :1]
    path = FOCI[host.focus][:, None] * (strength * host.shape[:, :4])[..., None]
    vector = _turn(path, host.turn) * (1.15 * np.sqrt(scale))[:, None, None]
    return _padded(Waves(centre * stretch, width * stretch, vector))


def _padded(qrs: Waves) -> Waves:
    """Fill up with waves of no height to as many as any QRS has."""
    missing = QRS.shape[1] - qrs.centre.shape[1]
    fill = ((0, 0), (0, missing))
    return Waves(
        np.pad(qrs.centre, fill),
        np.pad(qrs.width, fill, constant_values=0.01),
        np.pad(qrs.vector, (*fill, (0, 0))),
    )


def p_vectors(host: Traits) -> tuple[Float[np.ndarray, "row wave axis"], ...]:
    """The right atrium, then the left; and both from the focus of premature beats."""
    atria = np.array([[0.030, 0.075, -0.050], [0.055, 0.065, 0.050]])
    sinus = _turn(atria * host.p_amplitude[:, None, None], 0.4 * host.turn)
    ectopic = 0.1 * host.p_focus * host.p_amplitude[:, None]
    return sinus, np.stack([ectopic, ectopic], axis=1)


def discordant(qrs: Waves) -> Float[np.ndarray, "row part axis"]:
    """ST and T against the QRS, as where the ventricles are excited in the wrong order."""
    area = (qrs.vector * qrs.width[..., None]).sum(axis=1) / 0.055
    return np.stack([-0.11 * area, -0.36 * area], axis=1)


def repolarisation(
    host: Traits, visits: Visits, qrs: Waves, scale: Float[np.ndarray, " row"]
) -> Float[np.ndarray, "row part axis"]:
    """ST and T of ordinary beats, as a block and ischaemia leave them."""
    height = 0.27 * host.t_amplitude * np.sqrt(scale / host.voltage)
    normal = np.array([0.95, 0.75, -0.65]) * height[:, None]
    t = _turn(normal[:, None], 0.5 * host.turn + host.t_turn)[:, 0]
    right, left = [
        np.where(host.conduction == side, host.block, 0.0)[:, None] for side in (RIGHT, LEFT)
    ]
    t += right * np.sqrt(scale)[:, None] * [0.12, 0.0, 0.34]
    st = TERRITORIES[ANTERIOR] * host.early[:, None]
    opposed = discordant(qrs)
    return _ischaemic(st + left * opposed[:, 0], t + left * (opposed[:, 1] - 0.8 * t), visits)


def _ischaemic(
    st: Float[np.ndarray, "row axis"], t: Float[np.ndarray, "row axis"], visits: Visits
) -> Float[np.ndarray, "row part axis"]:
    """Move ST of a territory up, of another down, and turn T over, by what the visit found."""
    here, there = TERRITORIES[visits.territory], DEPRESSED[visits.depressed]
    up, down = here * visits.elevation[:, None], there * visits.depression[:, None]
    t = t + 0.5 * up - 0.35 * down
    upright = np.maximum((t * SEEN[WORST[visits.territory]]).sum(axis=1), 0.0)
    turned = np.where(visits.inversion > 0, upright + visits.inversion, 0.0)
    return np.stack([st + up - down, t - here * turned[:, None]], axis=1)
