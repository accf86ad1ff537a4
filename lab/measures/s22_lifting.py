"""S22: everything is lifted, step by step."""

from collections.abc import Sequence

from lab.measures.s16_everything import Everything


class Lifting(Everything):
    name = "S22"
    about = "All of S16, then only the curtain, policing, silence by name, resets and removed names, one after the other; then nothing."
    source = "B4: TSPU ch. 17.1.2 (storms of retries are seen)"
    numbers = "a step every 15 s"

    # Each is a thing that a state really took back by itself, the hardest first.
    _ORDER = ("S14", "S15s", "S5r", "S4", "S1", "S0")
    _EVERY = 15.0

    def steps(self, scale: float) -> Sequence[tuple[float, str]]:
        return [(self._EVERY * (number + 1), name) for number, name in enumerate(self._ORDER)]


MEASURE = Lifting()
