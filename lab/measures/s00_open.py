"""S0: nothing is done. The yardstick."""

from lab.policy import Measure


class Open(Measure):
    name = "S0"
    about = "The open network: a round trip of 60 ms and nothing else."
    source = "LADDER §4"
    numbers = "60 ms round trip"


MEASURE = Open()
