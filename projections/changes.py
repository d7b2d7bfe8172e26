"""How two reports about one row become one, the same in Python and in SQL.

Every rule is commutative over what different topics say, and idempotent: the row does not depend
on the order in which the topics arrive, nor on repeats (I14). No I/O here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

# What an event says of its row: only the columns that it speaks of.
Change = Mapping[str, object]


class Rule(Protocol):
    """How one column merges where both sides speak of it."""

    def pick(self, name: str, earlier: Change, later: Change) -> object:
        """Give the column's value after `earlier` and then `later`."""
        ...

    def sql(self, name: str) -> str:
        """Say the same of the stored row `stored` and the new one, `excluded`."""
        ...


class First:
    """The first value stands: the column has one owner, which speaks of it once."""

    def pick(self, name: str, earlier: Change, later: Change) -> object:
        return earlier[name] if name in earlier else later[name]

    def sql(self, name: str) -> str:
        return f"coalesce(stored.{name}, excluded.{name})"


class Greatest:
    """The value never falls."""

    def pick(self, name: str, earlier: Change, later: Change) -> object:
        before: Any = earlier[name]  # whatever it is, a column's values have an order
        return max(before, later[name])

    def sql(self, name: str) -> str:
        return f"greatest(stored.{name}, excluded.{name})"


class Least:
    """The value never rises."""

    def pick(self, name: str, earlier: Change, later: Change) -> object:
        before: Any = earlier[name]  # whatever it is, a column's values have an order
        return min(before, later[name])

    def sql(self, name: str) -> str:
        return f"least(stored.{name}, excluded.{name})"


@dataclass(frozen=True, slots=True)
class Furthest:
    """The value moves along its ranks only; of two with one rank the stored one stands (I20)."""

    ranks: Mapping[str, int]

    def pick(self, name: str, earlier: Change, later: Change) -> object:
        before, after = cast("str", earlier[name]), cast("str", later[name])
        return after if self.ranks[after] > self.ranks[before] else before

    def sql(self, name: str) -> str:
        return (
            f"CASE WHEN {self._rank(f'excluded.{name}')} > {self._rank(f'stored.{name}')} "
            f"THEN excluded.{name} ELSE stored.{name} END"
        )

    def _rank(self, value: str) -> str:
        whens = " ".join(f"WHEN '{word}' THEN {rank}" for word, rank in self.ranks.items())
        # A NULL falls to ELSE: it lies before every rank.
        return f"CASE {value} {whens} ELSE -1 END"


@dataclass(frozen=True, slots=True)
class EarliestWhereKnown:
    """The earliest value of those that came with `witness`; without any, the earliest of all."""

    witness: str

    def pick(self, name: str, earlier: Change, later: Change) -> object:
        if (self.witness in earlier) == (self.witness in later):
            before: Any = earlier[name]
            return min(before, later[name])
        return earlier[name] if self.witness in earlier else later[name]

    def sql(self, name: str) -> str:
        stored, new = f"stored.{self.witness}", f"excluded.{self.witness}"
        return (
            f"CASE WHEN ({stored} IS NULL) = ({new} IS NULL) "
            f"THEN least(stored.{name}, excluded.{name}) "
            f"WHEN {stored} IS NULL THEN excluded.{name} ELSE stored.{name} END"
        )


FIRST = First()
GREATEST = Greatest()
LEAST = Least()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a read model that several events fill."""

    name: str
    sql_type: str
    rule: Rule = FIRST


@dataclass(frozen=True, slots=True)
class MergedTable:
    """A table whose rows are merged from changes."""

    name: str
    key: str
    # Fixed by a row's first change: a change with another value is of another row and ignored.
    owner: str
    columns: Sequence[Column]

    def merged(self, earlier: Change, later: Change) -> Change:
        """Make one change of two of the same row."""
        if earlier[self.owner] != later[self.owner]:
            return earlier
        both = {**later, **earlier}
        for column in self.columns:
            name = column.name
            if column.rule is not FIRST and name in later and name in earlier:
                both[name] = column.rule.pick(name, earlier, later)
        return both

    def columns_in(self, changes: Iterable[Change]) -> tuple[Column, ...]:
        """List the columns that any of the changes speaks of: a batch carries no others."""
        said = set[str]().union(*changes)
        return tuple(column for column in self.columns if column.name in said)

    def upsert_sql(self, columns: Sequence[Column]) -> str:
        """Write the statement that merges many rows at once, one array per column."""
        names = ", ".join(column.name for column in columns)
        # jsonb travels as text: an array of texts needs no codec of its own.
        values = ", ".join(f"{c.name}::jsonb" if c.sql_type == "jsonb" else c.name for c in columns)
        arrays = ", ".join(
            f"${number}::{'text' if c.sql_type == 'jsonb' else c.sql_type}[]"
            for number, c in enumerate(columns, start=1)
        )
        merged = ", ".join(
            f"{c.name} = {c.rule.sql(c.name)}"
            for c in columns
            if c.name not in {self.key, self.owner}
        )
        return (
            f"INSERT INTO {self.name} AS stored ({names}) "  # noqa: S608  names are constants of this package
            f"SELECT {values} FROM unnest({arrays}) AS new ({names}) "
            f"ON CONFLICT ({self.key}) DO UPDATE SET {merged} "
            f"WHERE stored.{self.owner} = excluded.{self.owner}"
        )
