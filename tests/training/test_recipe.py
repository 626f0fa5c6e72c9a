from pathlib import Path

import pytest
import soundfile
import torch

from stemsep.data.musdb import VALID_TRACKS
from stemsep.data.shipped import shipped_folder
from stemsep.data.track import STEMS
from stemsep.errors import DatasetError, RecipeError
from stemsep.models import PRESETS, SpleeterConfig
from stemsep.models.cost import count_parameters
from stemsep.training.distillation import DistillationTask
from stemsep.training.presence import HeardStems
from stemsep.training.recipe import build_task, read_recipe, recipe_cost
from stemsep.training.recipe_file import recipe_text
from stemsep.training.trainable import separator_in
from stemsep.weights.checkpoint import Card, save_network
from tests.networks import recipes_of_sound, small_spleeter, tiny_config, tiny_network
from tests.signals import noise

SMALL = """
[network]
stems = ["vocals", "drums", "bass", "other"]
sample_rate = 8000
n_bins = 128
stft = { n_fft = 256, hop_length = 64 }
unet = { in_channels = 2, out_channels = 2, stems = 4, channels = [4, 4] }

[valid]
path = "valid"

[[sources]]
path = "songs"
"""


def write(folder, text=SMALL, **replaced):
    for old, new in replaced.get("replace", {}).items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def refused(folder, match, **replaced):
    path = write(folder, **replaced)
    with pytest.raises(RecipeError, match=match) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"'{path}': ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", recipes_of_sound(), ids=lambda path: path.stem)
def test_the_shipped_recipes_are_read(path):
    recipe = read_recipe(path)
    assert set(recipe.network.stems) <= {*STEMS, "accompaniment"}
    assert recipe.card.license != "not stated"
    assert recipe.card.training_data != "not stated"


def test_what_the_default_recipe_says_is_what_comes_out():
    recipe = read_recipe(shipped_folder("recipes") / "default.toml")
    assert recipe.frames == 96
    assert recipe.network.unet.channels == (32, 64, 112, 160)
    assert recipe.network.stft.n_fft == 4096
    assert recipe.train.learning_rate == 3e-3
    assert recipe.train.precision == "bf16"
    assert recipe.sources[1].weight == 0.30
    assert recipe.sources[1].reliable["caesium"] == ["vocals", "drums"]
    assert (recipe.valid.kind, recipe.valid.split) == ("musdb", "valid")


def test_what_a_recipe_leaves_out_has_its_default(tmp_path):
    recipe = read_recipe(write(tmp_path))
    assert recipe.train.steps == 4000
    assert recipe.sources[0].weight == 1.0
    assert recipe.augment.speed_range == (0.85, 1.18)


def test_the_card_carries_the_resolved_recipe_without_itself(tmp_path):
    card = read_recipe(write(tmp_path, text=SMALL + '[card]\nlicense = "CC0"\n')).card
    assert card.license == "CC0"
    assert card.recipe["train"]["steps"] == 4000
    assert card.recipe["network"]["stft"]["n_fft"] == 256
    assert "card" not in card.recipe


def test_a_default_that_is_written_out_does_not_change_the_hash_but_another_value_does(tmp_path):
    plain = read_recipe(write(tmp_path)).card.recipe_hash
    assert read_recipe(write(tmp_path, text="frames = 96\n" + SMALL)).card.recipe_hash == plain
    assert read_recipe(write(tmp_path, text="frames = 97\n" + SMALL)).card.recipe_hash != plain


def test_a_whole_number_will_do_where_a_number_is_asked_for(tmp_path):
    assert read_recipe(write(tmp_path, text=SMALL + "weight = 2\n")).sources[0].weight == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[train]\nstep = 3", r"unknown key 'train\.step'; did you mean steps\?"),
        ("[remix]\ngain = 3.0", r"unknown key 'remix\.gain'; did you mean gain_db\?"),
        ("[trian]", r"unknown key 'trian'; did you mean train\?"),
        ("wieght = 1.0", r"unknown key 'sources\[0\]\.wieght'; did you mean weight\?"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path, table, message):
    refused(tmp_path, message, text=f"{SMALL}{table}\n")


def test_a_key_like_no_other_lists_all(tmp_path):
    refused(
        tmp_path,
        r"'network\.stft\.zzz'; did you mean n_fft, hop_length, window\?",
        replace={"hop_length = 64": "zzz = 1"},
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[train]\nsteps = "many"', r"'train\.steps' = 'many': it must be a whole number"),
        ("[train]\nsteps = 2.5", r"'train\.steps' = 2\.5: it must be a whole number"),
        ("[train]\nsteps = true", r"'train\.steps' = True: it must be a whole number"),
        ('[train]\nema = "0.9"', r"'train\.ema' = '0\.9': it must be a number"),
        ('[train]\nprecision = "fp8"', r"'train\.precision' = 'fp8': it must be one of fp32, bf16"),
        (
            "[augment]\nspeed_range = [1.0]",
            r"speed_range' = \[1\.0\]: it must be a list of 2, each",
        ),
        ("exclude = 'a'", r"'sources\[0\]\.exclude' = 'a': it must be a list, each item a text"),
        ("exclude = [1]", r"'sources\[0\]\.exclude' = \[1\]: it must be a list, each item a text"),
        ("reliable = ['a']", r"'sources\[0\]\.reliable' = \['a'\]: it must be a table"),
        ("reliable = { a = 'b' }", r"'sources\[0\]\.reliable' = .*: it must be a table"),
        ("[card]\nlicense = 3", r"'card\.license' = 3: it must be a text"),
    ],
)
def test_an_ill_typed_value_names_key_value_and_type(tmp_path, table, message):
    refused(tmp_path, message, text=f"{SMALL}{table}\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("channels = [4, 4]", "channels = 3", r"'network\.unet\.channels' = 3: it must be a list"),
        ("channels = [4, 4]", "channels = [4.5]", r"channels' = \[4\.5\]: .*each item a whole"),
        ("stft = { n_fft = 256, hop_length = 64 }", "stft = 3", r"'network\.stft' = 3: .* a table"),
        ("[[sources]]", "[sources]", r"'sources' must be a list of tables, \[\[sources\]\]"),
    ],
)
def test_an_ill_typed_part_is_named(tmp_path, old, new, message):
    refused(tmp_path, message, replace={old: new})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('[[sources]]\npath = "songs"', "", "missing key 'sources'"),
        ('[[sources]]\npath = "songs"', "[[sources]]", r"'sources\[0\]'.*name the folder"),
        ('[valid]\npath = "valid"', "", "in 'valid'.*name the folder"),
        ("sample_rate = 8000", "", r"missing key 'network\.sample_rate'"),
    ],
)
def test_a_missing_section_or_key_is_named(tmp_path, old, new, message):
    refused(tmp_path, message, replace={old: new})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[train]\nsteps = 0", "in 'train': steps = 0: it must be 1 or more"),
        ("[remix]\nsilence = 2", "in 'remix': silence = 2: it is a probability"),
        ("weight = 0", r"in 'sources\[0\]': weight = 0: it must be above 0"),
    ],
)
def test_a_value_out_of_range_names_its_section(tmp_path, table, message):
    refused(tmp_path, message, text=f"{SMALL}{table}\n")


@pytest.mark.parametrize("split", ["valid", "test"])
def test_what_is_kept_for_scoring_is_no_source(tmp_path, split):
    table = f'kind = "musdb"\nsplit = "{split}"'
    refused(tmp_path, f"split = '{split}': only 'train' is to be", text=f"{SMALL}{table}\n")


def test_keys_of_another_kind_of_source_are_refused(tmp_path):
    refused(tmp_path, "split goes with kind = 'musdb'", text=SMALL + 'split = "valid"\n')
    table = 'kind = "stems"\nreliable = { a = ["bass"] }\n'
    refused(tmp_path, "reliable goes with kind = 'folder'", text=SMALL + table)


def test_an_excerpt_needs_two_frames(tmp_path):
    refused(tmp_path, "frames = 1: it must be 2 or more", text="frames = 1\n" + SMALL)


@pytest.mark.parametrize("content", [b"frames = ", b"\xff\xfe"])
def test_what_is_no_toml_is_named(tmp_path, content):
    (tmp_path / "recipe.toml").write_bytes(content)
    with pytest.raises(RecipeError, match=r"recipe\.toml' is not TOML"):
        read_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_missing_file_or_a_folder_is_named(tmp_path, name):
    with pytest.raises(RecipeError, match="cannot read the recipe '"):
        read_recipe(Path(tmp_path, name))


def test_a_recipe_without_its_data_names_the_folder(tmp_path):
    with pytest.raises(DatasetError, match=r"no folder '.*songs'"):
        build_task(read_recipe(write(tmp_path)), tmp_path)


MADE = """
[valid]
kind = "synthetic"
tracks = 1
seconds = 2.5
seed = 1

[[sources]]
kind = "synthetic"
tracks = 2
seconds = 1.0
"""


def made(network):
    return f"{network}\n{MADE}"


def test_a_network_can_be_a_preset_by_name(tmp_path):
    assert read_recipe(write(tmp_path, made('network = "fast"'))).network == PRESETS["fast"]
    spleeter = read_recipe(write(tmp_path, made('network = "spleeter"'))).network
    assert isinstance(spleeter, SpleeterConfig)
    message = r"'network' = 'milesial': choose from .*spleeter.*default"
    refused(tmp_path, message, text=made('network = "milesial"'))
    refused(tmp_path, "missing key 'network'", text=MADE)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "first.safetensors"
    network = tiny_network(seed=5)
    card = Card(license="by permission", training_data="the band")
    save_network(path, network.state_dict(), network.config, card)
    return path


def test_a_checkpoint_to_go_on_from_brings_its_network_weights_and_terms(tmp_path, checkpoint):
    text = made(f"init = '{checkpoint}'") + '[card]\nlicense = "CC0"\ntraining_data = "mine"\n'
    recipe = read_recipe(write(tmp_path, text))
    assert recipe.network == tiny_config()
    assert recipe.card.license == "CC0; of the network it goes on from: by permission"
    assert recipe.card.training_data == "mine; before that: the band"
    task = build_task(recipe, None)
    for name, tensor in tiny_network(seed=5).state_dict().items():
        assert torch.equal(task.network.state_dict()[name], tensor)


def test_another_network_than_that_of_the_checkpoint_is_refused(tmp_path, checkpoint):
    text = f"init = '{checkpoint}'\n{SMALL}"
    refused(tmp_path, "'network' is not that of 'init'.*leave it out", text=text)


def test_a_teacher_makes_it_a_distillation(tmp_path, checkpoint):
    text = made(f"init = '{checkpoint}'") + f"[teacher]\nmodels = ['{checkpoint}']\n"
    task = build_task(read_recipe(write(tmp_path, text)), None)
    assert isinstance(task, DistillationTask)
    with torch.no_grad():
        batch = task.batch(0, range(1))
        assert torch.isfinite(task.loss(task.network, batch))


@pytest.mark.parametrize("before", [0, 6, 8])
def test_presence_is_learned_by_a_new_part_of_the_network_or_the_one_it_has(tmp_path, before):
    first = tiny_network(seed=5, presence=before, freq_bins=128)
    path = tmp_path / "first.safetensors"
    save_network(path, first.state_dict(), first.config, Card())
    text = made(f"init = '{path}'") + "[presence]\nwidth = 6\n"
    recipe = read_recipe(write(tmp_path, text))
    assert recipe.network == tiny_config(presence=6, freq_bins=128)
    task = build_task(recipe, None)
    weights = separator_in(task.network).state_dict()
    for name, tensor in first.state_dict().items():
        if before == 6 or "presence" not in name:
            assert torch.equal(weights[name], tensor)
    assert isinstance(task.network, HeardStems)
    with torch.no_grad():
        assert torch.isfinite(task.loss(task.network, task.batch(0, range(2))))
    assert recipe_cost(recipe).parameters < count_parameters(first) + 6000
    # The recipe that a run keeps has the network, too.
    (tmp_path / "kept.toml").write_text(recipe_text(recipe))
    assert read_recipe(tmp_path / "kept.toml").network == recipe.network


def test_presence_without_what_it_needs_is_refused(tmp_path, checkpoint):
    presence = "[presence]\nwidth = 6\n"
    refused(tmp_path, "no U-Net with freq_bins", text=made(f"init = '{checkpoint}'") + presence)
    refused(tmp_path, "width = 6: it goes with 'init'", text=SMALL + presence)
    spleeter = tmp_path / "spleeter.safetensors"
    save_network(spleeter, small_spleeter().state_dict(), small_spleeter().config, Card())
    refused(tmp_path, "is no U-Net with", text=made(f"init = '{spleeter}'") + presence)


def test_songs_made_from_notes_need_no_data_folder_and_others_say_so(tmp_path, checkpoint):
    task = build_task(read_recipe(write(tmp_path, made(f"init = '{checkpoint}'"))), None)
    assert len(task.valid) == 1
    assert len(set(task.sources(0, range(20)))) == 2
    with pytest.raises(DatasetError, match=r"wants 'songs': name the folder.*--data"):
        build_task(read_recipe(write(tmp_path)), None)


def test_the_validation_tracks_of_musdb_are_never_drawn_for_training(tmp_path, checkpoint):
    for name in ("New - Song", *VALID_TRACKS[:3]):
        for stem in STEMS:
            path = tmp_path / "musdb" / "train" / name / f"{stem}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, noise(2, 20_000, seed=len(name + stem)).T, 8000)
    parts = {"[[sources]]": "", "[valid]": 'split = "valid"'}
    tables = [f'{head}\nkind = "musdb"\npath = "musdb"\n{more}\n' for head, more in parts.items()]
    text = f"init = '{checkpoint}'\n" + "".join(tables)
    task = build_task(read_recipe(write(tmp_path, text)), tmp_path)
    assert {track.name for track in task.valid} == set(VALID_TRACKS[:3])
    assert set(task.sources(0, range(200))) == {"New - Song"}


def test_decoded_sound_is_kept_in_the_users_cache_folder_where_asked_for(
    tmp_path, checkpoint, monkeypatch
):
    monkeypatch.setattr("stemsep.training.recipe.user_cache_dir", lambda name: tmp_path / name)
    for song in ("songs/a", "valid/b"):
        for stem in STEMS:
            (tmp_path / song).mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / song / f"{stem}.wav", noise(2, 20_000).T, 8000)
    text = f"init = '{checkpoint}'\ncache = 'disk'\n" + SMALL[SMALL.index("[valid]") :]
    build_task(read_recipe(write(tmp_path, text)), tmp_path)
    assert len(list((tmp_path / "stemsep" / "decoded").glob("*.npy"))) == 8
