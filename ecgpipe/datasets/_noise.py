"""What disturbs a recording, electrode by electrode, so that the leads still obey Einthoven."""

import numpy as np
from jaxtyping import Float

ELECTRODES = 9  # RA, LA, LL, V1 to V6
MAINS = 50.0  # Hz


def draw_noise(
    records: int, fs: float, samples: int, generator: np.random.Generator
) -> Float[np.ndarray, "record lead time"]:
    """Draw the noise of the leads I, II, V1 to V6 in millivolts."""
    time = np.arange(samples) / fs
    noise = _wander(records, time, generator)
    noise += _muscle(records, time, generator)
    noise += _mains(records, time, generator)
    noise += _motion(records, time, generator)
    right, left, leg = np.moveaxis(noise[:, :3], 1, 0)
    limbs = np.stack([left - right, leg - right], axis=1)
    return np.concatenate([limbs, noise[:, 3:] - noise[:, :3].mean(axis=1, keepdims=True)], axis=1)


def _level(
    records: int, median: float, spread: float, generator: np.random.Generator
) -> Float[np.ndarray, "record electrode one"]:
    """Draw how strong a disturbance is: by record mostly, by electrode a little."""
    record = spread * generator.standard_normal((records, 1, 1))
    return median * np.exp(record + 0.4 * generator.standard_normal((records, ELECTRODES, 1)))


def _shaped(
    records: int,
    time: Float[np.ndarray, " time"],
    power: Float[np.ndarray, " frequency"],
    generator: np.random.Generator,
) -> Float[np.ndarray, "record electrode time"]:
    """Draw noise of unit variance with the given spectrum."""
    white = np.fft.rfft(generator.standard_normal((records, ELECTRODES, len(time))))
    gain = np.sqrt(power / power.sum() * len(power))
    return np.fft.irfft(white * gain, n=len(time))


def _frequency(time: Float[np.ndarray, " time"]) -> Float[np.ndarray, " frequency"]:
    return np.fft.rfftfreq(len(time), time[1])


def _wander(
    records: int, time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "record electrode time"]:
    """Breathing and slow drift of the electrode's potential, below 0.7 Hz."""
    frequency = _frequency(time)
    power = np.where(frequency > 0, np.exp(-frequency / 0.12), 0.0)
    drift = _shaped(records, time, power, generator)
    phase = generator.random((records, 1, 1)) + 0.1 * generator.random((records, ELECTRODES, 1))
    breath = np.sin(2 * np.pi * (generator.uniform(0.18, 0.33, (records, 1, 1)) * time + phase))
    level = _level(records, 0.06, 0.8, generator)
    return level * drift + 0.6 * _level(records, 0.03, 0.8, generator) * breath


def _muscle(
    records: int, time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "record electrode time"]:
    """Muscle and amplifier noise above some 10 Hz, in bursts."""
    frequency = _frequency(time)
    rough = _shaped(records, time, 0.03 + 1 / (1 + (18 / (frequency + 0.1)) ** 4), generator)
    slow = _shaped(records, time, np.exp(-frequency / 0.5), generator)
    return _level(records, 0.017, 0.8, generator) * rough * np.exp(0.4 * slow)


def _mains(
    records: int, time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "record electrode time"]:
    """Hum that left the low-pass filter, a little off its nominal frequency."""
    frequency = MAINS + generator.uniform(-0.15, 0.15, (records, 1, 1))
    phase = 2 * np.pi * (frequency * time + generator.random((records, 1, 1)))
    return _level(records, 0.003, 0.8, generator) * np.sin(phase)


def _motion(
    records: int, time: Float[np.ndarray, " time"], generator: np.random.Generator
) -> Float[np.ndarray, "record electrode time"]:
    """An electrode that is moved: in some records one jumps and creeps back."""
    moved = (generator.random((records, 1, 1)) < 0.3) * generator.normal(0, 0.4, (records, 1, 1))
    which = generator.integers(0, ELECTRODES, (records, 1, 1)) == np.arange(ELECTRODES)[:, None]
    since = time - generator.uniform(0, time[-1], (records, 1, 1))
    back = generator.uniform(0.15, 0.9, (records, 1, 1))
    jump = np.exp(-np.maximum(since, 0.0) / back) / (1 + np.exp(-np.clip(since, -2, 2) / 0.03))
    return moved * which * jump
