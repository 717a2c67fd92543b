"""Where the remarks about a trace gather, so that a broken one cannot fill the memory."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tpanalyze.model import QualityGrade, Remark

KEPT: Final = 20
"""Remarks of one grade that are kept one by one; the others are counted."""


class Remarks:
    """Remarks in the making: the first of each grade in full, the others as counts by slug."""

    def __init__(self) -> None:
        self._kept: dict[QualityGrade, list[Remark]] = {grade: [] for grade in QualityGrade}
        self._others: dict[QualityGrade, Counter[str]] = {g: Counter() for g in QualityGrade}

    def notice(self, slug: str, text: str, line: int | None = None) -> None:
        """Add a remark about something odd that takes nothing away from what is known."""
        self._add(QualityGrade.NOTICE, slug, text, line)

    def loss(self, slug: str, text: str, line: int | None = None) -> None:
        """Add a remark about something that is missing or cannot be believed."""
        self._add(QualityGrade.LOSS, slug, text, line)

    def _add(self, grade: QualityGrade, slug: str, text: str, line: int | None) -> None:
        kept = self._kept[grade]
        if len(kept) < KEPT:
            kept.append(Remark(grade, slug, text, line))
        else:
            self._others[grade][slug] += 1

    def all(self) -> tuple[Remark, ...]:
        """Return the remarks in the order of their lines, the summaries last."""
        kept = [remark for remarks in self._kept.values() for remark in remarks]
        kept.sort(key=lambda remark: (remark.line is None, remark.line or 0))
        return (*kept, *(self._summary(g, c) for g, c in self._others.items() if c))

    def _summary(self, grade: QualityGrade, others: Counter[str]) -> Remark:
        slugs = ", ".join(f"{count} {slug}" for slug, count in sorted(others.items()))
        return Remark(grade, "more", f"and {others.total()} more remarks of this grade: {slugs}")
