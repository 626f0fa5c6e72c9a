import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import stemsep
from stemsep.cli.main import COMMANDS, cli, main
from stemsep.cli.options import one_line

ROOT = Path(__file__).parents[2]


def commands() -> list[click.Command]:
    context = click.Context(cli)
    found = [cli.get_command(context, name) for name in cli.list_commands(context)]
    inner = [
        command
        for group in found
        if isinstance(group, click.Group)
        for command in group.commands.values()
    ]
    return [command for command in [*found, *inner] if not isinstance(command, click.Group)]


def test_help_does_not_import_torch():
    script = (
        "import sys\nfrom stemsep.cli.main import main\nmain(['--help'])\n"
        "slow = {'torch', 'numpy', 'soundfile', 'av', 'scipy', 'rich'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "separate" in ran.stdout


def test_every_command_has_help_with_an_example(capsys):
    for command in commands():
        with click.Context(command, info_name=command.name) as context:
            text = command.get_help(context)
        assert "Example" in text, command.name
        assert all(p.help for p in command.params if isinstance(p, click.Option)), command.name


def test_every_command_answers_help(capsys):
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        assert "Usage: stemsep" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["sing"], ["separate"], ["separate", "--loud", "x.wav"], []])
def test_wrong_usage_is_exit_status_2(arguments, capsys):
    assert main(arguments) == 2
    assert "Usage: stemsep" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == stemsep.__version__
    assert stemsep.__version__ in capsys.readouterr().out


def test_python_dash_m_is_the_same_command():
    ran = subprocess.run(
        [sys.executable, "-m", "stemsep", "--version"], capture_output=True, text=True
    )
    assert stemsep.__version__ in ran.stdout


def test_an_internal_error_is_one_line_that_can_be_read_however_much_it_says():
    line = one_line(RuntimeError("the compiler failed:\n" + "warning: unused\n" * 10_000))
    assert line.startswith("internal error: RuntimeError: the compiler failed: warning")
    assert line.endswith("please report it, with what --debug prints")
    assert len(line) < 600
    assert one_line(OSError("path " * 200)).count("path") == 200
