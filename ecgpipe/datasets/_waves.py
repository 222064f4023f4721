"""Waves of a dipole in space: Gaussians in time, their sum, and where it begins and ends."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

ONSET, PEAK, OFFSET = range(3)
VISIBLE = 0.06  # share of its height at which a wave begins and ends
GRID = np.arange(-0.3, 0.3, 0.002)  # seconds


@dataclass(frozen=True)
class Waves:
    """Gaussians of the dipole (left, down, back; millivolts); those of one row add up."""

    centre: Float[np.ndarray, "row wave"]  # seconds from the R peak
    width: Float[np.ndarray, "row wave"]
    vector: Float[np.ndarray, "row wave axis"]

    @classmethod
    def joined(cls, parts: list["Waves"]) -> "Waves":
        """Put the waves of several parts side by side."""
        return cls(
            np.concatenate([part.centre for part in parts], axis=1),
            np.concatenate([part.width for part in parts], axis=1),
            np.concatenate([part.vector for part in parts], axis=1),
        )

    def dipole(self, time: Float[np.ndarray, "... time"]) -> Float[np.ndarray, "row axis time"]:
        """Add up the Gaussians at times common to all rows, or at each row's own."""
        away = (time[..., None, :] - self.centre[..., None]) / self.width[..., None]
        return np.swapaxes(self.vector, 1, 2) @ np.exp(-0.5 * away**2)

    def bounds(self) -> Float[np.ndarray, "row point"]:
        """Find onset, peak and offset by the dipole's strength; NaN where there is no wave."""
        strength = np.linalg.norm(self.dipole(GRID), axis=1)
        highest = strength.max(axis=1, keepdims=True)
        seen = strength > VISIBLE * highest
        last = len(GRID) - 1 - seen[:, ::-1].argmax(axis=1)
        found = GRID[np.stack([seen.argmax(axis=1), strength.argmax(axis=1), last], axis=1)]
        return np.where(highest > 0, found, np.nan)

    def moved(
        self, point: int, time: Float[np.ndarray, " row"]
    ) -> tuple["Waves", Float[np.ndarray, "row point"]]:
        """Move all waves so that their onset, peak or offset comes at a time."""
        bounds = self.bounds()
        by = (time - bounds[:, point])[:, None]
        return Waves(self.centre + np.nan_to_num(by), self.width, self.vector), bounds + by
