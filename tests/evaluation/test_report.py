import json
import re
import shutil
import subprocess

import pytest

from stemsep.cli.main import main
from tests.evaluation.made_tracks import STEMS, write_pair

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PROBE = """
<pre id="probe"></pre>
<script>
const images = [...document.images].map(image => image.complete && image.naturalWidth);
const players = [...document.querySelectorAll("audio")];
const loaded = players.map(player => new Promise(done => {
  player.onloadedmetadata = () => done(player.duration);
  player.onerror = () => done(0);
  player.preload = "metadata";
  player.load();
}));
Promise.all(loaded).then(seconds => {
  const asked = performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:"));
  const wide = document.documentElement.scrollWidth > innerWidth;
  document.getElementById("probe").textContent =
    JSON.stringify({images, seconds, asked: asked.map(e => e.name), wide});
});
</script>
"""


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A report on two systems and three tracks, one of which cannot be read."""
    root = tmp_path_factory.mktemp("report")
    tracks = ["Über <b>&amp; uns", "Two", "Bad"]
    references, estimates = write_pair(root, tracks, noise_db=-8)
    write_pair(root, tracks, noise_db=-12, estimates="better")
    (references / "Bad" / "drums.wav").write_bytes(b"RIFF")
    words = ["evaluate", "--references", references, "--estimates", estimates]
    words += ["--estimates", root / "better", "--oracle", "irm1", "-q", "-o", root / "out"]
    assert main([str(word) for word in words]) == 1
    return root / "out"


def test_the_report_holds_all_that_it_shows_and_plays_in_a_browser(scored, tmp_path):
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        pytest.skip("no Chromium is installed")
    page = tmp_path / "report.html"
    page.write_text(
        (scored / "report.html").read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"),
        encoding="utf-8",
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,900"]
    ran = subprocess.run(
        [found[0], *options, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    text = re.search(r'<pre id="probe">(.*?)</pre>', ran.stdout)
    assert text is not None, ran.stderr
    probe = json.loads(text[1])
    # Boxes, one pair, the best and the worst track.
    assert len(probe["images"]) == 4
    assert all(probe["images"])
    # Of two stems the best and the worst second: mixture, truth and three systems each.
    assert len(probe["seconds"]) == 2 * 2 * 5
    assert all(1.9 < seconds < 3.1 for seconds in probe["seconds"])
    assert probe["asked"] == []
    assert not probe["wide"]


def test_names_are_text_and_failures_are_told(scored):
    html = (scored / "report.html").read_text(encoding="utf-8")
    assert "Über &lt;b&gt;&amp;amp; uns" in html
    assert re.search(r"<b>Bad</b> \(better\): .*drums\.wav", html)
    assert not re.search(r'(src|href)="(?!data:)', html)


def test_the_best_of_the_systems_is_marked_and_the_oracle_is_not(scored):
    html = (scored / "report.html").read_text(encoding="utf-8")
    overview = html.split('id="overview-SDR"')[1].split("</section>")[0]
    marked = re.findall(r'class="best">([\d.]+)', overview)
    assert len(marked) == len(STEMS) + 1
    assert all(11 < float(value) < 13 for value in marked)
    assert "better has the highest museval SDR" in html


def test_every_number_stands_under_its_measure(scored):
    for text in ((scored / "report.html").read_text(), (scored / "summary.md").read_text()):
        for measure in ("museval SDR", "mean of track medians (SDR)", "museval SIR", "uSDR"):
            assert measure in text
        assert "BSSEval v4 as museval 0.4.1 defines it" in text
        assert "median over frames of 1 s, then over tracks" in text


def test_pictures_lie_beside_the_report_too(scored):
    names = {path.name for path in (scored / "pictures").iterdir()}
    assert names == {"boxes.png", "pair-1.png", "track-best.png", "track-worst.png"}
