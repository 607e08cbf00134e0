from hypothesis import given, settings
from hypothesis import strategies as st

from bayeslaw.service.limits import TokenBuckets


class Elapsed:
    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s


def test_a_burst_is_let_through_and_then_one_for_each_that_flows_in():
    elapsed = Elapsed()
    buckets = TokenBuckets(per_s=10, burst=5, elapsed=elapsed)
    assert [buckets.take("a") for _ in range(5)] == [0.0] * 5
    assert buckets.take("a") > 0 and buckets.is_empty("a")
    assert buckets.take("b") == 0.0
    elapsed.s = 0.1
    assert buckets.take("a") == 0.0 and buckets.take("a") > 0


def test_waiting_as_long_as_told_is_enough():
    elapsed = Elapsed()
    buckets = TokenBuckets(per_s=3, burst=1, elapsed=elapsed)
    assert buckets.take("a") == 0.0
    elapsed.s += buckets.take("a") + 1e-9
    assert buckets.take("a") == 0.0


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 0.5), st.sampled_from("abc")), max_size=200))
def test_nobody_gets_more_than_the_burst_and_what_flowed_in(requests):
    elapsed = Elapsed()
    buckets = TokenBuckets(per_s=4, burst=3, elapsed=elapsed)
    n_taken = dict.fromkeys("abc", 0)
    for pause_s, key in requests:
        elapsed.s += pause_s
        n_taken[key] += buckets.take(key) == 0.0
    assert max(n_taken.values()) <= 3 + 4 * elapsed.s + 1e-6


def test_memory_is_bounded_and_who_comes_often_is_remembered():
    buckets = TokenBuckets(per_s=0.001, burst=1, max_keys=10, elapsed=Elapsed())
    assert buckets.take("often") == 0.0
    for i in range(1000):
        buckets.take(f"address {i}")
        assert buckets.take("often") > 0
    assert len(buckets._buckets) == 10
