import subprocess
import sys

import pytest

from stemsep.cli import memory
from stemsep.cli.memory import keep_freed_memory

# Pages that ten rounds of 64 MB touch for the first time, after a round that is not counted.
COUNT_PAGES = """
import resource, sys
from stemsep.cli.memory import keep_freed_memory

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


# Arenas of the C library after threads have allocated.
COUNT_ARENAS = """
import ctypes, sys, threading
from stemsep.cli.memory import keep_freed_memory

print(keep_freed_memory() if sys.argv[1] == "keep" else True)
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
started = threading.Barrier(4)

def allocate():
    libc.malloc(1000)
    started.wait()

threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.stdout.flush()
libc.malloc_stats()
"""


def count_arenas(how):
    command = [sys.executable, "-c", COUNT_ARENAS, how]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return ran.stdout.strip() == "True", ran.stderr.count("Arena ")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_all_threads_allocate_from_one_arena():
    done, arenas = count_arenas("keep")
    if not done:
        pytest.skip("another C library")
    assert arenas == 1
    assert count_arenas("as it was")[1] > 1
