"""What the documentation says is what the program does."""

import doctest
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from stemsep.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown_commands() -> list[str]:
    blocks = [b for p in PAGES for b in re.findall(r"```sh\n(.*?)```", p.read_text(), re.DOTALL)]
    parts = [part for block in blocks for part in re.split(r"\n|&&", block)]
    return [part.strip() for part in parts if part.strip().startswith("stemsep ")]


@pytest.mark.parametrize("line", shown_commands())
def test_every_command_shown_has_only_options_that_exist(line):
    words = shlex.split(line, comments=True)[1:]
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None, line
    known = {name for parameter in command.params for name in parameter.opts}
    used = {word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1}
    assert used <= known | {"--help"}, line


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name):
    assert f"stemsep {name}" in PAGES[0].read_text()


def test_every_option_of_separate_is_in_the_readme():
    command = cli.get_command(click.Context(cli), "separate")
    options = [p.opts[-1] for p in command.params if isinstance(p, click.Option)]
    text = PAGES[0].read_text()
    assert [option for option in options if f"`{option}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("module", ["stemsep.separation.separator"])
def test_examples_in_docstrings_give_what_they_show(module):
    loaded = importlib.import_module(module)
    outcome = doctest.testmod(loaded)
    assert outcome.attempted
    assert not outcome.failed
