import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemsep.cli.main import main
from stemsep.weights.checkpoint import Card, save_network
from tests.evaluation.made_tracks import RATE, STEMS, THREE, waves, write_pair, write_stems
from tests.networks import tiny_network

# Float32 samples and sums in another order; museval solves for its filters in another way.
SDR_DB, FILTER_DB = 1e-6, 0.01


def run(*arguments, plot: bool = False, **paths) -> int:
    words = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    words += [] if plot else ["--no-plot"]  # pictures take longer than all the rest
    return main(["evaluate", *words, *map(str, arguments)])


def document(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


def values(targets, stem, metric):
    (target,) = [t for t in targets if t["name"] == stem]
    return np.array([frame["metrics"][metric] for frame in target["frames"]])


@pytest.fixture
def pair(tmp_path):
    return write_pair(tmp_path)


def test_scores_and_tables_and_a_report_are_written(pair, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("-o", out, references=pair[0], estimates=pair[1]) == 0
    found = {path.name for path in out.iterdir() if path.is_file()}
    assert found == {
        *("One.json", "Two.json", "summary.json", "summary.csv", "summary.md", "report.html")
    }
    written = capsys.readouterr()
    assert written.out == ""
    assert "museval SDR" in written.err
    assert "uSDR" in written.err
    # 10 dB of noise in each stem, and as much in their sum.
    record = document(out, "One")
    assert [t["name"] for t in record["targets"]] == [*STEMS, "accompaniment"]
    for stem in (*STEMS, "accompaniment"):
        assert values(record["targets"], stem, "SDR") == pytest.approx(10, abs=0.5)
        assert record["whole_track"][stem]["uSDR"] == pytest.approx(10, abs=0.3)
    summary = document(out, "summary")["systems"][0]
    assert summary["stems"]["mean"]["median"]["SDR"] == pytest.approx(10, abs=0.3)


def test_json_is_the_summary_on_standard_output(pair, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("--json", "-q", "-o", out, references=pair[0], estimates=pair[1]) == 0
    written = capsys.readouterr()
    assert json.loads(written.out) == document(out, "summary")
    assert written.err == ""


def museval_available() -> bool:
    return importlib.util.find_spec("museval") is not None


@pytest.mark.skipif(not museval_available(), reason="museval is not installed")
def test_each_file_has_musevals_structure(pair, tmp_path):
    import jsonschema

    schema = Path(importlib.util.find_spec("museval").origin).with_name("musdb.schema.json")
    run("-q", "-o", tmp_path / "out", references=pair[0], estimates=pair[1])
    record = document(tmp_path / "out", "Two")
    jsonschema.validate(record, json.loads(schema.read_text()))
    frame = record["targets"][0]["frames"][1]
    assert frame.keys() == {"time", "duration", "metrics"}
    assert (frame["time"], frame["duration"]) == (1.0, 1.0)
    assert frame["metrics"].keys() == {"SDR", "SIR", "SAR", "ISR"}
    museval = pytest.importorskip("museval", exc_type=RuntimeError)
    frames = museval.json2df(record, "Two")
    sdr = frames[(frames["target"] == "vocals") & (frames["metric"] == "SDR")]["score"]
    assert sdr.tolist() == values(record["targets"], "vocals", "SDR").tolist()


@pytest.mark.parametrize("engine", ["fast", "museval"])
def test_both_engines_give_musevals_numbers(tmp_path, engine):
    from tests.evaluation.museval_metrics import museval_scores

    if engine == "museval":
        pytest.importorskip("museval", exc_type=RuntimeError)
    references, estimates = write_pair(tmp_path, ["One"], stems=THREE)
    # A stem's second second is silent: it counts for none.
    silent, _ = soundfile.read(references / "One" / "vocals.wav")
    silent[RATE : 2 * RATE] = 0
    soundfile.write(references / "One" / "vocals.wav", silent, RATE)
    out = tmp_path / "out"
    assert run("-q", "--engine", engine, "-o", out, references=references, estimates=estimates) == 0
    record = document(out, "One")
    joint = {
        kind: {s: soundfile.read(folder / "One" / f"{s}.wav", always_2d=True)[0].T for s in THREE}
        for kind, folder in (("references", references), ("estimates", estimates))
    }
    two = {
        kind: {"vocals": stems["vocals"], "accompaniment": stems["drums"] + stems["other"]}
        for kind, stems in joint.items()
    }
    for sounds, targets in ((joint, record["targets"]), (two, record["two_targets"]["targets"])):
        expected = museval_scores(
            **{kind: np.stack(list(stems.values())) for kind, stems in sounds.items()},
            window=RATE,
            hop=RATE,
            filter_length=512,
        )
        for stem, of_stem in zip(sounds["references"], expected.swapaxes(0, 1), strict=True):
            for metric, wanted in zip(("SDR", "ISR", "SIR", "SAR"), of_stem, strict=True):
                found = values(targets, stem, metric)
                assert np.array_equal(np.isnan(found), [False, True, False])
                within = SDR_DB if metric == "SDR" else FILTER_DB
                assert np.allclose(found, wanted, rtol=0, atol=within, equal_nan=True)


def test_musevals_rounding_is_five_decimals_and_otherwise_there_is_none(pair, tmp_path):
    found = {}
    for option in ("", "--museval-rounding"):
        out = tmp_path / f"out{option}"
        words = [option] if option else []
        run("-q", *words, "-o", out, references=pair[0], estimates=pair[1])
        found[option] = values(document(out, "One")["targets"], "vocals", "SDR")
    assert np.array_equal(found["--museval-rounding"], np.round(found[""], 5))
    assert not np.array_equal(found["--museval-rounding"], found[""])


def test_a_perfect_estimate_is_nan_in_the_file_and_null_in_the_summary(tmp_path):
    references, estimates = write_pair(tmp_path, ["One"])
    for stem in STEMS:
        wave, _ = soundfile.read(references / "One" / f"{stem}.wav")
        soundfile.write(estimates / "One" / f"{stem}.wav", wave, RATE)
    out = tmp_path / "out"
    assert run("-q", "-o", out, references=references, estimates=estimates) == 0
    assert np.isnan(values(document(out, "One")["targets"], "vocals", "SDR")).all()
    stems = document(out, "summary")["systems"][0]["stems"]
    assert stems["vocals"]["median"]["SDR"] is None
    assert stems["vocals"]["nan_frames"] == stems["vocals"]["frames"] == 3
    assert "NaN" not in (out / "summary.json").read_text()


def test_a_silent_stem_is_scored_by_a_stated_rule_where_museval_gives_up(tmp_path, capsys):
    references, estimates = write_pair(tmp_path, ["One"])
    soundfile.write(references / "One" / "drums.wav", np.zeros(3 * RATE), RATE)
    out = tmp_path / "out"
    assert run("-q", "-o", out, references=references, estimates=estimates) == 0
    record = document(out, "One")
    assert np.isnan(values(record["targets"], "vocals", "SDR")).all()
    assert np.isfinite(record["whole_track"]["vocals"]["uSDR"])
    pytest.importorskip("museval", exc_type=RuntimeError)
    words = ["-q", "--engine", "museval", "-o", tmp_path / "out2"]
    assert run(*words, references=references, estimates=estimates) == 1
    assert "museval refuses" in capsys.readouterr().err


def test_scores_are_taken_up_again_until_something_changes(pair, tmp_path, capsys):
    out, references, estimates = tmp_path / "out", *pair

    def reused(*words) -> set[str]:
        assert run("-o", out, *words, references=references, estimates=estimates) == 0
        return set(re.findall(r": (\w+): .*scored before", capsys.readouterr().err))

    assert reused() == set()
    before = (out / "One.json").stat().st_mtime_ns
    assert reused() == {"One", "Two"}
    assert (out / "One.json").stat().st_mtime_ns == before
    soundfile.write(estimates / "Two" / "drums.wav", waves(3 * RATE, seed=99), RATE)
    assert reused() == {"One"}
    soundfile.write(references / "One" / "drums.wav", waves(3 * RATE, seed=98), RATE)
    assert reused() == {"Two"}
    assert reused("--museval-rounding") == set()
    (out / "One.json").write_text('{"inputs": {}, "targets": [')  # cut by something else
    with pytest.raises(AssertionError):  # not stemsep's to replace
        reused("--museval-rounding")


def test_a_file_of_somebody_else_is_not_replaced(pair, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "One.json").write_text('{"targets": []}')
    assert run("-o", out, references=pair[0], estimates=pair[1]) == 1
    assert "One.json" in capsys.readouterr().err
    assert (out / "One.json").read_text() == '{"targets": []}'
    assert (out / "Two.json").exists()


def test_what_cannot_be_scored_is_named_and_the_rest_is_done(tmp_path, capsys):
    tracks = ["Bad", "Cut", "Fine", "Gone", "Rate", "Strange"]
    references, estimates = write_pair(tmp_path, tracks)
    (references / "Bad" / "drums.wav").write_bytes(b"RIFF no sound at all")
    whole = (estimates / "Cut" / "drums.wav").read_bytes()
    (estimates / "Cut" / "drums.wav").write_bytes(whole[: len(whole) // 2])
    for stem in STEMS:
        (estimates / "Gone" / f"{stem}.wav").unlink()
        (estimates / "Strange" / f"{stem}.wav").rename(estimates / "Strange" / f"my {stem}.wav")
        soundfile.write(estimates / "Rate" / f"{stem}.wav", waves(RATE, seed=1), 2 * RATE)
    out = tmp_path / "out"
    assert run("-o", out, references=references, estimates=estimates) == 1
    errors = capsys.readouterr().err
    lines = {t: [x for x in errors.splitlines() if x.startswith(f"Error: '{t}'")] for t in tracks}
    assert {track: len(found) for track, found in lines.items()} == {
        **dict.fromkeys(tracks, 1),
        "Fine": 0,
    }
    assert "drums.wav" in lines["Bad"][0]
    assert "drums.wav' was cut or is damaged: " in lines["Cut"][0]
    assert "no estimates of 'Gone'" in lines["Gone"][0]
    assert "8000 Hz" in lines["Rate"][0]
    assert "my vocals" not in lines["Strange"][0]
    assert "1 tracks scored, 5 not" in errors
    assert document(out, "summary")["systems"][0]["tracks"] == 1
    assert {f["track"] for f in document(out, "summary")["failures"]} == set(tracks) - {"Fine"}
    assert all(track in (out / "report.html").read_text() for track in tracks)


def test_a_killed_run_goes_on_where_it_was(tmp_path, capsys):
    tracks = [f"Track {number}" for number in range(12)]
    references, estimates = write_pair(tmp_path, tracks)
    out = tmp_path / "out"
    words = ["--references", references, "--estimates", estimates, "-o", out]
    running = subprocess.Popen(
        [sys.executable, "-m", "stemsep", "evaluate", *map(str, words)], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("Track*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    done = {path.stem for path in out.glob("Track*.json")}
    assert 0 < len(done) < len(tracks)
    assert run("-o", out, references=references, estimates=estimates) == 0
    again = set(re.findall(r": (Track \d+): .*scored before", capsys.readouterr().err))
    assert again == done
    assert {path.stem for path in out.glob("Track*.json")} == set(tracks)
    assert not list(out.glob(".*"))


def test_several_jobs_give_the_same_files(pair, tmp_path):
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        assert run("-q", "--jobs", jobs, "-o", out, references=pair[0], estimates=pair[1]) == 0
    for name in ("One.json", "Two.json", "summary.csv"):
        assert (tmp_path / "1" / name).read_text() == (tmp_path / "2" / name).read_text()


def test_two_systems_are_compared_track_by_track(tmp_path):
    tracks = [f"Track {number}" for number in range(6)]
    write_pair(tmp_path, tracks, noise_db=-8)
    references, better = write_pair(tmp_path, tracks, noise_db=-12, estimates="better")
    out = tmp_path / "out"
    words = ["-q", "-o", out, "--estimates", tmp_path / "estimates", "--estimates", better]
    assert run(*words, references=references) == 0
    found = [d for d in document(out, "summary")["differences"] if d["measure"] == "SDR"]
    assert [d["stem"] for d in found] == [*STEMS, "mean"]
    for d in found:
        assert (d["first"], d["second"]) == ("estimates", "better")
        assert d["median"] == pytest.approx(4, abs=0.3)
        assert (d["second_better"], d["tracks"]) == (6, 6)
        assert d["p"] == pytest.approx(2 / 2**6)  # the smallest that 6 tracks can give
    assert (out / "better" / "Track 0.json").exists()
    rows = list(csv.DictReader((out / "summary.csv").read_text().splitlines()))
    assert {row["system"] for row in rows} == {"estimates", "better"}


def test_stems_of_two_are_scored_against_the_sum_of_the_rest(tmp_path):
    references, estimates = write_pair(tmp_path, ["One"], stems=THREE)
    rest = [soundfile.read(estimates / "One" / f"{stem}.wav")[0] for stem in THREE[1:]]
    vocals = soundfile.read(estimates / "One" / "vocals.wav")[0]
    two = write_stems(tmp_path / "two" / "One", {"vocals": vocals, "accompaniment": sum(rest)})
    for name, folder in (("four", estimates), ("two", two.parent)):
        run("-q", "-o", tmp_path / f"out-{name}", references=references, estimates=folder)
    four, two = (document(tmp_path / f"out-{name}", "One") for name in ("four", "two"))
    assert [target["name"] for target in two["targets"]] == ["vocals", "accompaniment"]
    for stem in ("vocals", "accompaniment"):
        for metric in ("SDR", "SIR"):
            wanted = values(four["two_targets"]["targets"], stem, metric)
            assert values(two["targets"], stem, metric) == pytest.approx(wanted, abs=0.01)


def test_a_network_bounds_and_floors_are_scored_on_the_mixture(tmp_path, capsys):
    references, _ = write_pair(tmp_path, ["One"])
    network = tiny_network()
    model = tmp_path / "tiny.safetensors"
    save_network(model, network.state_dict(), network.config, Card())
    out = tmp_path / "out"
    words = ["--model", model, "--oracle", "irm1", "--oracle", "ibm", "--baseline", "mixture"]
    assert run(*words, "--baseline", "quarter", "-o", out, references=references) == 0
    means = {
        s["system"]: s["stems"]["mean"]["median"]["SDR"]
        for s in document(out, "summary")["systems"]
    }
    assert list(means) == [
        *("tiny", "oracle irm1", "oracle ibm", "baseline mixture", "baseline quarter")
    ]
    # Two white noises of one level: the error of the mixture is the other one, that of a half of it
    # a half of both.
    assert means["baseline mixture"] == pytest.approx(0, abs=0.4)
    assert means["baseline quarter"] == pytest.approx(10 * np.log10(2), abs=0.4)
    assert means["oracle irm1"] > means["baseline quarter"] + 1
    assert document(out, "summary")["differences"] == []
    record = json.loads((out / "tiny" / "One.json").read_text())
    assert record["inputs"]["estimates"]["kind"] == "model"
    capsys.readouterr()
    other = tiny_network(seed=1)
    save_network(model, other.state_dict(), other.config, Card())
    assert run(*words, "-o", out, references=references) == 0
    line = capsys.readouterr().err.splitlines()[0]
    assert line.count("scored before") == 3  # the network alone has changed
    assert not re.search(r"tiny [-\d.]+ dB \(scored", line)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--references", "a"],
        ["--references", "a", "--musdb", "b"],
        ["--references", "a", "--estimates", "a", "--subset", "valid"],
        ["--references", "a", "--model", "default", "--model", "default"],
        ["--references", "a", "--oracle", "best"],
    ],
)
def test_what_does_not_fit_together_is_wrong_usage(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", *arguments]) == 2
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_is_told_before_any_work(tmp_path, capsys):
    references, _ = write_pair(tmp_path, ["One"])
    assert run("--model", "nobody", "-o", tmp_path / "out", references=references) == 1
    assert "no model 'nobody'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_systems_of_one_name_have_labels_of_their_own_and_a_network_comes_once(tmp_path, capsys):
    references, _ = write_pair(tmp_path, ["One"])
    paths = []
    for seed, place in enumerate(("a", "b")):
        (tmp_path / place).mkdir()
        paths.append(tmp_path / place / "best.safetensors")
        network = tiny_network(seed=seed)
        save_network(paths[-1], network.state_dict(), network.config, Card())
    words = ["-q", "-o", tmp_path / "out", "--model", paths[0], "--model"]
    assert run(*words, paths[1], references=references) == 0
    systems = [s["system"] for s in document(tmp_path / "out", "summary")["systems"]]
    assert systems == ["best", str(paths[1])]
    assert len(list((tmp_path / "out").glob("*/One.json"))) == 2
    assert run(*words, tmp_path / "b" / ".." / "a" / "best.safetensors", references=references) == 2
    assert "the same network" in capsys.readouterr().err


def test_scoring_files_imports_nothing_that_it_does_not_need(tmp_path):
    references, estimates = write_pair(tmp_path, ["One"])
    script = (
        "import sys\nfrom stemsep.cli.main import main\n"
        f"assert main(['evaluate', '--references', {str(references)!r}, '--estimates', "
        f"{str(estimates)!r}, '-q', '-o', {str(tmp_path / 'out')!r}]) == 0\n"
        "slow = {'torch', 'librosa', 'musdb', 'museval', 'matplotlib', 'pandas', 'rich'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
