"""Of several machines that share a job's folder, one works there."""

import threading
import time

from bayeslaw.executors.ray.claim import BEAT_SECONDS, FolderClaim, read_claim, this_host


def test_a_folder_that_nobody_holds_is_taken_at_once(tmp_path):
    claim = FolderClaim(tmp_path, "first")
    assert claim.take()
    assert read_claim(tmp_path)["submission"] == "first"
    assert claim.beat()
    claim.release()
    assert read_claim(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_holder_on_this_machine_is_not_waited_for_and_learns_of_it(tmp_path):
    old, new = FolderClaim(tmp_path, "old"), FolderClaim(tmp_path, "new", still_seconds=60)
    old.take()
    began = time.monotonic()
    assert new.take()
    assert time.monotonic() - began < 1
    time.sleep(BEAT_SECONDS)
    assert (old.beat(), new.beat()) == (False, True)
    old.release()  # not its own any more
    assert read_claim(tmp_path)["submission"] == "new"


def test_a_machine_whose_beat_stands_still_is_waited_for_then_taken_from(tmp_path):
    FolderClaim(tmp_path, "dead", host="elsewhere").take()
    began = time.monotonic()
    assert FolderClaim(tmp_path, "new", still_seconds=0.3).take()
    assert 0.3 <= time.monotonic() - began < 2
    assert read_claim(tmp_path)["host"] == this_host()


def test_a_machine_that_beats_is_waited_for_until_it_lets_go(tmp_path):
    alive = FolderClaim(tmp_path, "alive", host="elsewhere")
    alive.take()
    is_beating = threading.Event()
    is_beating.set()

    def beat():
        while is_beating.is_set():
            alive._beaten = 0.0  # a beat each 20 ms, where a second is the rule
            assert alive.beat()
            time.sleep(0.02)
        alive.release()

    heart = threading.Thread(target=beat)
    heart.start()
    began = time.monotonic()
    threading.Timer(1.0, is_beating.clear).start()
    assert FolderClaim(tmp_path, "new", still_seconds=0.5).take()
    assert time.monotonic() - began >= 1.0
    heart.join()


def test_who_waits_can_give_up(tmp_path):
    FolderClaim(tmp_path, "alive", host="elsewhere").take()
    assert not FolderClaim(tmp_path, "new").take(lambda: True)
    assert read_claim(tmp_path)["submission"] == "alive"
