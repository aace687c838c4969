"""Threads, forks, signals, memory, the end of the interpreter."""
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sutra

TEXTS = [f"text number {i} " * (1 + i % 30) for i in range(60)]


def run_program(source, *, timeout=120):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True,
                          timeout=timeout)


def test_eight_threads_get_the_same_bytes(model):
    wanted = model.encode(TEXTS).tobytes()
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: model.encode(TEXTS).tobytes(), range(8)))
    assert set(given) == {wanted}


def test_the_gil_is_released(model):
    """Another thread runs while one is in encode()."""
    steps, ended = 0, threading.Event()

    def work():
        model.encode(TEXTS * 5)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not ended.is_set():
        steps += 1
        ended.wait(0.001)
    thread.join()
    assert steps > 10


def encode_in_child(path, queue):
    queue.put(sutra.Model(path).encode(TEXTS[:20]).tobytes())


def test_a_forked_child_encodes(model):
    wanted = model.encode(TEXTS[:20]).tobytes()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=encode_in_child, args=(model.path, queue)),
                context.Process(target=lambda: queue.put(model.encode(TEXTS[:20]).tobytes()))]
    for child in children:
        child.start()
    assert [queue.get(timeout=120) for _ in children] == [wanted, wanted]
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert model.encode(TEXTS[:20]).tobytes() == wanted


def test_ctrl_c_ends_encode_and_nothing_is_lost(model):
    wanted = model.encode(TEXTS[:20]).tobytes()
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent("""
        import signal, sys, sutra
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell's background job started this
        model = sutra.Model(sys.argv[1])
        model.encode("ready")
        print("ready", flush=True)
        try:
            model.encode(["long text " * 200] * 200_000)
            print("finished")
        except KeyboardInterrupt:
            print("interrupted", len(model.encode(["still", "works"])))
        """), model.path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    threading.Timer(1.0, lambda: process.send_signal(signal.SIGINT)).start()
    output, _ = process.communicate(timeout=300)
    assert (output, process.returncode) == ("interrupted 2\n", 0)
    assert model.encode(TEXTS[:20]).tobytes() == wanted


def test_a_signal_s_exception_gives_all_jobs_back(model):
    class Alarm(Exception):
        pass

    def ring(*_):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(Alarm):
                while True:
                    model.encode(TEXTS * 20)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert model.encode("works").shape == (384,)


def resident_kib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_models_go_without_close(model):
    def use():
        for _ in range(5):
            sutra.Model(model.path).encode(TEXTS[:4])
        gc.collect()
        return resident_kib()

    use()
    first = use()
    assert max(use() for _ in range(3)) - first < 60_000, "five models of 90 MB each are held"


def test_the_interpreter_ends_while_aencode_runs(model):
    ended = run_program(f"""
        import asyncio, sutra
        async def main():
            model = sutra.Model({model.path!r})
            task = asyncio.ensure_future(model.aencode(["long text " * 200] * 3000))
            await asyncio.sleep(0.3)
            print("leaving", flush=True)
        asyncio.run(main())
        """)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "leaving\n", "")


def test_the_interpreter_ends_without_its_loop(model):
    ended = run_program(f"""
        import asyncio, sutra
        model, loop = sutra.Model({model.path!r}), asyncio.new_event_loop()
        task = loop.create_task(model.aencode(["long text " * 200] * 3000))
        loop.run_until_complete(asyncio.sleep(0.3))
        print("leaving", flush=True)
        """)
    assert (ended.returncode, ended.stdout) == (0, "leaving\n")


def test_the_interpreter_ends_while_a_thread_encodes(model):
    ended = run_program(f"""
        import sutra, threading, time
        model = sutra.Model({model.path!r})
        threading.Thread(target=lambda: model.encode(["long text " * 200] * 100_000), daemon=True).start()
        time.sleep(0.5)
        print("leaving", flush=True)
        """)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "leaving\n", "")


def test_auto_is_the_processor_without_plugins(model):
    other = sutra.Model(model.path, device="auto")
    assert other.device == "cpu"
    assert other.encode(TEXTS).tobytes() == model.encode(TEXTS).tobytes()


def test_a_model_is_not_pickled(model):
    with pytest.raises(TypeError, match="pickled"):
        __import__("pickle").dumps(model)


def test_the_program_is_in_the_package():
    ended = subprocess.run([sys.executable, "-m", "sutra", "--version"], capture_output=True, text=True)
    assert ended.returncode == 0 and sutra.__version__ in ended.stdout
