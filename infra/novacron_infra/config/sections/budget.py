"""`budget`: the most that the environment may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from novacron_infra.config.sections.base import Section

Percent = Annotated[int, Field(ge=1, le=100)]


class Budget(Section):
    """The most that the environment may cost in a month, compared with the cost that the plan computes."""

    usd_per_month: PositiveFloat
    """Budget in USD for a month of 730 hours.
    An environment whose machines cost more at the start is refused; one that can grow above it gets a warning."""
    thresholds_percent: Annotated[tuple[Percent, ...], Field(min_length=1)] = (80,)
    """Parts of the budget in percent. The plan warns when the cost at the start is above one of them."""
