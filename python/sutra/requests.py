"""Requests on their way through the engine: at once, as jobs that Ctrl-C can end, or awaited.

A request of the main thread that may take long goes to the engine in slices, as jobs, of which a few are there at a time:
the wait for them ends when a signal comes, and the engine is never without work. Anything else is one call that writes
its rows where they are to be.
"""
from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from typing import Any, Callable, Iterator

import numpy as np

from . import runtime
from ._native import ffi, lib
from .exceptions import error_of, fail
from .inputs import Texts

NULL = ffi.NULL
SLICE = 1024  # texts of a job
AT_ONCE = 4  # jobs at the engine
SHORT = 2048  # bytes of texts that take too short to be interrupted
PATIENCE_NS = 50_000_000  # between two looks at signals

ITEM_DTYPE = np.dtype(
    {
        "names": ["status", "tokens_seen", "tokens_used", "flags", "queue_ns", "tokenize_ns", "compute_ns", "windows"],
        "formats": ["<u4", "<u4", "<u4", "<u4", "<u8", "<u8", "<u8", "<u4"],
        "offsets": [ffi.offsetof("SutraItem", name) for name in
                    ("status", "tokens_seen", "tokens_used", "flags", "queue_ns", "tokenize_ns", "compute_ns", "windows")],
        "itemsize": ffi.sizeof("SutraItem"),
    }
)


class Request:
    """Texts, options, and where rows and items go. With rows None the vectors of tokens are collected in `tokens`."""

    __slots__ = ("engine", "model", "texts", "options", "rows", "items", "tokens", "keep", "what")

    def __init__(self, engine: Any, model: Any, texts: Texts, options: Any, rows: np.ndarray | None, what: str) -> None:
        self.engine, self.model, self.texts, self.options, self.rows = engine, model, texts, options, rows
        self.items = ffi.new("SutraItem[]", texts.n)
        self.tokens: list[np.ndarray] = []
        self.keep: Any = None
        self.what = what

    def take(self, result: Any, first: int) -> None:
        """Rows and items of a job whose texts begin at `first`."""
        view, err = ffi.new("SutraResultView *"), ffi.new("SutraError *")
        view.struct_size = ffi.sizeof("SutraResultView")
        status = lib.sutra_result_view(result, view, err)
        if status:
            fail(status, err)
        n = view.num_items
        ffi.memmove(self.items + first, view.items, n * ffi.sizeof("SutraItem"))
        if self.rows is not None:
            size = view.row_bytes
            place = ffi.from_buffer(self.rows)
            ffi.memmove(place + first * size, view.data, n * size)
            return
        for i in range(n):
            begin, end = view.offsets[i], view.offsets[i + 1]
            vectors = np.empty((end - begin, view.dim), np.float32)
            if end > begin:
                start = ffi.cast("const char *", view.data) + begin * view.row_bytes
                ffi.memmove(ffi.from_buffer(vectors), start, vectors.nbytes)
            self.tokens.append(vectors)

    def end(self) -> None:
        """What is to be said when all is done."""
        runtime.pass_on_log()
        cut = lib.glue_truncated(self.items, self.texts.n)
        if cut:
            seen = np.frombuffer(ffi.buffer(self.items), ITEM_DTYPE)["tokens_seen"].max()
            runtime.logger.warning("%s: %d of %d texts were cut to the model's length; the longest has %d tokens",
                                   self.what, cut, self.texts.n, seen)


class Progress:
    """A line on stderr: texts done of all."""

    def __init__(self, total: int) -> None:
        self.total = total

    def __call__(self, done: int) -> None:
        sys.stderr.write(f"\r{done}/{self.total} texts" + ("\n" if done == self.total else ""))
        sys.stderr.flush()


def run(request: Request, progress: Callable[[int], None] | None = None) -> None:
    texts = request.texts
    if not texts.n:
        return
    if request.rows is not None and progress is None and (
            texts.num_bytes <= SHORT or threading.current_thread() is not threading.main_thread()):
        err = ffi.new("SutraError *")
        rows = request.rows
        status = lib.sutra_embed_into(request.engine, request.model, texts.inputs, texts.n, request.options,
                                      ffi.from_buffer(rows), rows.nbytes, request.items, err)
        if status:
            runtime.pass_on_log()
            fail(status, err)
    else:
        _run_jobs(request, progress)
    request.end()


def _slices(n: int) -> Iterator[tuple[int, int]]:
    return ((first, min(SLICE, n - first)) for first in range(0, n, SLICE))


def _submit(request: Request, first: int, count: int, done: Any, user: Any, job: Any) -> None:
    err = ffi.new("SutraError *")
    status = lib.sutra_submit(request.engine, request.model, request.texts.inputs + first, count, request.options,
                              done, user, job, err)
    if status:
        fail(status, err, first)


def _run_jobs(request: Request, progress: Callable[[int], None] | None) -> None:
    waiting: deque[tuple[Any, Any, int, int]] = deque()
    slices = _slices(request.texts.n)
    err = ffi.new("SutraError *")
    try:
        while True:
            while len(waiting) < AT_ONCE and (piece := next(slices, None)):
                job, result = ffi.new("SutraJob **"), ffi.new("SutraResult **")
                waiting.append((job, result, *piece))
                _submit(request, *piece, NULL, NULL, job)
            if not waiting:
                return
            job, result, first, count = waiting[0]
            status = lib.sutra_job_wait(job[0], PATIENCE_NS, result, err)
            if status == lib.SUTRA_E_TIMEOUT and not result[0]:
                continue
            if status:
                fail(status, err, first)
            request.take(result[0], first)
            _give_back(*waiting.popleft()[:2])
            if progress:
                progress(first + count)
    finally:
        for job, result, _, _ in waiting:
            _give_back(job, result)


def _give_back(job: Any, result: Any) -> None:
    lib.sutra_result_free(result[0])
    lib.sutra_job_cancel(job[0])
    lib.sutra_job_free(job[0])


class _Awaited:
    """A job whose end a loop is told."""

    def __init__(self, request: Request, first: int, count: int) -> None:
        self.first = first
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = loop.create_future()
        self.job = ffi.new("SutraJob **")
        self.is_forgotten = False
        self.notice = runtime.watch(lambda: self._posted(loop))
        try:
            _submit(request, first, count, ffi.addressof(lib, "glue_job_done"), self.notice, self.job)
        except BaseException:
            runtime.forget(self.notice)
            raise

    def _posted(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            self.forget()

    def _wake(self) -> None:
        if self.is_forgotten:
            self.forget()
        elif not self.future.done():
            self.future.set_result(None)

    def forget(self) -> None:
        lib.sutra_job_free(self.job[0])
        self.job[0] = NULL
        runtime.forget(self.notice)

    def give_up(self) -> None:
        """The notice stays until the job has ended."""
        if self.future.done() and not self.future.cancelled():
            self.forget()
        else:
            self.is_forgotten = True
            lib.sutra_job_cancel(self.job[0])


async def run_async(request: Request) -> None:
    waiting: deque[_Awaited] = deque()
    slices = _slices(request.texts.n)
    try:
        while True:
            while len(waiting) < AT_ONCE and (piece := next(slices, None)):
                waiting.append(_Awaited(request, *piece))
            if not waiting:
                break
            awaited = waiting[0]
            await awaited.future
            notice = awaited.notice
            if notice.error.status:
                raise error_of(notice.error.status, ffi.addressof(notice, "error"), awaited.first)
            request.take(notice.result, awaited.first)
            waiting.popleft().forget()
    finally:
        for awaited in waiting:
            awaited.give_up()
    request.end()
