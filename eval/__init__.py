"""Evaluation: metrics with signatures and intervals."""

from .corpus_metrics import METRICS, CorpusMetric, find_metric
from .metrics import Score, check_metrics, score

__all__ = ["METRICS", "CorpusMetric", "Score", "check_metrics", "find_metric", "score"]
