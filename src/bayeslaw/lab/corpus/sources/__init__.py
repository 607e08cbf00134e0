from bayeslaw.lab.corpus.sources.opening import DEBIAN_DOCS, PYTHON_SOURCES, open_source

__all__ = ["DEBIAN_DOCS", "PYTHON_SOURCES", "open_source"]
