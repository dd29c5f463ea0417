"""Durable queues: the broker contract and its backends (queue.md)."""
