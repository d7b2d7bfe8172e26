"""Given / when / then: a decider's specification as sentences."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

State = TypeVar("State")
Command = TypeVar("Command")
Given = TypeVar("Given")
Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Spec(Generic[State, Command, Given, Event]):
    """Start from `state`; `given` events lead to another, a `when` command to exact events."""

    state: State
    decide: Callable[[State, Command], tuple[Event, ...]]
    evolve: Callable[[State, Given], State]

    def given(self, *events: Given) -> "Spec[State, Command, Given, Event]":
        return Spec(reduce(self.evolve, events, self.state), self.decide, self.evolve)

    def when(self, command: Command) -> "Answer[Event]":
        return Answer(self.decide(self.state, command))


@dataclass(frozen=True, slots=True)
class Answer(Generic[Event]):
    events: tuple[Event, ...]

    def then(self, *expected: Event) -> None:
        assert self.events == expected
        # Equal models of different types would pass for each other's fields alone.
        assert [type(event) for event in self.events] == [type(event) for event in expected]
