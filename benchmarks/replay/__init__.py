"""How many architectures must be tried to know the trade-off of perplexity and latency?"""
