import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stemsep.dsp import ISTFT, STFT, STFTConfig, istft, n_frames, stft
from stemsep.dsp.stft import analyse, synthesise, window_energy
from stemsep.errors import ParameterError
from tests.dsp.tensors import uniform

SIZES = [(4096, 1024), (2048, 512), (1536, 512), (512, 64), (16, 4)]

# Of the largest value: two float32 FFTs of different libraries, each with an error of a few times
# 2**-24 per stage. A wrong window, centring or padding is off by more than 1e-3.
PARITY = 2e-6


def config_of(n_fft: int, hop_length: int) -> STFTConfig:
    return STFTConfig(n_fft=n_fft, hop_length=hop_length)


def error_db(estimate: Tensor, reference: Tensor) -> float:
    error = (estimate.double() - reference.double()).square().sum()
    return 10 * math.log10(max(1e-30, float(error / reference.double().square().sum())))


def assert_parity(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == torch.complex64
    assert (ours - theirs).abs().max() <= PARITY * theirs.abs().max()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of other packages, at their import
@pytest.mark.parametrize(("n_fft", "hop_length"), SIZES)
def test_equals_librosa(n_fft: int, hop_length: int) -> None:
    librosa = pytest.importorskip("librosa")
    waveform = uniform(2, 5 * n_fft + 7)
    theirs = librosa.stft(
        waveform.numpy(), n_fft=n_fft, hop_length=hop_length, pad_mode="reflect", dtype=np.complex64
    )
    assert_parity(stft(waveform, config_of(n_fft, hop_length)), torch.from_numpy(theirs))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:torchaudio")
@pytest.mark.parametrize(("n_fft", "hop_length"), SIZES)
def test_equals_torchaudio(n_fft: int, hop_length: int) -> None:
    try:
        from torchaudio.transforms import Spectrogram
    except (ImportError, OSError) as error:  # its native part may want CUDA
        pytest.skip(f"torchaudio does not import: {error}")
    waveform = uniform(2, 5 * n_fft + 7)
    theirs = Spectrogram(n_fft=n_fft, hop_length=hop_length, power=None)(waveform)
    assert_parity(stft(waveform, config_of(n_fft, hop_length)), theirs)


@pytest.mark.parametrize(("n_fft", "hop_length"), SIZES)
def test_inverse_is_the_least_squares_one(n_fft: int, hop_length: int) -> None:
    # A random spectrum is the transform of no waveform, so only the least-squares answer agrees.
    config, length = config_of(n_fft, hop_length), 5 * n_fft
    shape = (2, config.n_freq, n_frames(length, config))
    spectrum = torch.complex(uniform(*shape, dtype=torch.float64), uniform(*shape, seed=1).double())
    window = torch.hann_window(n_fft, dtype=torch.float64)
    theirs = torch.istft(spectrum, n_fft, hop_length, window=window, length=length)
    torch.testing.assert_close(
        istft(spectrum, config, length=length), theirs, rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize(("n_fft", "hop_length"), [(4096, 1024), (512, 128), (1536, 512)])
def test_inverse_of_forward_is_below_minus_120_db(n_fft: int, hop_length: int) -> None:
    config = config_of(n_fft, hop_length)
    lengths = [1, 7, hop_length - 1, hop_length, n_fft // 2, n_fft // 2 + 1, n_fft]
    for length in [*lengths, 5 * n_fft + hop_length - 1, 1_000_003]:
        waveform = uniform(length, seed=length)
        assert error_db(istft(stft(waveform, config), config, length=length), waveform) < -120


def test_inverse_keeps_the_last_samples_as_well() -> None:
    # Fewer windows lie over the end; with half-overlapping ones it could not be restored.
    config = config_of(1536, 512)
    for rest in (0, 1, 510, 511):
        waveform = uniform(9 * 512 + rest)
        restored = istft(stft(waveform, config), config, length=len(waveform))
        assert error_db(restored[-4:], waveform[-4:]) < -120


@given(length=st.integers(1, 9000), sizes=st.sampled_from(SIZES), seed=st.integers(0, 99))
def test_inverse_of_forward_is_exact_in_double(
    length: int, sizes: tuple[int, int], seed: int
) -> None:
    config, waveform = config_of(*sizes), uniform(length, seed=seed, dtype=torch.float64)
    spectrum = stft(waveform, config)
    assert spectrum.shape == (config.n_freq, n_frames(length, config))
    restored = istft(spectrum, config, length=length)
    assert restored.dtype == torch.float64
    assert (restored - waveform).abs().max() < 1e-10


@pytest.mark.parametrize("length", [1, 100, 256])
def test_a_short_waveform_is_padded_with_zeros(length: int) -> None:
    config, waveform = config_of(512, 128), uniform(length)
    padded = torch.cat([waveform, torch.zeros(257 - length)])
    window = torch.hann_window(512)
    theirs = torch.stft(padded, 512, 128, window=window, pad_mode="reflect", return_complex=True)
    assert_parity(stft(waveform, config), theirs)


def test_every_batch_axis_is_kept() -> None:
    config, waveform = config_of(64, 16), uniform(2, 3, 4, 500)
    spectrum = stft(waveform, config)
    assert spectrum.shape == (2, 3, 4, 33, n_frames(500, config))
    # Not to the bit: the FFT may take rows in groups.
    torch.testing.assert_close(spectrum[1, 2, 3], stft(waveform[1, 2, 3], config))
    torch.testing.assert_close(istft(spectrum, config, length=500), waveform, rtol=0, atol=1e-6)


@given(a=st.floats(-3, 3), b=st.floats(-3, 3), length=st.integers(1, 2000))
def test_linear(a: float, b: float, length: int) -> None:
    config = config_of(128, 32)
    first, second = uniform(length).double(), uniform(length, seed=1).double()
    mixed = stft(a * first + b * second, config)
    torch.testing.assert_close(mixed, a * stft(first, config) + b * stft(second, config))


def test_input_is_not_modified() -> None:
    config, waveform = config_of(64, 16), uniform(2, 300)
    before = waveform.clone()
    spectrum = stft(waveform, config)
    kept = spectrum.clone()
    istft(spectrum, config, length=300)
    assert torch.equal(waveform, before)
    assert torch.equal(spectrum, kept)


def test_gradients_reach_the_waveform() -> None:
    config = config_of(16, 4)
    waveform = uniform(40, dtype=torch.float64).requires_grad_()
    istft(2 * stft(waveform, config), config, length=40).sum().backward()
    torch.testing.assert_close(waveform.grad, torch.full((40,), 2.0, dtype=torch.float64))


def test_modules_equal_the_functions_and_hold_no_weights() -> None:
    config, waveform = config_of(64, 16), uniform(2, 300)
    forward, inverse = STFT(config), ISTFT(config)
    spectrum = stft(waveform, config)
    assert torch.equal(forward(waveform), spectrum)
    assert torch.equal(inverse(spectrum, 300), istft(spectrum, config, length=300))
    assert not forward.state_dict()
    assert not inverse.state_dict()
    assert not list(forward.parameters())


def test_uncentred_halves_agree_with_the_centred_transform_inside() -> None:
    config, waveform = config_of(64, 16), uniform(2, 640)
    frames = analyse(waveform, config)
    assert frames.shape == (2, 33, 1 + (640 - 64) // 16)
    # Frame t starts at sample 16 t; centred frames start 32 samples, two frames, earlier.
    torch.testing.assert_close(stft(waveform, config)[..., 2 : 2 + frames.shape[-1]], frames)
    energy = window_energy(torch.ones(frames.shape[-1]), config)
    restored = synthesise(frames, config) / energy
    inside = slice(16, 640 - 16)  # of the first and last samples only a window's foot is there
    torch.testing.assert_close(restored[..., inside], waveform[..., inside], rtol=0, atol=1e-5)


def test_window_energy_counts_the_frames_that_exist() -> None:
    config, present = config_of(16, 4), [0, 1, 1, 0, 1]
    expected = torch.zeros(4 * 4 + 16)
    for frame, exists in enumerate(present):
        expected[4 * frame : 4 * frame + 16] += exists * torch.hann_window(16) ** 2
    torch.testing.assert_close(window_energy(torch.tensor(present).float(), config), expected)


@pytest.mark.parametrize(
    ("n_fft", "hop_length", "message"),
    [
        (0, 1, "n_fft = 0"),
        (15, 5, "n_fft = 15: it must be an even number"),
        (16, 0, "hop_length = 0"),
        (16, 5, "hop_length = 5: it must divide n_fft = 16"),
        (16, 16, "at least twice"),
    ],
)
def test_sizes_that_cannot_work_are_refused(n_fft: int, hop_length: int, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        config_of(n_fft, hop_length)


@pytest.mark.parametrize("shape", [(0,), (2, 0), ()])
def test_a_waveform_without_samples_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError, match="at least one sample"):
        stft(torch.zeros(shape), config_of(16, 4))


@pytest.mark.parametrize(
    ("shape", "length"), [((9, 6), 100), ((8, 26), 100), ((26,), 100), ((9, 3), 0), ((9, 3), -4)]
)
def test_inverse_of_another_shape_is_refused(shape: tuple[int, ...], length: int) -> None:
    with pytest.raises(ParameterError, match=f"istft of {length} samples needs"):
        istft(torch.zeros(shape, dtype=torch.complex64), config_of(16, 4), length=length)


def test_without_a_window_it_is_torch_s_and_the_inverse_is_exact() -> None:
    config = STFTConfig(n_fft=64, hop_length=16, window="rectangular")
    waveform = torch.randn(2, 501, generator=torch.Generator().manual_seed(0))
    spectrum = stft(waveform, config)
    expected = torch.stft(waveform, 64, 16, window=torch.ones(64), return_complex=True)
    torch.testing.assert_close(spectrum, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(istft(spectrum, config, length=501), waveform)
    with pytest.raises(ParameterError, match="window = 'kaiser': choose from hann, rectangular"):
        STFTConfig(window="kaiser")  # type: ignore[arg-type]
