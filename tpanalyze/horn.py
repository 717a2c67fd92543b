"""Systems of rules "at least so many of these", and what follows from them.

The verdict is a question to such a system: an *atom* is a statement ("thread 3 can move"), a *rule*
says that its head is true as soon as `need` atoms of its body are, and the least fixpoint holds
every atom that follows.  What does not follow is false for ever (THEORY.md 2.1 and 2.3).

An atom may stand for several that stand in the same bodies and of which the same follows: it counts
for as many as `times` says, in every body; for one if `times` says nothing.

Nothing here knows threads or pools.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from tpanalyze.atoms import Atom

type Times = Mapping[Atom, int]
ONCE: Final[Times] = MappingProxyType({})
"""Every atom stands for itself alone."""


class Rule(NamedTuple):
    """`head` is true if at least `need` atoms of `body` are; with `need` 0 it is a fact.

    The atoms of a body are distinct.  An atom may have several rules: any of them suffices.
    """

    head: Atom
    need: int
    body: tuple[Atom, ...]
    reason: str
    """why, as the end of a sentence about the head: "it runs" """


def least_fixpoint(rules: Sequence[Rule], times: Times = ONCE) -> dict[Atom, Rule]:
    """Return each atom that follows, with a rule it follows by, in an order of derivation.

    Every atom stands after the atoms its rule leaned on, nearest to the facts first.
    Cost: O(number of rules + size of all bodies).
    Source: Dowling and Gallier 1984 (unit propagation); the same as Holt's graph reduction, 1972.
    """
    missing = [rule.need for rule in rules]
    readers: defaultdict[Atom, list[int]] = defaultdict(list)
    derived: dict[Atom, Rule] = {}
    for index, rule in enumerate(rules):
        if rule.need <= 0:
            derived.setdefault(rule.head, rule)
        else:
            for atom in rule.body:
                readers[atom].append(index)
    agenda = list(derived)
    for atom in agenda:  # grows while it is walked
        many = times.get(atom, 1)
        for index in readers.get(atom, ()):
            missing[index] -= many
            rule = rules[index]
            if missing[index] <= 0 and rule.head not in derived:
                derived[rule.head] = rule
                agenda.append(rule.head)
    return derived


def by_head(rules: Iterable[Rule]) -> dict[Atom, tuple[Rule, ...]]:
    """Return the rules of each atom, in their order."""
    found: defaultdict[Atom, list[Rule]] = defaultdict(list)
    for rule in rules:
        found[rule.head].append(rule)
    return {head: tuple(own) for head, own in found.items()}


def count(atoms: Collection[Atom], times: Times) -> int:
    """Return how many these are."""
    return sum(times.get(atom, 1) for atom in atoms) if times else len(atoms)


def support(rule: Rule, times: Times = ONCE) -> int:
    """Return how many false atoms of its body it takes to keep the rule from holding."""
    return count(rule.body, times) - rule.need + 1


def greatest_closed_subset(
    atoms: Iterable[Atom],
    rules: Mapping[Atom, tuple[Rule, ...]],
    times: Times = ONCE,
    inside: Times | None = None,
) -> set[Atom]:
    """Return the largest set within `atoms` whose members keep one another false.

    A set is closed if each rule of each member has at least :func:`support` atoms of its body in
    the set: then no member becomes true unless another one has become so before.  Closed sets are
    closed under union, so the largest is unique; and so it has all or none of those that an atom
    stands for, if all of them are in `atoms`, or, if not, all or none of those that are: `inside`
    says how many.
    Cost: O(size of the rules of `atoms`).
    Source: THEORY.md section 3.
    """
    kept = set(atoms)
    inside = times if inside is None else inside
    readers: defaultdict[Atom, list[tuple[Atom, int]]] = defaultdict(list)
    spare: list[int] = []
    falling: list[Atom] = []
    for head in sorted(kept):
        for rule in rules.get(head, ()):
            there = [atom for atom in rule.body if atom in kept]
            for atom in there:
                readers[atom].append((head, len(spare)))
            spare.append(count(there, inside) - support(rule, times))
            if spare[-1] < 0:
                falling.append(head)
    while falling:
        atom = falling.pop()
        if atom not in kept:
            continue
        kept.remove(atom)
        for head, index in readers.get(atom, ()):
            spare[index] -= inside.get(atom, 1)
            if spare[index] < 0 and head in kept:
                falling.append(head)
    return kept
