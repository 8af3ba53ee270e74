"""Secrets in text: found by their values or their shapes, and masked before the text is stored, sent or said to a model.

Each shape is told once, as a run of pieces. Made of it are the pattern that finds it, and the pattern of its beginning at
the end of a text, with which a stream is cut where no secret can be in the making.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

MARK = re.compile(r"\[masked: [A-Za-z][A-Za-z0-9_ ]{0,80}\]")
MIN_OWN_CHARACTERS = 8
"""A shorter value is not looked for: it would be found in innocent words."""


def count_masks(text: str) -> int:
    """How often something stands masked in ``text``."""
    return len(MARK.findall(text)) if "[masked: " in text else 0


@dataclass(frozen=True)
class Piece:
    """From ``least`` to ``most`` characters of the regular expression's class ``chars``."""

    chars: str
    least: int = 1
    most: int = 1

    def __str__(self) -> str:
        return f"{self.chars}{{{self.least},{self.most}}}+"


@dataclass(frozen=True)
class Shape:
    """One of ``words``, then ``kept``, then the ``secret``. Where ``kept`` is ``None`` the word is a part of the secret.

    ``behind``, ``ahead`` and ``after`` are assertions before the word, before the secret and after it.
    """

    kind: str
    words: tuple[str, ...]
    kept: tuple[Piece, ...] | None
    secret: tuple[Piece, ...]
    behind: str = ""
    ahead: str = ""
    after: str = ""
    any_case: bool = False

    def pattern(self, group: str) -> str:
        words = f"(?:{'|'.join(''.join(self._letters(word)) for word in self.words)})"
        secret = "".join(map(str, self.secret))
        if self.kept is None:
            return f"{self.behind}(?P<{group}>{words}{self.ahead}{secret}){self.after}"
        kept = "".join(map(str, self.kept))
        return f"{self.behind}{words}{kept}{self.ahead}(?P<{group}>{secret}){self.after}"

    def beginning(self) -> str:
        """Matches where it could go on beyond the end of the text."""
        rest = _beginning([*(self.kept or ()), *self.secret])
        for_word = (self._letters(word) for word in self.words)
        return f"{self.behind}(?:{'|'.join(_word_beginning(letters, rest) for letters in for_word)})"

    def _letters(self, word: str) -> list[str]:
        if not self.any_case:
            return [re.escape(letter) for letter in word]
        return [f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else re.escape(letter) for letter in word]


def _word_beginning(letters: list[str], rest: str) -> str:
    pattern = rest
    for letter in reversed(letters[1:]):
        pattern = rf"(?:\Z|{letter}{pattern})"
    return letters[0] + pattern


def _beginning(pieces: list[Piece]) -> str:
    pattern = r"\Z"
    for piece in reversed(pieces):
        pattern = rf"(?:{piece.chars}{{0,{piece.most}}}+\Z|{piece}{pattern})"
    return pattern


_WORD = "[A-Za-z0-9_-]"
_VALUE = r"""[^\s"'`&;,()\[\]{}<>$|\\%]"""
_BEARER = "[A-Za-z0-9._~+/=-]"
_NOT_IN_A_WORD = "(?<![A-Za-z0-9_])"
_HAS_DIGIT = rf"(?={_VALUE}{{0,200}}?[0-9])"
_NO_CALL = r"(?![(\[{])"
_QUOTE = r"""[\\"']"""
_NAMED = (Piece(_QUOTE, 0, 2), Piece(r"\s", 0, 3), Piece("[=:]"), Piece(r"\s", 0, 3))
_PLACEHOLDER = (
    r"(?!(?i:passw(?:or)?d|pass|secret|none|null|true|false|required|optional|string|changeit)(?![A-Za-z0-9_-]))"
)
_PASSWORDS = ("password", "passwd", "passphrase")
_KEYS = (
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access_token",
    "auth_token",
    "authtoken",
    "secret",
    "secret_key",
)


def _named_value(kind: str, words: tuple[str, ...], least: int) -> Iterator[Shape]:
    """A value that a name is given: in quotes any, bare one that is no name of a program's variable."""
    value = (Piece(_VALUE, least, 200),)
    quoted = (*_NAMED, Piece(_QUOTE, 1, 2))
    digit = _HAS_DIGIT if least > 8 else ""
    yield Shape(kind, words, quoted, value, ahead=_PLACEHOLDER + digit, after=f"(?={_QUOTE})", any_case=True)
    yield Shape(kind, words, _NAMED, value, ahead=_HAS_DIGIT, after=_NO_CALL, any_case=True)


SHAPES: tuple[Shape, ...] = (
    Shape("api token", ("vgp_",), None, (Piece(_WORD, 40, 60),), behind=_NOT_IN_A_WORD),
    Shape("api key", ("sk-",), None, (Piece(_WORD, 16, 300),), behind=_NOT_IN_A_WORD),
    Shape("api key", ("gsk_",), None, (Piece("[A-Za-z0-9]", 20, 300),), behind=_NOT_IN_A_WORD),
    Shape("aws key", ("AKIA", "ASIA"), None, (Piece("[A-Z0-9]", 16, 128),), behind=_NOT_IN_A_WORD),
    Shape(
        "github token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        None,
        (Piece("[A-Za-z0-9]", 20, 300),),
        behind=_NOT_IN_A_WORD,
    ),
    Shape("github token", ("github_pat_",), None, (Piece("[A-Za-z0-9_]", 20, 300),), behind=_NOT_IN_A_WORD),
    Shape(
        "slack token",
        tuple(f"xox{letter}-" for letter in "abeoprs"),
        None,
        (Piece("[A-Za-z0-9-]", 10, 300),),
        behind=_NOT_IN_A_WORD,
    ),
    Shape("google key", ("AIza",), None, (Piece(_WORD, 30, 300),), behind=_NOT_IN_A_WORD),
    Shape(
        "jwt",
        ("eyJ",),
        None,
        (
            Piece(_WORD, 8, 4000),
            Piece(r"\."),
            Piece("e"),
            Piece("y"),
            Piece("J"),
            Piece(_WORD, 4, 4000),
            Piece(r"\."),
            Piece(_WORD, 0, 2000),
        ),
        behind=_NOT_IN_A_WORD,
    ),
    *(
        Shape(
            "authorization",
            ("authorization",),
            (*_NAMED, Piece(_QUOTE, 0, 2), *(Piece(f"[{c}{c.upper()}]") for c in scheme), Piece(r"[ \t]", 1, 3)),
            (Piece(_BEARER, 4, 4000),),
            any_case=True,
        )
        for scheme in ("bearer", "basic", "token")
    ),
    Shape(
        "authorization",
        ("bearer",),
        (Piece(r"[ \t]", 1, 3),),
        (Piece(_BEARER, 12, 4000),),
        ahead=rf"(?={_BEARER}{{0,4000}}?[0-9])",
        any_case=True,
    ),
    Shape(
        "password",
        ("://",),
        (Piece(r"""[^\s:/@"'{}<>$\[\]]""", 0, 100), Piece(":")),
        (Piece(r"""[^\s/@"'`{}<>$\\\[\]]""", 1, 200),),
        ahead=_PLACEHOLDER,
        after="(?=@)",
    ),
    *_named_value("password", _PASSWORDS, 4),
    *_named_value("secret", _KEYS, 16),
    Shape(
        "password",
        _PASSWORDS,
        (Piece("="),),
        (Piece("[A-Za-z_!@#*+~^-]", 6, 200),),
        ahead=_PLACEHOLDER,
        after=r"(?=[\s&;]|\Z)",
        any_case=True,
    ),
)

_BLOCK = r"[A-Z0-9 ]{0,30}?PRIVATE KEY[A-Z ]{0,10}-----"
_BLOCK_CHARACTERS = 20_000
_BLOCK_PATTERN = (
    rf"(?P<block>-----BEGIN {_BLOCK}"
    rf"(?:[\s\S]{{0,{_BLOCK_CHARACTERS}}}?-----END {_BLOCK}|(?>(?:[\s\\nr0-9+|-]{{0,20}}[A-Za-z0-9+/=]{{24,76}}){{0,100}})))"
)
_BLOCK_BEGINNING = _word_beginning(
    list("-----BEGIN "),
    rf"(?:[A-Z0-9 -]{{0,60}}\Z|{_BLOCK}(?:(?!-----END {_BLOCK})[\s\S]){{0,{_BLOCK_CHARACTERS + 100}}}\Z)",
)

_KINDS = {f"shape{number}": shape.kind for number, shape in enumerate(SHAPES)} | {"block": "private key"}
_PATTERN = "|".join([_BLOCK_PATTERN, *(shape.pattern(f"shape{number}") for number, shape in enumerate(SHAPES))])
_FIND = re.compile(_PATTERN)
_OPEN = re.compile("|".join([_BLOCK_BEGINNING, *(shape.beginning() for shape in SHAPES)]))
_WORDS = tuple(dict.fromkeys([*(word.lower() for shape in SHAPES for word in shape.words), "-----begin "]))
_LONGEST_WORD = max(map(len, _WORDS))


class SecretMask:
    """Masks what it finds as ``[masked: KIND]``; a mask stays as it is when it is masked again."""

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        """``own`` are secrets of the server, by what each is called."""
        self._own: dict[str, str] = {}
        self._learn()
        for kind, value in (own or {}).items():
            self.add(kind, value)

    def add(self, kind: str, value: str) -> None:
        """``value`` is a secret of the server from now on."""
        if len(value) >= MIN_OWN_CHARACTERS and value not in self._own:
            self._own[value] = kind
            self._learn()

    def _learn(self) -> None:
        values = sorted(self._own, key=len, reverse=True)
        own = [f"(?P<own{number}>{re.escape(value)})" for number, value in enumerate(values)]
        self._find = re.compile("|".join([*own, _PATTERN]))
        self._kinds = _KINDS | {f"own{number}": self._own[value] for number, value in enumerate(values)}
        in_json = {json.dumps(value, ensure_ascii=False)[1:-1] for value in values}
        signs = [_lower(sign) for sign in (*values, *in_json, *_WORDS)]
        self._sign = re.compile("|".join(map(re.escape, signs)))
        self._pieces = _shared_pieces(signs)

    def may_hold(self, text: str) -> bool:
        """Whether it is worth a closer look; also of JSON, where texts stand escaped."""
        lower = _lower(text)
        for piece in self._pieces:  # Much faster than the pattern, and nearly always all that is needed.
            if piece in lower:
                return self._sign.search(lower) is not None
        return False

    def mask(self, text: str) -> str:
        return self.masked_part(text, 0, len(text))[0]

    def mask_json(self, value: Any) -> Any:
        """The same JSON value with all texts in it masked."""
        match value:
            case str():
                return self.mask(value)
            case dict():
                return {self.mask_json(key): self.mask_json(item) for key, item in value.items()}
            case list() | tuple():
                return [self.mask_json(item) for item in value]
            case _:
                return value

    def mask_bytes(self, content: bytes) -> bytes:
        return self.mask(content.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    def cut(self, text: str, after: int) -> tuple[str, int]:
        """What of ``text`` after the place ``after`` can be said, masked, and the place up to which that is.

        What is beyond may belong to a secret of which more is to come.
        """
        return self.masked_part(text, after, min(self._open_shape(text, after), self._open_own(text, after)))

    def masked_part(self, text: str, start: int, end: int) -> tuple[str, int]:
        """The text between the places, masked; it ends before a secret that goes on beyond ``end``."""
        lower = _lower(text)
        said = []
        while (found := self._first(self._find, text, lower, start)) and found.start() < end:
            if found.end() > end:
                end = found.start()
                break
            said += [text[start : found.start()], self._replacement(found)]
            start = found.end()
        return "".join([*said, text[start:end]]), end

    def _first(self, pattern: re.Pattern[str], text: str, lower: str, start: int) -> re.Match[str] | None:
        """As ``pattern.search``: every secret begins with a sign, and signs are found much faster."""
        while sign := self._sign.search(lower, start):
            if found := pattern.match(text, sign.start()):
                return found
            start = sign.start() + 1
        return None

    def _replacement(self, found: re.Match[str]) -> str:
        group = str(found.lastgroup)
        start, end = found.span(group)
        # As many lines as before, so that line numbers stay what they are.
        marks = "\n".join([f"[masked: {self._kinds[group]}]"] * (found.string.count("\n", start, end) + 1))
        return found.string[found.start() : start] + marks + found.string[end : found.end()]

    def _open_shape(self, text: str, after: int) -> int:
        """Where the first shape begins that could go on after the end of ``text``."""
        found = self._first(_OPEN, text, _lower(text), after) or _OPEN.search(
            text, max(after, len(text) - _LONGEST_WORD)
        )
        return found.start() if found else len(text)

    def _open_own(self, text: str, after: int) -> int:
        place = len(text)
        for value in self._own:
            start = max(after, len(text) - len(value) + 1) - 1
            while (start := text.find(value[0], start + 1, place)) >= 0:
                if value.startswith(text[start:]):
                    place = start
        return place


def _lower(text: str) -> str:
    """Letter by letter: of some letters ``str.lower`` makes two."""
    lower = text.lower()
    return (
        lower
        if len(lower) == len(text)
        else "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)
    )


def _shared_pieces(signs: list[str]) -> tuple[str, ...]:
    """Few strings of three letters, of which each sign holds one."""
    pieces: list[str] = []
    left = {sign: {sign[start : start + 3] for start in range(len(sign) - 2)} for sign in signs}
    while left:
        counts = Counter(chain(*left.values()))
        pieces.append(max(sorted(counts), key=counts.__getitem__))
        left = {sign: of_sign for sign, of_sign in left.items() if pieces[-1] not in of_sign}
    return tuple(pieces)


class MaskedStream:
    """Masks a text that comes in pieces: put together, what it returns is the mask of the whole."""

    def __init__(self, mask: SecretMask) -> None:
        self._mask = mask
        self._text = ""
        self._said = 0
        """How much at the beginning of the text was said; kept because a shape looks at what is before it."""

    def feed(self, text: str) -> str:
        """What can be said now."""
        said, place = self._mask.cut(self._text + text, self._said)
        kept = max(place - 1, 0)
        self._text, self._said = (self._text + text)[kept:], place - kept
        return said

    def finish(self) -> str:
        """The rest."""
        said, _ = self._mask.masked_part(self._text, self._said, len(self._text))
        self._text, self._said = "", 0
        return said
