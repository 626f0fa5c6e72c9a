import json

import pytest

from stemsep import doctor
from stemsep.cli.main import main


@pytest.fixture
def quick(monkeypatch):
    """Leave out the two checks that take seconds; they have tests of their own."""
    monkeypatch.setattr(doctor, "_unet", lambda: ("left out", {}))
    monkeypatch.setattr(doctor, "_separation", lambda: ("left out", {}))


@pytest.mark.filterwarnings("ignore")  # torchaudio warns about itself when it is imported
def test_a_healthy_installation(quick, capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    checks = {check["name"]: check for check in report["checks"]}
    assert report["ok"]
    assert "[5, 7, 9]" in checks["arithmetic"]["detail"]
    assert {"WAV", "MP3", "AAC", "Opus"} <= set(checks["sound files"]["values"]["reads"])
    assert {"sha256", "license", "training_data"} <= set(checks["default model"]["values"])
    assert checks["devices"]["values"]["usable"][-1] == "cpu"
    assert checks["torchaudio"]["status"] in ("ok", "absent")


@pytest.mark.filterwarnings("ignore")
def test_what_does_not_work_is_named(quick, monkeypatch, capsys):
    def broken():
        raise ImportError("no such thing")

    monkeypatch.setattr(doctor, "_model", broken)
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("FAILED")] == [
        "FAILED  default model: ImportError: no such thing"
    ]


def test_the_unet_of_2015_takes_572_and_gives_388():
    assert "388 x 388" in doctor._unet()[0]


def test_a_few_seconds_are_separated_and_timed():
    detail, values = doctor._separation()
    assert "x real time" in detail
    assert values["real_time_factor"] > 0
