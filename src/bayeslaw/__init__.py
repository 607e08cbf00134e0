"""bayeslaw decides which language-model architecture to train next."""
