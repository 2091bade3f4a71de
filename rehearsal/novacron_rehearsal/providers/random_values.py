"""Values of the `random` package: what each kind of resource generates from its inputs and a source of randomness."""

from __future__ import annotations

import base64
import string
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.values import PropertyMap, Value

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
_CLASSES = {"lower": string.ascii_lowercase, "upper": string.ascii_uppercase, "numeric": string.digits}
_ADVERBS = ("barely", "clearly", "daily", "firmly", "gladly", "kindly", "largely", "mostly", "newly", "openly")
_ADJECTIVES = ("able", "brave", "calm", "eager", "fair", "glad", "keen", "proud", "sharp", "wise")
_ANIMALS = ("badger", "crane", "dolphin", "eagle", "gecko", "heron", "lynx", "otter", "salmon", "wombat")


@dataclass(frozen=True, slots=True)
class RandomResult:
    """A created resource: its id and its computed outputs."""

    id: str
    outputs: PropertyMap


@dataclass(frozen=True, slots=True)
class RandomKind:
    """A kind of resource."""

    make: Callable[[PropertyMap, Random], RandomResult]
    """Makes a resource from its inputs and a source of randomness. Raises `RehearsalError` for wrong inputs."""
    computed: tuple[str, ...]
    """The outputs that are unknown before that."""


def find_random_kind(token: str) -> RandomKind | None:
    """Return the kind of a type token (`random:index/randomPassword:RandomPassword`); `None` for an unknown one."""
    return _KINDS.get(token.rpartition(":")[2])


def _password(inputs: PropertyMap, random: Random) -> RandomResult:
    return RandomResult("none", _string(inputs, random).outputs)


def _string(inputs: PropertyMap, random: Random) -> RandomResult:
    numeric = inputs.get("numeric", inputs.get("number", True))
    enabled = {
        "lower": inputs.get("lower", True),
        "upper": inputs.get("upper", True),
        "numeric": numeric,
        "special": inputs.get("special", True),
    }
    alphabets = {**_CLASSES, "special": str(inputs.get("overrideSpecial") or _SPECIAL)}
    minimums = {name: _whole(inputs, f"min{name.capitalize()}", 0) for name in alphabets}
    length = _whole(inputs, "length")
    allowed = "".join(alphabet for name, alphabet in alphabets.items() if enabled[name])
    if length < max(1, sum(minimums.values())):
        raise RehearsalError(
            f"length is {length}; it must be at least 1, and at least minLower + minUpper + minNumeric + minSpecial "
            f"= {sum(minimums.values())}"
        )
    if not allowed:
        raise RehearsalError("lower, upper, numeric and special are all false; set one of them to true")
    required = [character for name, count in minimums.items() for character in random.choices(alphabets[name], k=count)]
    characters = required + random.choices(allowed, k=length - len(required))
    random.shuffle(characters)
    result = "".join(characters)
    defaults: PropertyMap = {**enabled, "number": numeric}
    defaults.update({f"min{name.capitalize()}": count for name, count in minimums.items()})
    return RandomResult(result, {**defaults, "result": result})


def _id(inputs: PropertyMap, random: Random) -> RandomResult:
    content = random.randbytes(_whole(inputs, "byteLength"))
    prefix = str(inputs.get("prefix", ""))
    url = base64.urlsafe_b64encode(content).decode().rstrip("=")
    forms: PropertyMap = {
        "b64Std": prefix + base64.b64encode(content).decode(),
        "b64Url": prefix + url,
        "hex": prefix + content.hex(),
        "dec": f"{prefix}{int.from_bytes(content, 'big')}",
    }
    return RandomResult(url, forms)


def _bytes(inputs: PropertyMap, random: Random) -> RandomResult:
    content = random.randbytes(_whole(inputs, "length"))
    return RandomResult("none", {"base64": base64.b64encode(content).decode(), "hex": content.hex()})


def _pet(inputs: PropertyMap, random: Random) -> RandomResult:
    length, separator = _whole(inputs, "length", 2), str(inputs.get("separator", "-"))
    words = [random.choice(_ADVERBS) for _ in range(length - 2)]
    words += [random.choice(_ADJECTIVES)] if length > 1 else []
    words.append(random.choice(_ANIMALS))
    name = separator.join([*([str(inputs["prefix"])] if inputs.get("prefix") else []), *words])
    return RandomResult(name, {"length": length, "separator": separator})


def _integer(inputs: PropertyMap, random: Random) -> RandomResult:
    low, high = _whole(inputs, "min"), _whole(inputs, "max")
    if low > high:
        raise RehearsalError(f"min is {low} and max is {high}; min must not be greater than max")
    result = random.randint(low, high)
    return RandomResult(str(result), {"result": result})


def _uuid(version: int) -> Callable[[PropertyMap, Random], RandomResult]:
    def make(inputs: PropertyMap, random: Random) -> RandomResult:
        del inputs
        bits = random.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | version << 76 | 0x2 << 62
        made = str(uuid.UUID(int=bits))
        return RandomResult(made, {"result": made})

    return make


def _shuffle(inputs: PropertyMap, random: Random) -> RandomResult:
    items = inputs.get("inputs")
    items = list(items) if isinstance(items, list) else []
    wanted = _whole(inputs, "resultCount", len(items))
    results: list[Value] = []
    while items and len(results) < wanted:
        random.shuffle(items)
        results += items
    return RandomResult("-", {"results": results[:wanted]})


def _whole(inputs: PropertyMap, name: str, default: int | None = None) -> int:
    value = inputs.get(name, default)
    if not isinstance(value, int):
        raise RehearsalError(f"{name} is {value!r}; it must be a whole number")
    return value


_KINDS: Mapping[str, RandomKind] = {
    "RandomBytes": RandomKind(_bytes, ("base64", "hex")),
    "RandomId": RandomKind(_id, ("b64Std", "b64Url", "hex", "dec")),
    "RandomInteger": RandomKind(_integer, ("result",)),
    "RandomPassword": RandomKind(_password, ("result", "bcryptHash")),
    "RandomPet": RandomKind(_pet, ()),
    "RandomShuffle": RandomKind(_shuffle, ("results",)),
    "RandomString": RandomKind(_string, ("result",)),
    "RandomUuid": RandomKind(_uuid(4), ("result",)),
    "RandomUuid4": RandomKind(_uuid(4), ("result",)),
    "RandomUuid7": RandomKind(_uuid(7), ("result",)),
}
