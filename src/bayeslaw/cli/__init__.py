from bayeslaw.cli.app import main

__all__ = ["main"]
