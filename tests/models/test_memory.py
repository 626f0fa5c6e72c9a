import subprocess
import sys

import pytest

from stemsep.models import memory
from stemsep.models.memory import keep_freed_memory

# Pages that ten rounds of 64 MB touch for the first time, after a round that is not counted.
COUNT_PAGES = """
import resource, sys
from stemsep.models.memory import keep_freed_memory

def touched():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

print(keep_freed_memory() if sys.argv[1] == "keep" else True)
b"x" * (64 << 20)
before = touched()
for _ in range(10):
    b"x" * (64 << 20)
print(touched() - before)
"""


def count_pages(how):
    command = [sys.executable, "-c", COUNT_PAGES, how]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    done, pages = ran.stdout.split()
    return done == "True", int(pages)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_freed_memory_is_used_again_without_new_pages():
    done, kept = count_pages("keep")
    if not done:
        pytest.skip("another C library")
    # A hundredth: what the interpreter itself allocates in between.
    assert kept < count_pages("as it was")[1] / 100


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_is_done(monkeypatch, platform):
    monkeypatch.setattr(memory.sys, "platform", platform)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: pytest.fail("C library opened"))
    assert keep_freed_memory() is False


def test_with_another_c_library_on_linux_nothing_is_done(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert keep_freed_memory() is False
