from bayeslaw.models.notes import Note

__all__ = ["Note"]
