from bayeslaw.lab.corpus.build import TokenizerName, build_corpus
from bayeslaw.lab.corpus.document import Notify
from bayeslaw.lab.corpus.manifest import SPLITS, Manifest, Origin
from bayeslaw.lab.corpus.reader import EVALUATION_TOKENS, Corpus
from bayeslaw.lab.corpus.sources import DEBIAN_DOCS, PYTHON_SOURCES
from bayeslaw.lab.corpus.splitting import split_of
from bayeslaw.lab.corpus.tokenizer import SEPARATOR, VOCAB_SIZE, Tokenizer, decode, encode

__all__ = [
    "DEBIAN_DOCS",
    "EVALUATION_TOKENS",
    "PYTHON_SOURCES",
    "SEPARATOR",
    "SPLITS",
    "VOCAB_SIZE",
    "Corpus",
    "Manifest",
    "Notify",
    "Origin",
    "Tokenizer",
    "TokenizerName",
    "build_corpus",
    "decode",
    "encode",
    "split_of",
]
