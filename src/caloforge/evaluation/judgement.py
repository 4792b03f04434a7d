"""Everything that judging found, for the result file, the tables and the plots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.panel import Verdict
from caloforge.evaluation.protocols import Protocol
from caloforge.evaluation.sample import Sample
from caloforge.observables import Comparison


@dataclass
class Judgement:
    """All that was found, as plots and tables need it."""

    protocol: Protocol
    reference: Sample
    training: Sample | None
    others: dict[str, Sample]
    comparisons: dict[str, dict[str, Comparison]]
    verdicts: dict[str, dict[str, Verdict]]
    distances: dict[str, NDArray[np.float64]]
    results: dict[str, Any] = field(default_factory=dict)
