"""The processes that serve: one by itself, or a parent and its workers."""
