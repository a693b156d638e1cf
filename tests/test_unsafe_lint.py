"""Nothing in the tree runs what it reads, and nothing can switch TLS off (SEC-07, SEC-18)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "puna"
MODULES = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "yaml", "jsonpickle"})
CALLS = frozenset({"eval", "exec", "compile", "__import__", "execfile"})
NAMES = frozenset({"CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "_create_default_https_context"})
ALLOWED = {
    "research/sweep/workers.py:pickle": "a sweep's trial, to its own children through a pipe",
    "research/sweep/shared.py:pickle": "its history, likewise; the file beside it holds numbers only",
}
OFF = {"verify": False, "verify_ssl": False, "ssl": False, "check_hostname": False, "allow_pickle": True}


WORDS = re.compile(rf"(?<!re\.)\b({'|'.join((*MODULES, *CALLS, *NAMES, *OFF))})\b")


def unsafe(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where something is that runs data, or trusts anybody."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((node.lineno, name) for name in names if name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in CALLS:
                yield node.lineno, node.func.id
            yield from (
                (node.lineno, f"{word.arg}={word.value.value}")
                for word in node.keywords
                if word.arg in OFF and isinstance(word.value, ast.Constant) and word.value.value is OFF[word.arg]
            )
        elif isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in NAMES:
                yield node.lineno, name
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is False:
            off = [each.attr for each in node.targets if isinstance(each, ast.Attribute)]
            yield from ((node.lineno, f"{name} = False") for name in off if name in ("check_hostname", "verify"))


def test_nothing_runs_what_it_reads_and_tls_stays_on() -> None:
    """No file of the package: strategies and models are imports that the operator names."""
    found = [
        f"{path.relative_to(SOURCE)}:{line}  {what}"
        for path in sorted(SOURCE.rglob("*.py"))
        if WORDS.search(text := path.read_text())  # the others need not be parsed
        for line, what in unsafe(ast.parse(text))
        if f"{path.relative_to(SOURCE)}:{what}" not in ALLOWED
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from joblib import load", "import yaml", "eval(text)", "exec(text)",
        "numpy.load(f, allow_pickle=True)", "ssl.CERT_NONE", "ssl._create_unverified_context()",
        "get(url, verify=False)", "get(url, ssl=False)",
        "context.check_hostname = False",
    ],
)  # fmt: skip
def test_the_lint_sees_it(text: str) -> None:
    """Each of them is found where it stands."""
    assert [line for line, _ in unsafe(ast.parse(text))] == [1]


@pytest.mark.parametrize(
    "text", ["re.compile(x)", "model.eval()", "get(url, ssl=context)", "numpy.load(f)", "x = False"]
)
def test_the_lint_leaves_it_alone(text: str) -> None:
    """What only looks like one."""
    assert list(unsafe(ast.parse(text))) == []
