"""What a voice is made of: vowels and consonants as resonances and noises.

Formants of the vowels are the men's averages of G. Peterson and H. Barney, "Control methods used in
a study of the vowels", JASA 24(2), 1952; smaller speakers scale them up.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CONSONANTS", "VOWELS", "Consonant"]

VOWELS: dict[str, tuple[float, float, float]] = {
    "ee": (270, 2290, 3010),
    "ih": (390, 1990, 2550),
    "eh": (530, 1840, 2480),
    "ae": (660, 1720, 2410),
    "ah": (730, 1090, 2440),
    "aw": (570, 840, 2410),
    "uh": (440, 1020, 2240),
    "oo": (300, 870, 2240),
    "er": (490, 1350, 1690),
    "a": (640, 1190, 2390),
}
"""Hz of the first three formants."""


@dataclass(frozen=True, kw_only=True)
class Consonant:
    """How a syllable begins.

    Args:
        seconds: how long.
        voiced: level of the vocal folds, relative to a vowel.
        formants: that they excite, Hz; None takes those of the vowel.
        noise: level of hiss.
        low_hz: of the hiss.
        high_hz: of the hiss.
        burst: the hiss comes at the end, after silence.
    """

    seconds: float
    voiced: float = 0.0
    formants: tuple[float, float, float] | None = None
    noise: float = 0.0
    low_hz: float = 1000.0
    high_hz: float = 8000.0
    burst: bool = False


CONSONANTS: dict[str, Consonant] = {
    "s": Consonant(seconds=0.11, noise=1.0, low_hz=5200, high_hz=10500),
    "sh": Consonant(seconds=0.1, noise=0.9, low_hz=2300, high_hz=6500),
    "f": Consonant(seconds=0.09, noise=0.35, low_hz=1500, high_hz=11000),
    "h": Consonant(seconds=0.07, noise=0.35, low_hz=700, high_hz=3500),
    "t": Consonant(seconds=0.06, noise=1.0, low_hz=3000, high_hz=9000, burst=True),
    "k": Consonant(seconds=0.06, noise=0.9, low_hz=1300, high_hz=4000, burst=True),
    "p": Consonant(seconds=0.06, noise=0.6, low_hz=500, high_hz=2500, burst=True),
    "d": Consonant(
        seconds=0.05,
        voiced=0.25,
        formants=(200, 1700, 2600),
        noise=0.4,
        low_hz=2500,
        high_hz=7000,
        burst=True,
    ),
    "b": Consonant(seconds=0.05, voiced=0.3, formants=(200, 900, 2200)),
    "g": Consonant(
        seconds=0.05,
        voiced=0.25,
        formants=(200, 1900, 2300),
        noise=0.3,
        low_hz=1200,
        high_hz=3500,
        burst=True,
    ),
    "m": Consonant(seconds=0.08, voiced=0.5, formants=(250, 1000, 2200)),
    "n": Consonant(seconds=0.07, voiced=0.5, formants=(250, 1500, 2500)),
    "l": Consonant(seconds=0.06, voiced=0.7, formants=(350, 1100, 2700)),
    "r": Consonant(seconds=0.07, voiced=0.7, formants=(350, 1200, 1600)),
    "w": Consonant(seconds=0.07, voiced=0.7, formants=(300, 700, 2200)),
    "y": Consonant(seconds=0.07, voiced=0.7, formants=(270, 2200, 3000)),
    "v": Consonant(
        seconds=0.06, voiced=0.5, formants=(250, 1100, 2300), noise=0.15, low_hz=1500, high_hz=9000
    ),
    "z": Consonant(
        seconds=0.08, voiced=0.4, formants=(250, 1600, 2500), noise=0.6, low_hz=4500, high_hz=10000
    ),
}
