"""Addresses as people read them: who can reach one."""

from __future__ import annotations

from ipaddress import ip_address

__all__ = ["every_interface", "loopback", "place"]


def loopback(host: str) -> bool:
    """Return whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def every_interface(host: str) -> bool:
    """Return whether it stands for all of this machine's addresses."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def place(host: str, port: int) -> str:
    """Return host and port in one text."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
