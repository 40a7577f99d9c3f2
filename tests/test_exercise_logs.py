"""The three logs of notebook 06: what gives each fault away is in them, and no fault shows the sign of another."""

import math

import pytest

from chapter10.exercises.tasks import n06_log

FLOOR = math.log1p(math.exp(-1)) + math.log(2)  # of D's loss with a sigmoid too many: 1.006


@pytest.fixture(scope="module")
def logs():
    return {fault: n06_log.log(which) for which, fault in n06_log.LOGS.items()}


def of(rows, key):
    return [row[key] for row in rows]


def test_with_a_sigmoid_too_many_d_is_right_every_time_and_its_loss_stops_at_the_floor(logs):
    rows = logs["a"]
    assert min(of(rows, "d_loss")) >= FLOOR and rows[-1]["d_loss"] < FLOOR + 0.02
    assert min(of(rows[1:], "d_right")) > 0.99 and min(of(rows, "g_gradient")) > 0


def test_shown_fakes_for_real_d_stays_at_two_log_two(logs):
    rows = logs["b"]
    assert min(of(rows, "d_loss")) >= 2 * math.log(2) - 1e-4 and max(of(rows, "d_loss")) < 2 * math.log(2) + 0.02
    assert all(abs(right - 0.5) < 1e-9 for right in of(rows, "d_right")) and min(of(rows, "g_gradient")) > 0.01


def test_with_detached_fakes_g_gets_no_gradient_and_d_wins(logs):
    rows = logs["c"]
    assert max(of(rows, "g_gradient")) == 0 and rows[-1]["d_loss"] < 0.1 < FLOOR
    assert of(rows, "g_loss") == sorted(of(rows, "g_loss"))


def test_a_log_repeats_and_shows_every_row(logs):
    n06_log.log.cache_clear()
    assert {fault: n06_log.log(which) for which, fault in n06_log.LOGS.items()} == logs
    shown = n06_log.show("C")
    assert len(shown.splitlines()) == 1 + n06_log.LOOKS and "1.00" in shown
