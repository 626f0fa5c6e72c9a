import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copied() -> set[str]:
    lines = [line.split() for line in (ROOT / "Dockerfile").read_text().splitlines()]
    return {name for words in lines if words[:1] == ["COPY"] for name in words[1:-1]}


def test_everything_that_a_wheel_is_built_from_is_in_the_image():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], "pyproject.toml", "constraints.txt"}
    needed |= {project["project"]["readme"], *project["project"]["license-files"]}
    assert needed <= copied()
    assert all((ROOT / name).exists() for name in copied())


def test_it_installs_as_the_readme_does():
    command = "pip install --no-cache-dir -c constraints.txt ."
    assert command in (ROOT / "Dockerfile").read_text()
    assert command.replace("--no-cache-dir ", "") in (ROOT / "README.md").read_text()
