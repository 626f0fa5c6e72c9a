"""What Spleeter 2.4.2 gives, with generated weights, against the exact way.

The answers lie in ``tests/golden/spleeter``: ``make_checkpoint.py`` and ``make_input.py`` make
weights and sound from whole numbers, ``make_golden.py`` ran the program on them and kept pieces of
4096 samples.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stemsep.audio import open_audio
from stemsep.cli.main import main
from stemsep.errors import ParameterError
from stemsep.separation.exact import ExactConfig, ExactSeparator
from stemsep.weights.checkpoint import Card, save_network
from stemsep.weights.spleeter import read_spleeter
from tests.networks import small_spleeter, tiny_network
from tests.signals import noise

GOLDEN = Path(__file__).parents[1] / "golden" / "spleeter"
TOLERANCE = 2e-5  # TensorFlow's own FFT is off by up to 8e-6; one 16-bit step is 3.1e-5
PIECE = 4096
RATE = 8000  # of the small network


def generator(name):
    spec = importlib.util.spec_from_file_location(name, GOLDEN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def songs():
    """Name -> (channels, samples), made as `make_input.py` makes its files."""
    make = generator("make_input")
    long = make.song(12 * 44100, 1)
    long[slice(*make.SILENCE)] = 0
    mono = make.song(2 * 44100, 7000)
    songs = {
        "stereo12": long,
        "mono2": (mono[:, :1] + mono[:, 1:]) >> 1,
        "short": make.song(44100 * 3 // 10, 9000),
    }
    return {
        name: (np.clip(song, -32768, 32767) / 32768).astype(np.float32).T.copy()
        for name, song in songs.items()
    }


@pytest.fixture(scope="module", params=["2stems", "4stems"])
def golden(request, tmp_path_factory):
    """The network of a generated checkpoint, and what Spleeter made with it."""
    folder = tmp_path_factory.mktemp(request.param)
    generator("make_checkpoint").write_model(request.param, folder)
    network = read_spleeter(folder / "model")
    for path in folder.iterdir():
        path.unlink()  # hundreds of megabytes
    return network, np.load(GOLDEN / request.param / "golden.npz")


def starts(samples):
    ends = {"start": 0, "end": samples - PIECE, "middle": samples // 2 - PIECE // 2}
    return {**ends, "edge": 512 * 1024 - 4096}


def test_the_samples_are_spleeter_s(golden, songs):
    network, pieces = golden
    for case in {name.split("/")[0] for name in pieces.files}:
        song = songs[case.split("-")[0]]
        extension = "average" if case.endswith("average") else "zeros"
        config = ExactConfig(mask_extension=extension)
        stems = ExactSeparator(network, config, device="cpu").separate(song, 44100)
        for name in pieces.files:
            if name.startswith(f"{case}/"):
                _, stem, place = name.split("/")
                start = starts(song.shape[1])[place]
                ours = stems[stem][:, start : start + PIECE].numpy()
                assert np.abs(ours - pieces[name].T).max() < TOLERANCE, name


def exact(**config):
    return ExactSeparator(small_spleeter(), ExactConfig(**config), device="cpu")


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("samples", [1, 255, 33_000])
def test_two_channels_of_the_song_s_length_come_out(channels, samples):
    stems = exact().separate(noise(channels, samples), RATE)
    assert {stem.shape for stem in stems.values()} == {(2, samples)}


def test_mono_counts_as_two_equal_channels_and_more_channels_as_their_first_two():
    song = noise(3, 9000)
    for given, same in ((song, song[:2]), (song[:1], song[[0, 0]])):
        one, two = exact().separate(given, RATE), exact().separate(same, RATE)
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_blocks_of_any_size_give_the_same_samples():
    song = noise(2, 70_000)
    whole = exact().separate(song, RATE)
    sizes = np.cumsum([1, 5000, 20, 33_000, 0, 12_345])
    pieces = list(exact().stream(np.split(song, sizes, axis=1), RATE))
    for name, stem in whole.items():
        assert torch.equal(torch.cat([piece[name] for piece in pieces], -1), stem)


def test_extension_by_zeros_leaves_nothing_above_and_by_the_average_something():
    song = noise(2, 9000)
    levels = {}
    for extension in ("zeros", "average"):
        stems = exact(mask_extension=extension).separate(song, RATE)
        spectrum = torch.fft.rfft(stems["vocals"]).abs()
        levels[extension] = float(spectrum[:, 3000:].max() / spectrum.max())
    assert levels["zeros"] < 0.01 < 0.1 < levels["average"]


def test_a_song_without_samples_is_refused():
    with pytest.raises(ParameterError, match="without samples"):
        exact().separate(np.zeros((2, 0), np.float32), RATE)


def test_other_networks_and_other_extensions_are_refused():
    with pytest.raises(ParameterError, match="Spleeter's networks: choose one"):
        ExactSeparator(tiny_network())
    with pytest.raises(ParameterError, match="mask_extension = 'ones': choose from zeros"):
        ExactConfig(mask_extension="ones")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path, network = tmp_path_factory.mktemp("model") / "s.safetensors", small_spleeter()
    save_network(path, network.state_dict(), network.config, Card())
    return path


def separate(path, model, *options):
    arguments = ["separate", path, "-o", path.parent / "out", "--model", model, *options]
    return main([str(a) for a in arguments])


@pytest.mark.parametrize(("options", "depth"), [([], "PCM_16"), (["--bit-depth", "32f"], "FLOAT")])
def test_files_hold_the_exact_samples_at_the_network_s_rate(tmp_path, model, options, depth):
    song = noise(1, 30_000)
    soundfile.write(tmp_path / "song.wav", song.T, 11_025, "PCM_16")
    assert separate(tmp_path / "song.wav", model, "--exact", *options) == 0
    with open_audio(tmp_path / "song.wav") as reader:
        info, blocks = exact().prepare(reader.info, reader.blocks())
        stems = exact().separate(np.concatenate(list(blocks), axis=1), RATE)
    assert (info.channels, info.sample_rate, info.samples) == (2, RATE, None)
    for name, stem in stems.items():
        path = tmp_path / "out" / "song" / f"{name}.wav"
        written, rate = soundfile.read(path, dtype="float32")
        assert (rate, soundfile.info(path).subtype) == (RATE, depth)
        step = 2**-15 if depth == "PCM_16" else 0
        assert np.abs(written.T - stem.numpy()).max() <= step / 2


def test_options_that_do_not_fit_are_wrong_usage(tmp_path, model, capsys):
    soundfile.write(tmp_path / "song.wav", noise(1, 100).T, RATE)
    for options, message in (
        (["--mask-extension", "zeros"], "goes with --exact"),
        (["--exact", "--precision", "bf16"], "computes in fp32"),
        (["--exact", "--model", "default"], "Spleeter's networks: choose one"),
    ):
        assert separate(tmp_path / "song.wav", model, *options) == 2
        assert message in " ".join(capsys.readouterr().err.split())
