# SPDX-License-Identifier: MIT
"""Paired ratios, their median, and how well the median is known.

The machine is never the same for two seconds, so a figure alone means nothing. Two servers that were measured within the
same fraction of a second saw the same machine: their ratio means something, and the median of many such ratios is not moved
by the few that were disturbed. How well that median is known is told by its order statistics, which assume nothing about
how the ratios are spread: the k-th smallest and the k-th largest enclose the median with a probability that depends only on
their number.
"""
import math
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass
class Estimate:
    median: float
    low: float
    high: float
    confidence: float      # what the interval really has: at least CONFIDENCE from 6 values on
    count: int

    def text(self):
        return f"{self.median:.3f} ({self.low:.3f}-{self.high:.3f})"


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def coverage(n, k):
    """The probability that the k-th smallest and the k-th largest of n values enclose the median."""
    return 1 - 2 * sum(math.comb(n, i) for i in range(k)) / 2**n


def estimate(values):
    ordered = sorted(values)
    n = len(ordered)
    k = 1
    while coverage(n, k + 1) >= CONFIDENCE:
        k += 1
    return Estimate(median(ordered), ordered[k - 1], ordered[n - k], coverage(n, k), n)


def exact(value):
    """What was counted, not estimated."""
    return Estimate(value, value, value, 1.0, 1)


def paired(subject, reference):
    """Of two lists with one value per round."""
    return estimate([a / b for a, b in zip(subject, reference)])
