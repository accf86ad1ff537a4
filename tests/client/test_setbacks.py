"""What follows from turns that fail."""

from whimbrel.client.setbacks import FORGOTTEN, OFTEN, PAUSE_FIRST, PAUSE_MAX, Setbacks


def test_a_store_that_refuses_is_tried_with_growing_pauses_until_it_takes() -> None:
    setbacks = Setbacks()
    pauses = []
    for _ in range(8):
        setbacks.store_refused(100.0)
        pauses.append(setbacks.not_before - 100.0)
    assert pauses[0] == PAUSE_FIRST
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MAX
    setbacks.store_took()
    assert setbacks.not_before < 0
    setbacks.store_refused(200.0)
    assert setbacks.not_before == 200.0 + PAUSE_FIRST


def test_the_third_failure_puts_aside_and_only_what_failed() -> None:
    setbacks = Setbacks()
    assert [setbacks.failed(b"one", float(n)) for n in range(OFTEN)] == [False, False, True]
    assert not setbacks.failed(b"other", 10.0)
    assert setbacks.aside == {b"one"}
    assert setbacks.not_before < 0, "nothing else waits"


def test_failures_long_ago_do_not_count() -> None:
    setbacks = Setbacks()
    for n in range(10):
        assert not setbacks.failed(b"now and then", n * FORGOTTEN / 2 + n)
    assert not setbacks.aside


def test_what_nobody_can_name_is_waited_for() -> None:
    setbacks = Setbacks()
    for n in range(10):
        assert not setbacks.failed(None, float(n))
    assert not setbacks.aside
    assert setbacks.not_before == 9 + PAUSE_FIRST
