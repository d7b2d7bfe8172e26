"""One due moment per job, earliest first, each given once."""

from hypothesis import strategies as st

from processors.job_timers import JobTimers
from tests.domain.laws import whatever


def timers(**due: float) -> JobTimers:
    made = JobTimers()
    for job_id, moment in due.items():
        made.set(job_id, moment)
    return made


def test_jobs_are_given_when_their_moment_has_come_earliest_first():
    made = timers(late=3.0, early=1.0, later=3.1)
    assert list(made.pop_due(0.9)) == []
    assert list(made.pop_due(3.0)) == ["early", "late"]
    assert list(made.pop_due(3.0)) == []
    assert (len(made), made.next_due()) == (1, 3.1)


def test_a_moved_moment_counts_alone_be_it_sooner_or_later():
    made = timers(job=5.0, other=9.0)
    made.set("job", 2.0)
    made.set("other", 20.0)
    assert made.next_due() == 2.0
    assert list(made.pop_due(10.0)) == ["job"]
    assert made.next_due() == 20.0


def test_a_moment_set_twice_is_given_once():
    made = timers(job=1.0)
    made.set("job", 1.0)
    assert list(made.pop_due(1.0)) == ["job"]
    assert made.next_due() is None


def test_a_forgotten_job_is_never_given():
    made = timers(job=1.0)
    made.forget("job")
    made.forget("stranger")
    assert (len(made), made.next_due(), list(made.pop_due(9.0))) == (0, None, [])


def test_a_job_set_again_while_others_are_given_waits_for_its_new_moment():
    made = timers(first=1.0, second=2.0)
    given = []
    for job_id in made.pop_due(2.0):
        given.append(job_id)
        made.set("first", 7.0)
        made.forget("second")
    assert given == ["first"]
    assert made.next_due() == 7.0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("set", "set", "forget", "pop")),
        st.sampled_from("abc"),
        st.integers(0, 5).map(float),
    ),
    max_size=30,
)


@whatever(steps=STEPS)
def test_timers_are_a_sorted_table_whatever_happens(steps: list[tuple[str, str, float]]):
    made, table = JobTimers(), dict[str, float]()
    for kind, job_id, moment in steps:
        if kind == "set":
            made.set(job_id, moment)
            table[job_id] = moment
        elif kind == "forget":
            made.forget(job_id)
            table.pop(job_id, None)
        else:
            due = sorted((due, name) for name, due in table.items() if due <= moment)
            assert list(made.pop_due(moment)) == [name for _, name in due]
            for _, name in due:
                del table[name]
        assert len(made) == len(table)
        assert made.next_due() == min(table.values(), default=None)
