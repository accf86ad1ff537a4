"""S22: everything is lifted, step by step."""

from collections.abc import Sequence

from lab.measures.s16_everything import Everything


class Lifting(Everything):
    name = "S22"
    about = "All of S16, then only the curtain, policing, silence by name, resets and removed names, one after the other; then nothing."
    source = "B4: TSPU ch. 17.1.2 (storms of retries are seen)"
    numbers = "a step every minute, with the scale, but every 6 s at the most; the first after 14 s"

    # Each is a thing that a state really took back by itself, the hardest first.
    _ORDER = ("S14", "S15s", "S5r", "S4", "S1", "S0")
    _EVERY = 60.0
    _EVERY_AT_LEAST = 6.0
    # All of it stands until the controls have seen it: a plain client may take 6 s to fail, begun 4 s after the strike.
    _WHOLE = 14.0

    def steps(self, scale: float) -> Sequence[tuple[float, str]]:
        every = max(self._EVERY_AT_LEAST, self._EVERY * scale)
        return [(self._WHOLE + every * number, name) for number, name in enumerate(self._ORDER)]

    def lasts(self, scale: float) -> float:
        return self.steps(scale)[-1][0] + 10.0


MEASURE = Lifting()
