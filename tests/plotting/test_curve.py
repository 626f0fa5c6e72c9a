import pytest

from stemsep.plotting.curve import learning_curve

LOG = [
    {"step": 10, "loss": 3.0, "score": 1.0},
    {"step": 20, "loss": None, "score": 4.0},
    {"step": 30, "loss": 1.0, "score": 2.0},
]


def lines(log):
    figure = learning_curve(log)
    left, right = figure.axes
    return left, right


def test_loss_and_score_are_drawn_over_the_steps_and_the_best_is_told():
    left, right = lines(LOG)
    assert left.lines[0].get_xdata().tolist() == [10, 20, 30]
    assert left.lines[0].get_ydata()[[0, 2]].tolist() == [3, 1]
    assert right.lines[0].get_ydata().tolist() == [1, 4, 2]
    assert left.get_title() == "best score 4 at step 20"


@pytest.mark.parametrize("log", [[], LOG[:1], [{"step": 1, "loss": 1.0, "score": None}]])
def test_runs_of_one_validation_or_none_are_drawn_too(log, tmp_path):
    learning_curve(log).savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
