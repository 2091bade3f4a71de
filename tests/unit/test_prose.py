"""The style check finds banned phrases in prose, at their places, and leaves code and good English alone."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

import pytest

from tools.prose.check import Rules, check, load_rules

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules()


BANNED = [
    ("a.md", "# Size\n\nWhat a stack comes to.\n", (3, 14, "comes to")),
    ("a.md", "[told](a.md)", (1, 2, "told")),
    ("a.md", "The coordinator is\ntold about it.\n", (2, 1, "told")),
    ("a.py", '"""Name a machine. Raises: it is no machine."""\n', (1, 31, "is no")),
    ("a.py", "x = 1  # nobody reads it\n", (1, 10, "nobody")),
    ("a.py", "# the port is\n#   no number\n", (1, 12, "is\n#   no")),
    ("a.py", 'raise ValueError(f"{text!r} is " "no network")\n', (1, 29, "is no")),
    ("a.py", 'raise ValueError(\n    f"{text} is "\n    f"no {kind}"\n)\n', (2, 14, "is no")),
    ("a.py", "print('it goes on')\n", (1, 11, "goes on")),
    ("a.py", "def test_a_worker_is_told_to_stop():\n    pass\n", (1, 22, "told")),
    ("a.py", 'class A:\n    key: str\n    """Of the volume."""\n', (3, 8, "Of")),
    ("a.py", '"""What a coordinator reads."""\n', (1, 4, "What")),
    ("a.py", '"""Return the plan of an environment\nwith its price."""\n', (1, 36, "t")),
    ("a.py", '"""Return the plan of `a`\nstack."""\n', (1, 25, "`")),
    ("a.py", 'told = rf"it {told!r:>{said}} {{goes on}}"\n', (1, 33, "goes on")),
    ("a.yaml", "# lies in a folder\nname: x\n", (1, 3, "lies in")),
    ("a.toml", 'name = "nobody"\n', (1, 9, "nobody")),
    ("Makefile", "up: x ## for so long\n", (1, 14, "so long")),
    ("Makefile", '\techo "beside the CLI"\n', (1, 8, "beside")),
    (".ci/run", "# for whom it runs\n", (1, 7, "whom")),
    ("a.js", "f(`${n} is no number`);\n", (1, 9, "is no")),
    ("a.js", "// nobody\n", (1, 4, "nobody")),
    ("a.html", "<p title='x'>Said <b>nothing</b></p>\n", (1, 14, "Said")),
    ("a.html", '<p title="it lies">x</p>\n', (1, 11, "it lies")),
    ("a.html", "<script>f('told');</script>\n", (1, 12, "told")),
    ("a.html.jinja", "<p>{{ told }} so many</p>\n", (1, 15, "so many")),
    ("a.proto", "// which worker who asked\nmessage A {}\n", (1, 10, "worker who")),
    ("a.css", "/* beside the list */\n", (1, 4, "beside")),
    ("a.md", "on Amazon and Amazon S3", (1, 4, "Amazon")),
    ("a.md", "on Google and Google Cloud", (1, 4, "Google")),
    ("a.md", "with a header more", (1, 6, "a header more")),
]


ALLOWED = [
    ("a.md", "There is no default, and the limit is no longer than 63 characters."),
    ("a.py", 'x = f"Amazon{kind}Policy"\n'),
    ("a.py", '"""Open http://localhost:3000."""\n'),
    ("a.md", "Run `make so long` and [this](told.md).\n\n```\nnobody said so\n```\n"),
    ("a.md", "A stand-in server; besides, one more replica and no more than 3."),
    ("a.py", "told = said(beside)\n"),
    ("a.py", 'x = f"{told} and {said(nobody)}"\n'),
    ("a.py", 'fold("it", "is"), "no"\n'),
    ("a.py", 'untold = """Amazonas https://example.org/told/nobody"""\n'),
    ("a.py", "# ends here is\nx = 1\n# no, it does not\n"),
    ("a.js", "let told = nobody / so / long;\n"),
    ("a.html", '<a href="/said" id="told">x</a><style>p { beside: 1 }</style>'),
    ("a.png", "nobody"),
    ("Makefile", "told:\n\tnobody said\n"),
]


def phrases(rules: Rules, name: str, text: str) -> list[tuple[int, int, str]]:
    return [(finding.line, finding.column, finding.phrase) for finding in check(PurePath(name), text, rules)]


@pytest.mark.parametrize(
    ("name", "text", "expected"), BANNED, ids=[f"{name}: {' '.join(place[2].split())}" for name, _, place in BANNED]
)
def test_banned_phrase_is_found_at_its_place(
    rules: Rules, name: str, text: str, expected: tuple[int, int, str]
) -> None:
    line, column, phrase = expected
    [(found_line, found_column, found)] = phrases(rules, name, text)
    assert (found_line, found_column, found) == (line, column, re.sub(r"[\s#]+", " ", phrase))


@pytest.mark.parametrize(("name", "text"), ALLOWED, ids=[f"{name} {at}" for at, (name, _) in enumerate(ALLOWED)])
def test_code_and_good_english_are_left_alone(rules: Rules, name: str, text: str) -> None:
    assert phrases(rules, name, text) == []


def test_finding_names_the_place_the_phrase_and_what_to_write(rules: Rules) -> None:
    [finding] = check(PurePath("docs/a.md"), "next\nbeside it", rules)
    assert str(finding) == "docs/a.md:2:1: 'beside'; write: next to, in addition to, besides"


def test_every_rule_says_what_to_write_and_every_exclusion_why() -> None:
    text = (ROOT / "tools/prose/phrases.yaml").read_text("utf-8")
    assert text.count("pattern:") == text.count("write:")
    assert text.count("path:") == text.count("reason:")


def test_every_exception_is_still_needed(rules: Rules) -> None:
    for glob, kept in rules.exceptions:
        paths = list(ROOT.glob(glob))
        assert paths
        assert all(kept in path.read_text("utf-8") for path in paths)


def test_text_of_an_exception_may_stay_in_its_file_only(rules: Rules) -> None:
    glob, kept = rules.exceptions[0]
    assert phrases(rules, glob, f"x = {kept!r}\n") == []
    assert phrases(rules, "other.py", f"x = {kept!r}\n") != []


def test_excluded_files_are_not_searched(rules: Rules) -> None:
    assert phrases(rules, "serving/novacron_serving/protocol/worker_pb2.py", "# nobody\n") == []
