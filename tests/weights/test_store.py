import hashlib
import json
import threading
from dataclasses import replace

import pytest
import torch

from stemsep import Separator
from stemsep.errors import DownloadError, ParameterError, WeightsError
from stemsep.models import SPLEETER_MODELS
from stemsep.weights import catalog, download, published, store
from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.checkpoint import Card, load_network, read_any_card, save_network
from stemsep.weights.fetching import Fetching
from stemsep.weights.info import describe, describe_all
from stemsep.weights.published import PUBLISHED, published_like, published_name
from stemsep.weights.store import import_file, remove, stored_models, stored_path
from tests.networks import small_spleeter
from tests.servers import cut, send, serving, stall, status
from tests.weights.archives import (
    network,
    openunmix,
    openunmix_files,
    scnet,
    scnet_file,
    small_widths,
    spleeter_archive,
)

RELEASE = "/deezer/spleeter/releases/download/v1.4.0"


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    small_widths(monkeypatch)
    monkeypatch.setenv("STEMSEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STEMSEP_MIRROR", raising=False)
    monkeypatch.setattr(download, "RETRIES", download.RETRIES.new(backoff_factor=0))


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        small_widths(patch)
        folder = tmp_path_factory.mktemp("made")
        return {model: spleeter_archive(folder, model) for model in SPLEETER_MODELS}


@pytest.fixture
def server(archives, monkeypatch):
    """Serves the archives as their publisher does; what is published is what it has."""
    with serving({f"{RELEASE}/{m}.tar.gz": data for m, data in archives.items()}) as running:
        for model, data in archives.items():
            file = published.PublishedFile(
                url=f"{running.url}{RELEASE}/{model}.tar.gz",
                sha256=hashlib.sha256(data).hexdigest(),
                megabytes=1,
            )
            name = f"spleeter:{model}"
            monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], files=(file,)))
        yield running


class Lines(list):
    """Gathers what users are told."""

    def fetching(self, **options):
        return Fetching(tell=self.append, **options)


def nothing_left(tmp_path):
    return not [
        p for p in (tmp_path / "cache").rglob("*") if p.is_file() and "locks" not in p.parts
    ]


@pytest.mark.parametrize("model", SPLEETER_MODELS)
def test_a_published_network_is_fetched_once_and_then_offline(server, tmp_path, model):
    lines, name = Lines(), f"spleeter:{model}"
    path = find_checkpoint(name, fetching=lines.fetching())
    loaded, made = load_network(path), network(model)
    for key, tensor in made.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor)
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}: 1 MB from 127.0.0.1")
    assert "terms: MIT" in lines[0]
    assert find_checkpoint(name, fetching=lines.fetching(offline=True)) == path
    assert (len(server.requests), len(lines)) == (1, 1)
    assert stored_models() == {name: path}
    kept = [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and "locks" not in p.parts]
    assert kept == [path]


def test_terms_and_origin_are_kept_with_the_network(server, archives):
    card = read_any_card(find_checkpoint("spleeter:4stems", fetching=Fetching()))[1]
    assert "MIT" in card.license
    assert card.scores[0]["vocals"] == 6.55
    assert dict(card.sources[0]) == {
        "url": f"{server.url}{RELEASE}/4stems.tar.gz",
        "sha256": hashlib.sha256(archives["4stems"]).hexdigest(),
        "bytes": len(archives["4stems"]),
        "published": True,
    }


def test_the_library_fetches_too(server):
    assert Separator.from_pretrained("spleeter", device="cpu").stems == (
        "vocals",
        "drums",
        "bass",
        "other",
    )


def test_a_family_and_a_number_of_stems_name_a_network():
    assert published_name("spleeter") == "spleeter:4stems"
    assert published_name("spleeter", "5") == "spleeter:5stems"
    assert published_name("spleeter", "2") == "spleeter:2stems"
    assert published_name("spleeter", "vocals,drums") == "spleeter:4stems"
    assert published_name("spleeter:4stems", "2") == "spleeter:4stems"
    assert published_name("default", "5") == "default"


def test_offline_says_what_to_bring_and_what_to_do_with_it(server, tmp_path):
    with pytest.raises(DownloadError) as caught:
        find_checkpoint("spleeter:5stems", fetching=Fetching(offline=True))
    assert str(caught.value) == (
        f"offline, and 'spleeter:5stems' is not here: bring {server.url}{RELEASE}/5stems.tar.gz "
        "by other means and run stemsep models import 5stems.tar.gz"
    )
    assert server.requests == []
    with pytest.raises(WeightsError, match="not here yet: stemsep models download spleeter:5stems"):
        find_checkpoint("spleeter:5stems")


def test_no_connection_is_one_line_with_the_same_remedy(server, monkeypatch, tmp_path):
    file = replace(PUBLISHED["spleeter:2stems"].files[0], url="http://127.0.0.1:9/2stems.tar.gz")
    away = replace(PUBLISHED["spleeter:2stems"], files=(file,))
    monkeypatch.setitem(PUBLISHED, away.name, away)
    with pytest.raises(DownloadError, match=r"refused; or bring .* models import 2stems") as caught:
        find_checkpoint("spleeter:2stems", fetching=Fetching())
    assert "\n" not in str(caught.value)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    "faults",
    [[send(b"")], [send(b"<html>")], [status(404)], [status(500)] * 9, [cut(0)] * 9],
    ids=["empty", "other", "missing", "broken", "cut"],
)
def test_a_failed_download_leaves_no_network_and_the_next_one_works(server, tmp_path, faults):
    server.faults = list(faults)
    with pytest.raises(DownloadError):
        find_checkpoint("spleeter:2stems", fetching=Fetching())
    assert stored_models() == {}
    assert nothing_left(tmp_path)
    server.faults = [cut(1000)]
    load_network(find_checkpoint("spleeter:2stems", fetching=Fetching()))


def test_a_cut_download_goes_on_in_the_next_run(server, archives):
    server.faults = [cut(1000)] + [cut(0)] * 9
    with pytest.raises(DownloadError, match=r"1,000 bytes are kept"):
        find_checkpoint("spleeter:2stems", fetching=Fetching())
    server.faults, server.requests = [], []
    load_network(find_checkpoint("spleeter:2stems", fetching=Fetching()))
    assert server.asked("Range") == ["bytes=1000-"]


def test_a_right_digest_of_a_wrong_file_is_refused(server, tmp_path, monkeypatch):
    name, body = "spleeter:2stems", b"\x1f\x8b no archive"
    file = replace(PUBLISHED[name].files[0], sha256=hashlib.sha256(body).hexdigest())
    monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], files=(file,)))
    server.faults = [send(body)]
    with pytest.raises(WeightsError, match="cut or damaged"):
        find_checkpoint(name, fetching=Fetching())
    assert stored_models() == {}


def test_an_archive_of_another_network_is_refused(server, archives, monkeypatch):
    name = "spleeter:2stems"
    four = PUBLISHED["spleeter:4stems"].files
    monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], files=four))
    with pytest.raises(WeightsError, match="holds another network than spleeter:2stems"):
        find_checkpoint(name, fetching=Fetching())


def test_two_at_once_fetch_once(server):
    server.faults = [stall(0)]
    lines, paths = Lines(), []

    def run():
        paths.append(find_checkpoint("spleeter:2stems", fetching=lines.fetching()))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    while not any("waiting" in line for line in lines):
        pass
    server.closing.set()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert sum("MB from" in line for line in lines) == 1


@pytest.mark.usefixtures("server")
class TestMirror:
    @pytest.fixture
    def mirror(self, monkeypatch):
        """Another server, with other weights of the same shape."""
        with serving() as running:
            monkeypatch.setenv("STEMSEP_MIRROR", running.url + "/")
            yield running

    @pytest.mark.parametrize("folder", [RELEASE, ""])
    def test_the_published_file_may_come_from_a_mirror(self, server, mirror, archives, folder):
        mirror.files[f"{folder}/2stems.tar.gz"] = archives["2stems"]
        lines = Lines()
        path = find_checkpoint("spleeter:2stems", fetching=lines.fetching())
        assert len(lines) == 1
        assert read_any_card(path)[1].sources[0]["published"] is True
        assert "MIT" in read_any_card(path)[1].license
        assert server.requests == []

    def test_another_file_is_refused(self, mirror, archives):
        mirror.files["/2stems.tar.gz"] = archives["4stems"]
        with pytest.raises(DownloadError, match=r"404|not the file that was expected"):
            find_checkpoint("spleeter:2stems", fetching=Fetching())

    def test_another_file_that_its_listing_names_is_taken_with_a_warning(self, mirror, tmp_path):
        other = spleeter_archive(tmp_path, "2stems", seed=1)
        mirror.files["/2stems.tar.gz"] = other
        listing = {"2stems": hashlib.sha256(other).hexdigest()}
        mirror.files["/checksum.json"] = json.dumps(listing).encode()
        lines = Lines()
        path = find_checkpoint("spleeter:2stems", fetching=lines.fetching())
        assert lines[-1].startswith("Warning: ")
        assert "not the published file" in lines[-1]
        card = read_any_card(path)[1]
        assert (card.license, card.sources[0]["published"]) == ("not stated", False)

    @pytest.mark.parametrize("listing", [b"", b"[]", b"{}", b'{"2stems": 1}', b'{"2stems": "x"}'])
    def test_a_listing_that_makes_no_sense_changes_nothing(self, mirror, archives, listing):
        mirror.files = {"/2stems.tar.gz": archives["2stems"], "/checksum.json": listing}
        load_network(find_checkpoint("spleeter:2stems", fetching=Fetching()))


class TestOpenUnmix:
    @pytest.fixture
    def served(self, monkeypatch):
        """Serves a small network under the name of the one whose terms must be accepted."""
        made, name = openunmix(), "openunmix:umxl"
        contents = openunmix_files(made)
        with serving() as running:
            files = []
            for stem, content in contents.items():
                digest = hashlib.sha256(content).hexdigest()[:8]
                running.files[f"/records/1/files/{stem}-{digest}.pth"] = content
                url = f"{running.url}/records/1/files/{stem}-{digest}.pth"
                files.append(published.PublishedFile(url=url, sha256=digest, megabytes=1))
            small = replace(PUBLISHED[name], files=tuple(files), config=made.config)
            monkeypatch.setitem(PUBLISHED, name, small)
            yield running

    def test_four_files_are_fetched_as_one_network_once(self, served):
        fetching = Fetching(accept_licence=True)
        path = find_checkpoint("openunmix:umxl", fetching=fetching)
        loaded, made = load_network(path), openunmix()
        for key, tensor in made.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], tensor)
        assert len(served.requests) == 4
        assert find_checkpoint("openunmix:umxl", fetching=Fetching(offline=True)) == path
        card = read_any_card(path)[1]
        assert "NC" in card.license
        assert [source["published"] for source in card.sources] == [True] * 4
        assert stored_models() == {"openunmix:umxl": path}

    def test_its_terms_have_to_be_accepted_first(self, served):
        with pytest.raises(WeightsError, match=r"CC BY-NC-SA.*--accept-licence"):
            find_checkpoint("openunmix:umxl", fetching=Fetching())
        assert served.requests == []

    def test_one_wrong_file_of_the_four_leaves_no_network_and_costs_only_itself(self, served):
        served.faults = [None, None, send(b"wrong")]
        with pytest.raises(DownloadError, match="not the file that was expected"):
            find_checkpoint("openunmix:umxl", fetching=Fetching(accept_licence=True))
        assert stored_models() == {}
        load_network(find_checkpoint("openunmix:umxl", fetching=Fetching(accept_licence=True)))
        assert len(served.requests) == 3 + 2

    def test_a_folder_with_the_published_files_is_imported_with_its_terms(self, served, tmp_path):
        (tmp_path / "folder").mkdir()
        for path, content in served.files.items():
            (tmp_path / "folder" / path.rpartition("/")[2]).write_bytes(content)
        name, path = import_file(tmp_path / "folder")
        assert name == "openunmix:umxl"
        assert "NC" in read_any_card(path)[1].license

    @pytest.mark.usefixtures("served")
    def test_offline_says_to_bring_all_four_into_one_folder(self):
        with pytest.raises(DownloadError, match=r"into one folder .* models import FOLDER"):
            find_checkpoint("openunmix:umxl", fetching=Fetching(offline=True, accept_licence=True))


class TestSCNet:
    @pytest.fixture
    def served(self, monkeypatch):
        made, name = scnet(), "scnet:base"
        content = scnet_file(made)
        with serving({"/a.ckpt": content}) as running:
            digest = hashlib.sha256(content).hexdigest()
            file = published.PublishedFile(url=f"{running.url}/a.ckpt", sha256=digest, megabytes=1)
            small = replace(PUBLISHED[name], files=(file,), config=made.config)
            monkeypatch.setitem(PUBLISHED, name, small)
            yield running

    def test_its_checkpoint_is_fetched_once_with_its_terms_and_scores(self, served):
        path = find_checkpoint("scnet", fetching=Fetching())
        loaded, made = load_network(path), scnet()
        for key, tensor in made.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], tensor)
        assert loaded.config.stft.window == "rectangular"
        assert find_checkpoint("scnet:base", fetching=Fetching(offline=True)) == path
        assert len(served.requests) == 1
        card = read_any_card(path)[1]
        assert card.license.startswith("MIT")
        assert card.scores[0]["mean"] == 9.0

    def test_another_file_in_its_place_is_refused(self, served):
        served.files["/a.ckpt"] = b"PK\3\4 something else"
        with pytest.raises(DownloadError, match="not the file that was expected"):
            find_checkpoint("scnet", fetching=Fetching())
        assert stored_models() == {}


def test_networks_of_one_shape_are_told_apart_by_their_digests():
    umx, umxhq = PUBLISHED["openunmix:umx"], PUBLISHED["openunmix:umxhq"]
    assert umx.config == umxhq.config
    for model in (umx, umxhq):
        digests = [file.sha256 + "0" * 56 for file in model.files]
        assert published_like(model.config, digests) is model
        assert not model.is_from(digests[:3])
    assert published_name("openunmix") == "openunmix:umxhq"


@pytest.mark.usefixtures("server")
class TestImport:
    def test_an_archive_gets_the_name_and_the_terms_of_what_it_is(self, archives, tmp_path):
        (tmp_path / "anything").write_bytes(archives["5stems"])
        name, path = import_file(tmp_path / "anything")
        assert (name, path) == ("spleeter:5stems", stored_path("spleeter:5stems"))
        assert "MIT" in read_any_card(path)[1].license
        assert find_checkpoint("spleeter:5stems") == path

    def test_other_weights_of_that_shape_get_the_name_without_the_terms(self, tmp_path):
        (tmp_path / "a").write_bytes(spleeter_archive(tmp_path, "2stems", seed=1))
        card = read_any_card(import_file(tmp_path / "a")[1])[1]
        assert card.license == "not stated"
        assert card.description == "in the place of spleeter:2stems, from another file"

    def test_a_checkpoint_is_taken_over_with_its_card(self, tmp_path):
        made = small_spleeter()
        card = Card(license="CC0", training_data="noise")
        save_network(tmp_path / "mine.safetensors", made.state_dict(), made.config, card)
        name, path = import_file(tmp_path / "mine.safetensors")
        assert name == "mine"
        config, kept = read_any_card(path)
        assert (config, kept.license) == (made.config, "CC0")
        assert kept.sources[0]["file"] == "mine.safetensors"
        assert torch.equal(load_network(path).networks[0].head.weight, made.networks[0].head.weight)

    def test_a_file_that_is_none_leaves_nothing(self, tmp_path):
        (tmp_path / "a.safetensors").write_bytes(b"noise")
        with pytest.raises(WeightsError, match="not a checkpoint"):
            import_file(tmp_path / "a.safetensors")
        assert stored_models() == {}

    def test_what_is_there_is_only_replaced_when_told_so(self, archives, tmp_path):
        (tmp_path / "a").write_bytes(archives["2stems"])
        _, path = import_file(tmp_path / "a", output=tmp_path / "out.safetensors")
        assert (path, stored_models()) == (tmp_path / "out.safetensors", {})
        with pytest.raises(WeightsError, match=r"out.safetensors' is there already: use --over"):
            import_file(tmp_path / "a", output=path)
        assert import_file(tmp_path / "a", output=path, overwrite=True)[1] == path

    @pytest.mark.parametrize("name", ["", "../a", "a/b", "a:b:c", ".hidden", "a:", "é", "a\n"])
    def test_names_that_are_none_are_refused(self, archives, tmp_path, name):
        (tmp_path / "a").write_bytes(archives["2stems"])
        with pytest.raises(ParameterError, match="cannot name a network"):
            stored_path(name)
        assert stored_models() == {}


class TestAddresses:
    @pytest.fixture
    def url(self, server, tmp_path):
        made = small_spleeter()
        save_network(tmp_path / "a", made.state_dict(), made.config, Card(license="CC0"))
        server.files["/dir/mine.v2.safetensors"] = (tmp_path / "a").read_bytes()
        return f"{server.url}/dir/mine.v2.safetensors"

    def test_a_network_at_any_address_is_fetched_once(self, server, url):
        lines = Lines()
        path = find_checkpoint(url, fetching=lines.fetching())
        assert stored_models() == {"mine.v2": path}
        assert find_checkpoint(url, fetching=lines.fetching(offline=True)) == path
        assert find_checkpoint("mine.v2") == path
        assert len(server.requests) == 1
        assert lines == [f"mine.v2: from {url.split('/')[2]}; terms: not known to stemsep"]
        assert read_any_card(path)[1].sources[0]["url"] == url

    def test_another_address_does_not_replace_it(self, server, url):
        find_checkpoint(url, fetching=Fetching())
        server.files["/mine.v2.safetensors"] = server.files["/dir/mine.v2.safetensors"]
        with pytest.raises(WeightsError, match=r"another 'mine.v2': choose another --name"):
            store.fetch_address(f"{server.url}/mine.v2.safetensors", Fetching())
        other = store.fetch_address(f"{server.url}/mine.v2.safetensors", Fetching(), name="other")
        assert set(stored_models()) == {"mine.v2", "other"}
        assert other == stored_path("other")

    def test_its_digest_is_checked(self, url):
        with pytest.raises(DownloadError, match="not the file that was expected"):
            store.fetch_address(url, Fetching(), sha256="0" * 64)

    def test_offline_and_what_is_no_network_are_one_line(self, server, url):
        with pytest.raises(DownloadError, match=r"offline, and 'mine.v2' is not here"):
            find_checkpoint(url, fetching=Fetching(offline=True))
        server.files["/page"] = b"<html>"
        with pytest.raises(WeightsError, match="no network that stemsep can read"):
            find_checkpoint(f"{server.url}/page", fetching=Fetching())
        assert stored_models() == {}


def test_networks_are_removed_by_name(archives, tmp_path):
    (tmp_path / "a").write_bytes(archives["2stems"])
    import_file(tmp_path / "a")
    with pytest.raises(WeightsError, match=r"no network 'spleeter:4stems'.*has: spleeter:2stems"):
        remove("spleeter:4stems")
    assert not remove("spleeter:2stems").exists()
    with pytest.raises(WeightsError, match="has: none"):
        remove("spleeter:2stems")


def test_a_shipped_name_is_never_hidden_by_a_stored_one(archives, tmp_path):
    (tmp_path / "a").write_bytes(archives["2stems"])
    import_file(tmp_path / "a", name="default")
    assert find_checkpoint("default") == catalog.shipped_checkpoints()["default"]


def test_terms_that_must_be_accepted_are(server, monkeypatch):
    name = "spleeter:2stems"
    monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], accept_licence=True))
    with pytest.raises(WeightsError, match=r"MIT.*download spleeter:2stems --accept-licence"):
        find_checkpoint(name, fetching=Fetching())
    assert server.requests == []
    path = find_checkpoint(name, fetching=Fetching(accept_licence=True))
    assert find_checkpoint(name, fetching=Fetching()) == path


def test_what_can_be_had_is_told_with_its_terms_before_it_is_here(server, archives, tmp_path):
    told = {model["name"]: model for model in describe_all()}
    assert next(iter(told)) == "default"
    assert told["spleeter:4stems"] == describe("spleeter")
    away = describe("spleeter:5stems")
    assert (away["file"], away["megabytes"], len(away["stems"])) == (None, 1, 5)
    assert json.loads(json.dumps(told, allow_nan=False)).keys() == told.keys()
    (tmp_path / "a").write_bytes(archives["5stems"])
    import_file(tmp_path / "a")
    here = describe("spleeter:5stems")
    assert here["file"] == str(stored_path("spleeter:5stems"))
    same = {"license", "parameters", "gmac_per_second", "stems", "network", "description", "scores"}
    assert {key: here[key] for key in same} == {key: away[key] for key in same}
    assert len(told) == len(PUBLISHED) + len(catalog.shipped_checkpoints())


def test_a_store_that_cannot_be_written_is_one_line(server, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STEMSEP_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(DownloadError, match=r"cannot write to .*STEMSEP_CACHE name another folder"):
        find_checkpoint("spleeter:2stems", fetching=Fetching())


def test_the_platform_s_folder_is_used_when_none_is_chosen(monkeypatch, tmp_path):
    monkeypatch.delenv("STEMSEP_CACHE")
    monkeypatch.setattr(store.platformdirs, "user_cache_path", lambda name, **_: tmp_path / name)
    assert stored_path("a") == tmp_path / "stemsep" / "models" / "a.safetensors"


def test_published_networks_are_described_in_full():
    for name, model in PUBLISHED.items():
        assert name == model.name
        assert model.license
        assert model.training_data
        assert all(file.url.startswith("https://") for file in model.files)
        for file in model.files:
            assert file.sha256 == file.sha256.lower()
            assert len(file.sha256) in (0, 8, 64)
