"""Checkpoints that survive a crash, a full disk and a flipped bit."""

from shared.checkpoint.store import CheckpointError, CheckpointStore, CheckpointWarning, Store

__all__ = ["CheckpointError", "CheckpointStore", "CheckpointWarning", "Store"]
