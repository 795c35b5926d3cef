"""The de-identification bench: synthetic corpora with an answer key, a scorer for any tool's output, and the rivals."""

from aegle.bench.answers import AnswerKey, Leak
from aegle.bench.corpus import make_corpus, read_key
from aegle.bench.score import Score, score_folder

__all__ = ["AnswerKey", "Leak", "Score", "make_corpus", "read_key", "score_folder"]
