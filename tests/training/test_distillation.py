import numpy as np
import pytest
import torch

from stemsep.data.track import Track
from stemsep.training.distillation import DistillationTask
from stemsep.training.teacher import Teacher, TeacherConfig
from tests.networks import STEMS, tiny_network
from tests.training.test_separation import build, track


def distilled(weight, *, songs=(), teacher=None):
    student = build([track("a"), *songs], [track("c", seed=20)])
    config = TeacherConfig(weight=weight)
    networks = [teacher or tiny_network(seed=3)]
    return DistillationTask(
        student, Teacher(networks, stems=STEMS, sample_rate=8000, config=config)
    )


def test_without_weight_the_teacher_changes_nothing_where_the_stems_are_known():
    task = distilled(0.0)
    batch, network = task.batch(0, range(2)), task.network.eval()
    with torch.no_grad():
        value = task.loss(network, batch).item()
        assert value == pytest.approx(task.student.loss(network, batch).item(), rel=1e-6)


def test_the_loss_goes_from_the_truth_to_the_teacher_with_its_weight():
    tasks = [distilled(weight) for weight in (0.0, 0.5, 1.0)]
    batch, network = tasks[0].batch(0, range(2)), tasks[0].network.eval()
    with torch.no_grad():
        truth, half, taught = (task.loss(network, batch).item() for task in tasks)
        assert half == pytest.approx((truth + taught) / 2, rel=1e-5)
        teacher = tasks[2].teacher.networks[0]
        # Of its own masks a teacher's stems differ by what a spectrum without its last bin loses.
        assert tasks[2].loss(teacher, batch).item() < 0.05 * taught


def test_songs_without_stems_are_learned_from_the_teacher():
    waveform = (0.1 * np.random.default_rng(0).standard_normal((2, 24_000))).astype(np.float32)
    bare = Track(name="bare", sample_rate=8000, stems={}, mixture=waveform)
    task = distilled(0.0, songs=[bare] * 3)
    places = [i for i in range(20) if task.sources(0, range(i, i + 1)) == ["bare"]]
    batch = task.batch(0, range(places[0], places[0] + 1))
    loss = task.loss(task.network, batch)
    loss.backward()
    assert loss.item() > 0
    assert any(p.grad.abs().sum() > 0 for p in task.network.parameters())
    assert task.student.loss(task.network, batch).item() == 0


def test_songs_without_stems_are_enough():
    bare = Track(name="bare", sample_rate=8000, stems={}, mixture=track("a").stems["bass"])
    student = build([bare], [track("c", seed=20)])
    assert student.sources(0, range(5)) == ["bare"]
    assert student.batch(0, range(2))["mixture"].any()


def test_a_student_comes_nearer_to_its_teacher():
    task = distilled(1.0)
    batch = task.batch(0, range(4))
    optimizer = torch.optim.Adam(task.network.parameters(), 1e-2)
    values = []
    for _ in range(15):
        value = task.loss(task.network, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]
