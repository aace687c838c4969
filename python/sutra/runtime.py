"""Engines of this process, the library's log, and the thread that passes on what is done.

One engine for each setting, made when first wanted and kept until the process ends; in the child of a fork anew. Lines of
the engines' logs wait in the native part, since they come while locks are held, and go to the logger "sutra" when a
call returns.
"""
from __future__ import annotations

import itertools
import logging
import os
import threading
from typing import Any, Callable, NamedTuple

from ._native import ffi, lib
from .exceptions import fail

logger = logging.getLogger("sutra")

_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO)


class EngineSettings(NamedTuple):
    devices: str = "cpu"
    num_threads: int = 0
    cache_bytes: int = 0
    plugins: str = ""


_engines: dict[EngineSettings, Any] = {}
_lock = threading.Lock()


def engine(settings: EngineSettings) -> Any:
    found = _engines.get(settings)
    return found if found is not None else _make_engine(settings)


def _make_engine(settings: EngineSettings) -> Any:
    with _lock:
        if settings in _engines:
            return _engines[settings]
        options, _kept = _options(settings)
        made, err = ffi.new("SutraEngine **"), ffi.new("SutraError *")
        status = lib.sutra_engine_create(options, made, err)
        pass_on_log()
        if status:
            fail(status, err)
        _engines[settings] = made[0]
        return made[0]


def _options(settings: EngineSettings) -> tuple[Any, Any]:
    """SutraEngineOptions, and the strings that they borrow."""
    options = ffi.new("SutraEngineOptions *")
    options.struct_size = ffi.sizeof("SutraEngineOptions")
    devices = ffi.new("char[]", os.fsencode(settings.devices))
    plugins = ffi.new("char[]", os.fsencode(settings.plugins))
    options.devices = devices
    options.plugins = plugins if settings.plugins else ffi.NULL
    options.num_threads = settings.num_threads
    options.cache_bytes = settings.cache_bytes
    options.max_queued_tokens = 2**64 - 1
    options.log = ffi.addressof(lib, "glue_log")
    return options, (devices, plugins)


def choose(settings: EngineSettings, model: Any) -> EngineSettings:
    """With the faster device in place of "auto", which the log says, for a model."""
    options, _kept = _options(settings)
    choice, err = ffi.new("SutraDeviceChoice *"), ffi.new("SutraError *")
    choice.struct_size = ffi.sizeof("SutraDeviceChoice")
    status = lib.sutra_device_choose(model, options, choice, err)
    if status:
        fail(status, err)
    reason = ffi.string(choice.reason).decode("utf-8", "replace")
    if reason:
        logger.info("device: %s", reason)
    return settings._replace(devices=ffi.string(choice.device).decode())


def pass_on_log() -> None:
    if not lib.glue_log_count():
        return
    level, lost, line = ffi.new("int *"), ffi.new("unsigned *"), ffi.new("char[512]")
    while lib.glue_log_take(level, line, 512, lost):
        if lost[0]:
            logger.warning("%d lines of the engine's log were lost", lost[0])
        logger.log(_LEVELS[min(max(level[0], 0), 2)], "%s", ffi.string(line).decode("utf-8", "replace"))


# ---- what is done ----

_numbers = itertools.count(1)
_waiting: dict[int, Callable[[], None]] = {}  # by a notice's number: what to do when it is posted
_messenger: threading.Thread | None = None


def watch(action: Callable[[], None]) -> Any:
    """A notice; action is called by the messenger's thread each time that it is posted."""
    global _messenger
    with _lock:
        if _messenger is None:
            _messenger = threading.Thread(target=_deliver, name="sutra-messenger", daemon=True)
            _messenger.start()
    number = next(_numbers)
    notice = lib.glue_notice_create(number)
    if not notice:
        raise MemoryError("out of memory")
    _waiting[number] = action
    return notice


def forget(notice: Any) -> None:
    """Once no more posts can come."""
    _waiting.pop(notice.id, None)
    lib.glue_notice_free(notice)


def _deliver() -> None:
    while True:
        action = _waiting.get(lib.glue_notice_wait())
        if action is not None:
            try:
                action()
            except RuntimeError:  # its loop is closed
                pass


def _after_fork() -> None:
    global _lock, _messenger
    _lock = threading.Lock()
    _messenger = None
    _engines.clear()
    _waiting.clear()
    lib.glue_after_fork()


os.register_at_fork(after_in_child=_after_fork)
