"""Whose connections count together."""

from __future__ import annotations

import ipaddress

__all__ = ["crowd"]


def crowd(ip_address: str) -> str:
    """Return what the connections of one client share: the address, of IPv6 the /64 that one client commonly has."""
    try:
        address = ipaddress.ip_address(ip_address.partition("%")[0])
    except ValueError:
        return ip_address
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
