"""What is written for people is plain English, as far as a machine can tell."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from coffer_protocol.message import MessageType
from tests import house
from tests.support import ROOT

PATTERNS = ("*.md", "docs/**/*.md", "examples/**/*.md", "bench/*.md")
DOCUMENTS = [path.relative_to(ROOT).as_posix() for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))]
# Each with a plainer way to say it.
REFUSED = {
    re.compile(r"\bwhere\s+(it|there|one|none)\b", re.IGNORECASE): "say `if` or `when`; `where` is for places",
    re.compile(r"(?:\A|\n\s*\n\s*|[.!?:|]\s+|\n\s*[-*] )Of\s"): "begin with the subject",
    re.compile(r"\bis\s+none\b", re.IGNORECASE): "negate the verb",
    re.compile(r"\bbeside\b", re.IGNORECASE): "say `in addition to`, `next to`, or `other`",
    re.compile(r"\banew\b", re.IGNORECASE): "say `again`",
    re.compile(r"\bwhoever\b", re.IGNORECASE): "say `a user who`, `a client that`, or `everybody who`",
    re.compile(r"\bstands?\b", re.IGNORECASE): "say `is`, `comes`, `means`, or `replaces`",
    re.compile(r"\blets?\s+go\s+of\b", re.IGNORECASE): "say `closes`, `releases`, or `drops`",
    re.compile(r"\bwho\s+has\s+it\b", re.IGNORECASE): "say who: `the client that has it`",
}
# A function does something, so none of these begins its docstring: a verb does.
NO_VERBS = {
    "a",
    "an",
    "the",
    "this",
    "that",
    "these",
    "those",
    "it",
    "its",
    "all",
    "every",
    "each",
    "both",
    "another",
    "other",
    "what",
    "which",
    "who",
    "whose",
    "whether",
    "where",
    "when",
    "how",
    "if",
    "in",
    "on",
    "at",
    "of",
    "by",
    "for",
    "from",
    "with",
    "under",
    "as",
    "after",
    "before",
    "because",
    "so",
    "no",
    "not",
    "only",
    "one",
    "there",
    "our",
    "same",
}
# Names that begin an error with a capital and have no other.
NAMES = {*(kind.name.title() for kind in MessageType), "Coffer", "Debian", "Linux", "Python"}


def texts(source: house.Source) -> Iterator[tuple[int, str]]:
    """Every comment and every text in a source, docstrings too, each with its line. Comments on lines that follow each other are one."""
    comments: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            line, text = token.start[0], token.string.lstrip("#! ")
            comments[line] = f"{comments.pop(line - 1)} {text}" if line - 1 in comments else text
    yield from comments.items()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def refusals(text: str) -> Iterator[str]:
    for pattern, remedy in REFUSED.items():
        for found in pattern.finditer(text):
            yield f"{found.group().strip()!r}: {remedy}"


def errors(source: house.Source) -> Iterator[tuple[int, str]]:
    """The first text that each exception is made with; what is put into it is an ellipsis."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if name.endswith(("Error", "Warning")):
                for sentence in sentences(first):
                    yield node.lineno, sentence


def sentences(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be."""
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "…" for part in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from sentences(one)
            yield from sentences(other)


def flaw(error: str) -> str | None:
    """What is wrong with the sentence of an error."""
    first = re.split(r"[^\w]", error, maxsplit=1)[0]
    if re.search(r"\.\s*\Z", error):
        return "an error ends without a full stop"
    if first[:1].isupper() and first[1:] == first[1:].lower() and not re.search(r"\d", first) and first not in NAMES:
        return "an error begins in lower case"
    return None


def public_docstrings(source: house.Source) -> Iterator[tuple[int, str]]:
    yield 1, ast.get_docstring(source.tree) or ""
    todo: list[ast.stmt] = list(source.tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            docstring = ast.get_docstring(node)
            if docstring:
                yield node.lineno, docstring
            if isinstance(node, ast.ClassDef):
                todo += node.body


def function_docstrings(source: house.Source) -> Iterator[tuple[int, str]]:
    """The docstring of each public function and method, but not of properties, which are nouns."""
    todo: list[ast.stmt] = list(source.tree.body)
    while todo:
        node = todo.pop()
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                todo += node.body
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if not name.startswith("_"):
                is_noun = any(isinstance(decorator, ast.Name) and decorator.id.endswith("property") for decorator in node.decorator_list)
                if not is_noun and (docstring := ast.get_docstring(node)):
                    yield node.lineno, docstring


def begins_with_verb(docstring: str) -> bool:
    """Whether a docstring may begin with a verb in the imperative: "Return", and not "The", "Returns" or "Returning"."""
    first = docstring.split()[0].strip(".,:;`'\"").lower()
    is_other_form = (first.endswith("ing") and first != "bring") or (first.endswith("s") and not first.endswith("ss"))
    return first not in NO_VERBS and not is_other_form


def faults_of(source: house.Source) -> Iterator[str]:
    for line, text in texts(source):
        yield from (f"{source.name}:{line}: {refusal}" for refusal in refusals(text))
    for line, error in errors(source):
        if (what := flaw(error)) is not None:
            yield f"{source.name}:{line}: {error!r}: {what}"
    for line, docstring in public_docstrings(source):
        if docstring and len(docstring.split()) < 4:
            yield f"{source.name}:{line}: {docstring!r}: a docstring has at least four words"
    for line, docstring in function_docstrings(source):
        if not begins_with_verb(docstring):
            yield f"{source.name}:{line}: {docstring.splitlines()[0]!r}: a function's docstring begins with a verb"


def folder_of(source: house.Source) -> str:
    return source.path.parent.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("folder", sorted({folder_of(source) for source in house.sources()}))
def test_the_sources_are_in_plain_english(folder: str) -> None:
    faults = [fault for source in house.sources() if folder_of(source) == folder for fault in faults_of(source)]
    assert not faults, "\n".join(sorted(set(faults)))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_are_in_plain_english(name: str) -> None:
    # Not what is shown as code.
    text = re.sub(r"^```.*?^```", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert not list(refusals(text))


@pytest.mark.parametrize(
    "text",
    [
        "where it is",
        "Where there are",
        "One. Of these, two",
        "Of these",
        "a\n\n  Of these",
        "the key is none",
        "beside it",
        "made anew",
        "Whoever asks",
        "it stands first",
        "lets go of the lock",
        "who has it",
    ],
)
def test_what_is_refused(text: str) -> None:
    assert list(refusals(text))


@pytest.mark.parametrize(
    "text",
    ["somewhere it", "the folder where coffer.toml is", "One of these", "nonesuch", "besides", "a new one", "a standby", "understand"],
)
def test_what_is_not_refused(text: str) -> None:
    assert not list(refusals(text))


@pytest.mark.parametrize("error", ["it failed.", "It failed", "The key is missing", "No key", "… is missing. "])
def test_errors_that_are_refused(error: str) -> None:
    assert flaw(error) is not None


@pytest.mark.parametrize(
    "error", ["it failed", "…: it failed", "COFFER_SERVER is not set", "SQLite failed", "Hello is too long", "X25519 failed"]
)
def test_errors_that_are_not_refused(error: str) -> None:
    assert flaw(error) is None


@pytest.mark.parametrize("docstring", ["The key.", "What is to change.", "Returns the key.", "Sending it.", "As `send`."])
def test_docstrings_of_functions_that_are_refused(docstring: str) -> None:
    assert not begins_with_verb(docstring)


@pytest.mark.parametrize("docstring", ["Return the key.", "Raise X if it fails.", "Pass it on.", "Do what `send` does."])
def test_docstrings_of_functions_that_are_not_refused(docstring: str) -> None:
    assert begins_with_verb(docstring)
