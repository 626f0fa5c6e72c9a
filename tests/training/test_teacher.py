import pytest
import torch

from stemsep.errors import ParameterError, RecipeError
from stemsep.training.teacher import Teacher, TeacherConfig
from tests.networks import STEMS, tiny_config, tiny_network
from tests.signals import noise


def mixture():
    return torch.from_numpy(noise(2, 2000))[None].repeat(3, 1, 1)


class Fixed(torch.nn.Module):
    """Masks that are the same in every bin."""

    def __init__(self, *shares):
        super().__init__()
        self.shares, self.config = torch.tensor(shares), tiny_config()

    def forward(self, magnitude):
        return self.shares[None, :, None, None, None] * torch.ones_like(magnitude)[:, None]


def teacher(*networks, stems=STEMS, **config):
    settings = TeacherConfig(**config)
    return Teacher(networks, stems=stems, sample_rate=8000, config=settings)


def test_the_stems_of_a_teacher_are_its_share_of_the_mixture():
    stems, sure = teacher(Fixed(0.4, 0.3, 0.2, 0.1)).stems(mixture())
    assert stems.shape == (3, 4, 2, 2000)
    for stem, share in enumerate((0.4, 0.3, 0.2, 0.1)):
        assert torch.allclose(stems[:, stem], share * mixture(), atol=1e-5)
    assert (sure == 1).all()


def test_hard_targets_give_each_bin_to_the_surest_stem():
    stems, _ = teacher(Fixed(0.2, 0.5, 0.2, 0.1), targets="hard").stems(mixture())
    assert torch.allclose(stems[:, 1], mixture(), atol=1e-5)
    assert stems[:, [0, 2, 3]].abs().max() < 1e-6


def test_several_teachers_are_averaged_and_put_in_the_students_order():
    both = teacher(Fixed(1.0, 0.0, 0.0, 0.0), Fixed(0.0, 0.0, 0.5, 0.5), stems=STEMS[::-1])
    stems, _ = both.stems(mixture())
    for stem, share in zip(range(4), (0.25, 0.25, 0.0, 0.5), strict=True):
        assert torch.allclose(stems[:, stem], share * mixture(), atol=1e-5)


def test_only_stems_that_it_is_sure_of_are_taught():
    _, sure = teacher(Fixed(0.9, 0.1, 0.0, 0.0), confidence=0.5).stems(mixture())
    assert sure.tolist() == [[1, 0, 1, 1]] * 3  # what is not there is surely not there


def test_a_teacher_learns_nothing_itself():
    network = tiny_network()
    stems, _ = teacher(network).stems(mixture())
    assert not stems.requires_grad
    assert not network.training


def test_teachers_that_do_not_fit_are_refused():
    with pytest.raises(RecipeError, match=r"separates vocals, drums, bass, other.*student vocals"):
        teacher(tiny_network(), stems=("vocals", "accompaniment"))
    with pytest.raises(ParameterError, match="confidence = 2"):
        TeacherConfig(confidence=2.0)
    with pytest.raises(ParameterError, match="targets = 'medium': choose from soft, hard"):
        TeacherConfig(targets="medium")
