"""What Spleeter 2.4.2 and Open-Unmix 1.3.0 give, with generated weights, against the exact way.

Spleeter's answers lie in ``tests/golden/spleeter``: ``make_checkpoint.py`` and ``make_input.py``
make weights and sound from whole numbers, ``make_golden.py`` ran the program on them and kept
pieces of 4096 samples.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stemsep.audio import open_audio
from stemsep.cli.main import main
from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError
from stemsep.models import OpenUnmix, OpenUnmixConfig
from stemsep.separation.exact import ExactConfig, ExactSeparator
from stemsep.weights.checkpoint import Card, save_network
from stemsep.weights.openunmix import read_openunmix
from stemsep.weights.spleeter import read_spleeter
from tests.networks import small_openunmix, small_spleeter, tiny_network
from tests.signals import noise

GOLDEN = Path(__file__).parents[1] / "golden" / "spleeter"
TOLERANCE = 2e-5  # TensorFlow's own FFT is off by up to 8e-6; one 16-bit step is 3.1e-5
PIECE = 4096
RATE = 8000  # of the small network


def generator(name, folder=GOLDEN):
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
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
        config = ExactConfig(mask_extension=extension, wiener=case.endswith("mwf"))
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


def test_the_samples_are_open_unmix_s():
    make = generator("make_golden", folder=GOLDEN.parent / "openunmix")
    transform = STFTConfig(n_fft=make.N_FFT, hop_length=make.HOP)
    config = OpenUnmixConfig(
        stems=make.STEMS, hidden_size=make.HIDDEN, n_bins=make.BINS, stft=transform
    )
    network = OpenUnmix(config)
    for stem, part in zip(make.STEMS, network.networks, strict=True):
        state = {name: torch.from_numpy(values) for name, values in make.state(stem).items()}
        part.load_state_dict(state, strict=False)  # all but the norms' counters
    pieces = np.load(GOLDEN.parent / "openunmix" / "golden.npz")
    for iterations in (0, 1):
        exact = ExactSeparator(network, ExactConfig(wiener=bool(iterations)), device="cpu")
        stems = exact.separate(make.song(), 44100)
        for stem, waveform in stems.items():
            for place in make.PLACES:
                golden = pieces[f"{iterations}/{stem}/{place}"]
                ours = waveform[:, place : place + 1024].numpy()
                assert np.abs(golden).max() > 0.05
                assert np.abs(ours - golden).max() < 1e-5, (iterations, stem, place)


@pytest.mark.parametrize("iterations", [0, 1])
def test_open_unmix_itself_gives_the_same_where_it_is_installed(iterations, tmp_path):
    package = pytest.importorskip("openunmix.model")
    torch.manual_seed(1)
    theirs = {
        stem: package.OpenUnmix(nb_bins=2049, hidden_size=32, max_bin=1487).eval()
        for stem in ("vocals", "drums", "bass", "other")
    }
    for stem, network in theirs.items():
        torch.save(network.state_dict(), tmp_path / f"{stem}.pth")
    ours = read_openunmix({stem: tmp_path / f"{stem}.pth" for stem in theirs})
    song = torch.from_numpy(noise(2, 400_000))
    with torch.no_grad():
        expected = package.Separator(theirs, niter=iterations).eval()(song[None])[0]
    exact = ExactSeparator(ours, ExactConfig(wiener=bool(iterations)), device="cpu")
    for stem, waveform in zip(exact.separate(song, 44100).values(), expected, strict=True):
        assert (stem - waveform).abs().max() < 1e-4


def test_open_unmix_takes_no_mask_extension_and_any_length():
    with pytest.raises(ParameterError, match="mask extension is for Spleeter"):
        ExactSeparator(small_openunmix(), ExactConfig(mask_extension="average"))
    for wiener in (False, True):
        exact = ExactSeparator(small_openunmix(), ExactConfig(wiener=wiener), device="cpu")
        for samples in (1, 100, 9000):
            stems = exact.separate(noise(1, samples), RATE)
            assert {stem.shape for stem in stems.values()} == {(2, samples)}


def test_other_networks_and_other_extensions_are_refused():
    with pytest.raises(ParameterError, match="and Open-Unmix's networks: choose one"):
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


@pytest.mark.parametrize("wiener", [False, True])
@pytest.mark.parametrize(("options", "depth"), [([], "PCM_16"), (["--bit-depth", "32f"], "FLOAT")])
def test_files_hold_the_exact_samples_at_the_network_s_rate(
    tmp_path, model, options, depth, wiener
):
    song = noise(1, 30_000)
    soundfile.write(tmp_path / "song.wav", song.T, 11_025, "PCM_16")
    filtered = ["--wiener", "1"] if wiener else []
    assert separate(tmp_path / "song.wav", model, "--exact", *filtered, *options) == 0
    with open_audio(tmp_path / "song.wav") as reader:
        info, blocks = exact().prepare(reader.info, reader.blocks())
        stems = exact(wiener=wiener).separate(np.concatenate(list(blocks), axis=1), RATE)
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
        (["--exact", "--wiener", "2"], "one step of the Wiener filter at most"),
        (["--exact", "--spatial"], "leave one out"),
        (["--wiener", "1", "--spatial"], "leave one out"),
        (["--exact", "--model", "default"], "Open-Unmix's networks: choose one"),
    ):
        assert separate(tmp_path / "song.wav", model, *options) == 2
        assert message in " ".join(capsys.readouterr().err.split())
