from bayeslaw.lab.corpus.build import MAX_BYTES, PYTHON_SOURCES, build_corpus, split_of
from bayeslaw.lab.corpus.manifest import SPLITS, Manifest
from bayeslaw.lab.corpus.reader import EVALUATION_TOKENS, Corpus
from bayeslaw.lab.corpus.tokenizer import SEPARATOR, VOCAB_SIZE, decode, encode

__all__ = [
    "EVALUATION_TOKENS",
    "MAX_BYTES",
    "PYTHON_SOURCES",
    "SEPARATOR",
    "SPLITS",
    "VOCAB_SIZE",
    "Corpus",
    "Manifest",
    "build_corpus",
    "decode",
    "encode",
    "split_of",
]
