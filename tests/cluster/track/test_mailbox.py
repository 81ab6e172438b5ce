"""A mailbox takes each event once and never one whose forerunners are missing; what it forgets, senders still have."""

from cluster.track import mailbox
from cluster.track.mailbox import Mailbox


def event(number: int) -> tuple[int, dict[str, int]]:
    return number, {"n": number}


def numbers(box: Mailbox) -> list[tuple[str, int]]:
    return [(sender, number) for sender, number, _ in box.drain({}, True).events]


def test_an_event_sent_twice_is_taken_once() -> None:
    box = Mailbox()
    first = box.put("a", None, 0, [event(1), event(2)])
    again = box.put("a", first.life, 0, [event(1), event(2), event(3)])
    assert (first.arrived, again.arrived) == (2, 3)
    assert numbers(box) == [("a", 1), ("a", 2), ("a", 3)]


def test_one_that_restarted_takes_nothing_before_the_sender_knows_that_it_forgot() -> None:
    earlier, box = Mailbox(), Mailbox()
    life = earlier.put("a", None, 0, [event(1)]).life
    answer = box.put("a", life, 0, [event(2)])
    assert (answer.life, answer.arrived) == (box.life, 0)
    assert numbers(box) == []
    assert box.put("a", answer.life, 0, [event(1), event(2)]).arrived == 2


def test_a_sender_learns_what_the_driver_took_saved_and_cannot_save() -> None:
    box = Mailbox()
    life = box.put("a", None, 0, [event(1), event(2), event(3)]).life
    box.drain({}, True)
    box.drain({"a": (3, 2)}, False)
    answer = box.put("a", life, 0, [])
    assert (answer.taken, answer.saved, answer.keeps) == (3, 2, False)


def test_a_full_one_takes_no_more_and_says_how_far_it_came(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(mailbox, "HELD", 2)
    box = Mailbox()
    answer = box.put("a", None, 0, [event(1), event(2), event(3)])
    assert answer.arrived == 2
    assert numbers(box) == [("a", 1), ("a", 2)]
    assert box.put("a", answer.life, 0, [event(3)]).arrived == 3


def test_what_senders_lost_is_added_up_by_sender() -> None:
    box = Mailbox()
    life = box.put("a", None, 4, [event(5)]).life
    box.put("a", life, 7, [event(9)])
    box.put("b", None, 1, [event(2)])
    assert box.drain({}, True).lost == {"a": 7, "b": 1}
