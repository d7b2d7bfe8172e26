"""Which addresses are of the public network: what somebody else names must never lead inside.

Pure: a name is looked up by whoever connects, who then asks about what was found.
Source: RFC 6890 and IANA's registries of special addresses; RFC 6052 (NAT64); RFC 6762,
appendix G (local names).
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
# All that is handed out for use in public; the rest is local, of a transition, or of nobody.
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# What Python 3.11's registries do not know: protocol assignments and 6to4's relays (RFC 7526); 6to4
# itself, which hides an IPv4 address, and examples (RFC 9637).
_NOT_PUBLIC_IPV4 = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
_NOT_PUBLIC_IPV6 = (IPv6Network("2002::/16"), IPv6Network("3fff::/20"))
_LOCAL_ENDINGS = frozenset(
    {"localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"}
)


def is_public(address: Address) -> bool:
    """Tell whether an address is of the public network, whatever form it comes in."""
    if isinstance(address, IPv4Address):
        listed = any(address in network for network in _NOT_PUBLIC_IPV4)
        return address.is_global and not address.is_multicast and not listed
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[-4:]))
    return (
        address in _PUBLIC_IPV6
        and address.is_global
        and not any(address in network for network in _NOT_PUBLIC_IPV6)
    )


def names_inside(host: str) -> bool:
    """Tell whether a URL's host can be seen to lead inside without looking it up."""
    host = host.strip("[]").rstrip(".").lower()
    address = _literal(host)
    if address is not None:
        return not is_public(address)
    return "." not in host or host.rpartition(".")[2] in _LOCAL_ENDINGS


def _literal(host: str) -> Address | None:
    """Read an address as a resolver does, which takes 127.1, 0x7f000001 and 017700000001 too."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return None
