#!/usr/bin/env python3
"""Make golden.npz: what Open-Unmix 1.3.0 makes of generated weights and a generated song.

    python make_golden.py

Needs the package (and torchaudio, without its native part beside a CPU build of torch). Weights and
song come from whole numbers alone (`state`, `song`), so that a test can make them without it.
"""

import zlib
from pathlib import Path

import numpy as np

STEMS = ("vocals", "drums", "bass", "other")
N_FFT, HOP, BINS, HIDDEN = 256, 64, 65, 16
SAMPLES = 30_000  # 469 frames: more than one window of the Wiener filter
PLACES = (0, 19_000, SAMPLES - 1024)  # pieces of 1024 samples; frame 300 is sample 19 200


def integers(name, count):
    """Whole numbers from -32768 to 32767, the same on every machine."""
    raw = np.random.PCG64(zlib.crc32(name.encode())).random_raw((count + 3) // 4)
    return raw.astype("<u8").view("<u2")[:count].astype(np.int64) - 32768


def shapes():
    freq, hidden = N_FFT // 2 + 1, HIDDEN
    yield "input_mean", (BINS,)
    yield "input_scale", (BINS,)
    yield "output_scale", (freq,)
    yield "output_mean", (freq,)
    layers = (("1", 2 * BINS, hidden), ("2", 2 * hidden, hidden), ("3", hidden, 2 * freq))
    for number, inputs, outputs in layers:
        yield f"fc{number}.weight", (outputs, inputs)
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"bn{number}.{part}", (outputs,)
    for layer in range(3):
        for direction in ("", "_reverse"):
            yield f"lstm.weight_ih_l{layer}{direction}", (2 * hidden, hidden)
            yield f"lstm.weight_hh_l{layer}{direction}", (2 * hidden, hidden // 2)
            yield f"lstm.bias_ih_l{layer}{direction}", (2 * hidden,)
            yield f"lstm.bias_hh_l{layer}{direction}", (2 * hidden,)


def state(stem):
    """Name -> values of one stem's network, float32."""
    out = {}
    for name, shape in shapes():
        values = integers(f"{stem}/{name}", int(np.prod(shape))) / 32768.0
        if name.endswith(("scale", "running_var", ".weight")) and len(shape) == 1:
            values = 1 + values / 2
        elif name == "output_mean":
            values = 0.5 + values / 4
        elif len(shape) == 2:
            values = values * 2 / shape[1] ** 0.5
        out[name] = (values / (4 if name == "input_mean" else 1)).astype(np.float32).reshape(shape)
    return out


def song():
    """Noise and two tones, (2, SAMPLES) float32, with some silence."""
    noise = integers("song", 2 * SAMPLES).reshape(2, SAMPLES) / 32768.0
    time = np.arange(SAMPLES)
    tones = np.stack([np.sin(time * 0.05), np.sin(time * 0.21)])
    mix = 0.1 * noise + 0.3 * tones
    mix[:, 9000:12000] = 0
    return mix.astype(np.float32)


def main():
    import torch
    from openunmix.model import OpenUnmix, Separator

    targets = {}
    for stem in STEMS:
        network = OpenUnmix(nb_bins=N_FFT // 2 + 1, hidden_size=HIDDEN, max_bin=BINS)
        tensors = {name: torch.from_numpy(values) for name, values in state(stem).items()}
        counters = {f"bn{number}.num_batches_tracked": torch.tensor(0) for number in (1, 2, 3)}
        network.load_state_dict({**tensors, **counters})
        targets[stem] = network.eval()
    arrays = {}
    for iterations in (0, 1):
        separator = Separator(targets, niter=iterations, n_fft=N_FFT, n_hop=HOP).eval()
        with torch.no_grad():
            stems = separator(torch.from_numpy(song())[None])[0].numpy()
        for stem, waveform in zip(STEMS, stems):
            for place in PLACES:
                arrays[f"{iterations}/{stem}/{place}"] = waveform[:, place : place + 1024]
    np.savez_compressed(Path(__file__).with_name("golden.npz"), **arrays)


if __name__ == "__main__":
    main()
