"""The complete programs of docs/export.md do what it says, without stemsep and torch."""

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemsep import Separator
from stemsep.audio import read_audio
from stemsep.data.shipped import shipped_folder
from tests.exported import exported_default

DOCS = Path(__file__).parents[1] / "docs"
RATE = 44_100

TOLERANCE = 1e-4
"""Of 16-bit stems: two steps of rounding and onnxruntime's order of sums."""

BROWSER_TOLERANCE = 2e-4
"""Browsers decode the positive half of 16-bit sound by 32767 instead of 32768."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Return a folder with ``clip.wav`` and ``default.onnx``, and the clip."""
    folder = tmp_path_factory.mktemp("example")
    waveform, _ = read_audio(shipped_folder("data") / "example.ogg")
    soundfile.write(folder / "clip.wav", waveform[:, : 4 * RATE].T, RATE, "PCM_16")
    shutil.copy(exported_default(), folder / "default.onnx")
    mixture = soundfile.read(folder / "clip.wav", dtype="float32")[0].T
    return folder, mixture


def separated(mixture: np.ndarray, **options: bool) -> dict[str, np.ndarray]:
    """Return the stems of our own program."""
    stems = Separator.from_pretrained(precision="fp32", **options).separate(mixture, RATE)
    return {name: stem.numpy() for name, stem in stems.items()}


def test_the_python_example_needs_onnxruntime_and_numpy_alone(clip):
    folder, mixture = clip
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "export.md").read_text(), re.DOTALL)
    assert len(program.splitlines()) <= 80
    unwanted = (
        "import sys\nfor name in ('torch', 'scipy', 'stemsep'):\n    sys.modules[name] = None\n"
    )
    (folder / "separate.py").write_text(unwanted + program)
    subprocess.run([sys.executable, "separate.py", "clip.wav"], cwd=folder, check=True)
    for name, stem in separated(mixture).items():
        made = soundfile.read(folder / f"{name}.wav", dtype="float32")[0].T
        assert np.abs(made - stem).max() < TOLERANCE


@pytest.fixture(scope="module")
def onnxruntime_web(tmp_path_factory):
    """Return the folder of the scripts that the page loads, of the version that it names."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm")
    folder = tmp_path_factory.mktemp("npm")
    (wanted,) = set(re.findall(r"onnxruntime-web@[\d.]+", (DOCS / "export.html").read_text()))
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), wanted]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"npm cannot install {wanted}")
    return folder / "node_modules" / "onnxruntime-web" / "dist"


@pytest.mark.slow
def test_the_page_separates_a_clip_in_a_browser(clip, onnxruntime_web):
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium")
    folder, mixture = clip
    shutil.copy(DOCS / "export.html", folder)
    handler = functools.partial(QuietHandler, directory=str(folder))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_api.sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()

        def from_npm(route):
            route.fulfill(path=onnxruntime_web / route.request.url.rpartition("/")[2])

        page.route("https://cdn.jsdelivr.net/**", from_npm)
        page.goto(f"http://127.0.0.1:{server.server_port}/export.html")
        page.set_input_files("#song", folder / "clip.wav")
        page.wait_for_function(
            "/^(done|failed)/.test(document.getElementById('status').textContent)", timeout=120_000
        )
        assert page.inner_text("#status") == "done"
        for name, stem in separated(mixture, spatial=False).items():
            made = np.array(page.evaluate(READ_STEM, name), np.uint8).tobytes()[44:]
            samples = np.frombuffer(made, "<i2").reshape(-1, 2).T / 32768
            assert np.abs(samples - stem).max() < BROWSER_TOLERANCE
        browser.close()
        server.shutdown()


READ_STEM = """async name => Array.from(new Uint8Array(
    await (await fetch(document.getElementById(name).src)).arrayBuffer()))"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, format, *arguments):
        pass
