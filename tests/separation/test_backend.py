import numpy as np
import onnx
import pytest
import torch

from stemsep import Separator
from stemsep.errors import ParameterError, WeightsError
from stemsep.separation.chunking import ChunkConfig
from stemsep.weights import onnx_cache
from stemsep.weights.checkpoint import Card, save_network
from tests.exported import exported_default
from tests.networks import tiny_network
from tests.signals import noise


def test_onnxruntime_gives_the_stems_that_torch_gives():
    song = noise(2, 3 * 44_100)
    torch_stems = Separator.from_pretrained(precision="fp32").separate(song, 44_100)
    onnx_stems = Separator.from_pretrained(exported_default()).separate(song, 44_100)
    for name, stem in torch_stems.items():
        assert float((stem - onnx_stems[name]).abs().max()) < 1e-4


def test_pieces_and_the_whole_are_equal_to_the_bit():
    chunks = ChunkConfig(core_frames=32, context_frames=16)
    separator = Separator.from_pretrained(exported_default(), chunks=chunks)
    song = noise(2, 100_000)
    whole = separator.separate(song, 44_100)
    pieces = list(separator.stream(np.array_split(song, 7, axis=1), 44_100))
    for name in separator.stems:
        assert torch.equal(torch.cat([piece[name] for piece in pieces], -1), whole[name])


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"precision": "bf16"}])
def test_what_onnxruntime_does_not_do_here_is_refused(options):
    with pytest.raises(ParameterError, match="CPU in fp32"):
        Separator.from_pretrained(exported_default(), **options)


def test_an_onnx_file_is_not_for_torch():
    with pytest.raises(ParameterError, match="backend"):
        Separator.from_pretrained(exported_default(), backend="torch")
    with pytest.raises(ParameterError, match="torch or onnx"):
        Separator.from_pretrained(backend="tensorflow")


@pytest.mark.parametrize("content", [b"", b"not a network"])
def test_a_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.onnx") as error:
        Separator.from_pretrained(tmp_path / "bad.onnx")
    assert "\n" not in str(error.value)


def test_somebody_elses_onnx_file_is_one_line(tmp_path):
    value = onnx.helper.make_tensor_value_info
    given, made = (value(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "other", [given], [made]
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "other.onnx"
    )
    with pytest.raises(WeightsError, match="no stemsep"):
        Separator.from_pretrained(tmp_path / "other.onnx")


def test_a_checkpoint_is_exported_once(tmp_path, monkeypatch):
    monkeypatch.setenv("STEMSEP_CACHE", str(tmp_path / "cache"))
    network = tiny_network()
    save_network(tmp_path / "a.safetensors", network.state_dict(), network.config, Card())
    song = noise(2, 4000)
    first = Separator.from_pretrained(tmp_path / "a.safetensors", backend="onnx")
    assert len(list((tmp_path / "cache").rglob("*.onnx"))) == 1

    def fail(*_):
        raise AssertionError("exported again")

    monkeypatch.setattr(onnx_cache, "export", fail)
    second = Separator.from_pretrained(tmp_path / "a.safetensors", backend="onnx")
    stems = (separator.separate(song, 8000)["vocals"] for separator in (first, second))
    assert torch.equal(*stems)
