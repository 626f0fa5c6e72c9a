import json

from stemsep.cli.main import main


def test_the_default_is_listed(capsys):
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.startswith("default: vocals, drums, bass, other; ")


def test_info_shows_cost_terms_and_scores(capsys):
    assert main(["models", "info"]) == 0
    text = capsys.readouterr().out
    for wanted in ("gmac per second: ", "license: ", "training data: ", "museval SDR", "sha256: "):
        assert wanted in text


def test_the_shipped_default_keeps_its_budget(capsys):
    assert main(["models", "info", "default", "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["gmac_per_second"] <= 1.5
    assert info["megabytes"] <= 20
    assert "MUSDB18" in info["training_data"]
    assert "non-commercial" in info["license"]


def test_a_model_that_is_none_is_one_line(capsys):
    assert main(["models", "info", "nothing"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
