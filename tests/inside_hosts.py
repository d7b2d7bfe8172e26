"""Hosts that lead inside a network, in every spelling that some reader takes for them."""

from ipaddress import IPv4Address, IPv6Address

_INSIDE = (
    *("127.0.0.1", "127.1.2.3", "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.254"),
    *("192.168.0.1", "192.168.255.254", "169.254.169.254", "169.254.170.2", "100.64.0.1"),
    *(
        "100.100.100.200",
        "0.0.0.0",  # noqa: S104  an address to refuse
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
    ),
    "255.255.255.255",
)


def _spellings(text: str) -> tuple[str, ...]:
    address = IPv4Address(text)
    number, (first, *_), parts = int(address), address.packed, address.packed
    low = f"{number & 0xFFFF:x}"
    high = f"{number >> 16:x}"
    return (
        text,
        f"{text}.",
        str(number),
        hex(number),
        f"0{number:o}",
        f"{first}.{number & 0xFFFFFF}",
        f"{first}.{parts[1]}.{number & 0xFFFF}",
        ".".join(map(hex, parts)),
        ".".join(f"0{part:o}" for part in parts),
        ".".join(f"{part:#06x}" for part in parts),
        f"[::ffff:{text}]",
        f"[::ffff:{high}:{low}]",
        f"[0:0:0:0:0:ffff:{high}:{low}]",
        f"[::{high}:{low}]",
        f"[64:ff9b::{high}:{low}]",
        f"[2002:{high}:{low}::1]",
        f"[{IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF))}]",
    )


INSIDE_ADDRESSES = (
    *(spelling for address in _INSIDE for spelling in _spellings(address)),
    *("[::1]", "[::]", "[0000::1]", "[fe80::1]", "[febf::1]", "[fc00::1]", "[fd00:ec2::254]"),
    *("[fec0::1]", "[ff02::1]", "[100::1]", "[2001:db8::1]", "[3fff::1]", "[64:ff9b:1::1]"),
    *("127.1", "127.0.1", "0", "0x7f.1", "0177.1", "0x0.0x0"),
)
INSIDE_NAMES = (
    *("localhost", "LocalHost", "localhost.", "a.localhost", "ip6-localhost", "kafka"),
    *("postgres", "metadata", "metadata.google.internal", "metadata.google.internal."),
    *("instance-data.ec2.internal", "printer.local", "nas.lan", "wiki.corp", "db.intranet"),
    *("router.home", "localhost.localdomain", "vault.private"),
)
INSIDE_HOSTS = (*INSIDE_ADDRESSES, *INSIDE_NAMES)
PUBLIC_HOSTS = (
    *("v3.fal.media", "storage.googleapis.com", "8.8.8.8", "1.1.1.1", "134744072", "0x08080808"),
    *("[2606:4700::1111]", "[2a00:1450:4001::1]", "[64:ff9b::808:808]", "172.15.255.255"),
    *("172.32.0.0", "11.0.0.1", "169.253.255.255", "100.63.255.255", "100.128.0.0"),
    *("223.255.255.255", "local.example", "internal.example"),
)
