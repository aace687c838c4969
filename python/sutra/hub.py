"""Models by name: the shared cache of Hugging Face's tools, and downloads into it."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

from ._native import ffi, lib
from .exceptions import FileError, error_of, fail
from .runtime import logger

NULL = ffi.NULL


def _text(value: str | os.PathLike[str] | None) -> Any:
    return NULL if value is None else ffi.new("char[]", os.fsencode(value))


def _cache(folder: str | os.PathLike[str] | None) -> bytes:
    if folder is not None:
        return os.fsencode(folder)
    path, err = ffi.new("char[4096]"), ffi.new("SutraError *")
    status = lib.sutra_cache_directory(ffi.addressof(lib, "glue_environment"), path, 4096, err)
    if status:
        fail(status, err)
    return ffi.string(path)


def find(name_or_path: str, revision: str | None, cache_folder: str | os.PathLike[str] | None,
         local_files_only: bool) -> str:
    """Where the model is; downloaded if it is a name whose model is not in the cache."""
    if os.path.exists(name_or_path):
        return name_or_path
    path, err = ffi.new("char[4096]"), ffi.new("SutraError *")
    cache = _cache(cache_folder)
    status = lib.sutra_cache_find(cache, os.fsencode(name_or_path), _text(revision), path, 4096, err)
    if status == lib.SUTRA_OK:
        return os.fsdecode(ffi.string(path))
    if status == lib.SUTRA_E_ARGUMENT and os.sep in name_or_path:
        raise FileError(f"{name_or_path}: no such file or folder, and no model's name")
    if status != lib.SUTRA_E_IO or local_files_only:
        fail(status, err)
    logger.info("%s is not in the cache: downloading it", name_or_path)
    return pull(name_or_path, revision=revision, cache_folder=cache_folder)


@ffi.def_extern()
def sutra_python_progress(user: Any, progress: Any) -> None:
    pull_state = ffi.from_handle(user)
    try:
        pull_state.tell(progress)
    except BaseException as error:  # Ctrl-C too: ends the download
        pull_state.error = error
        pull_state.cancel[0] = 1


class _Pull:
    def __init__(self, progress: Callable[[str, int, int], None] | None) -> None:
        self.progress = progress
        self.error: BaseException | None = None
        self.cancel = ffi.new("int *")

    def tell(self, progress: Any) -> None:
        if progress.note:
            logger.info("%s", ffi.string(progress.note).decode("utf-8", "replace"))
        if self.progress:
            self.progress(ffi.string(progress.file).decode(), progress.total_done, progress.total_size)


def pull(name: str, *, revision: str | None = None, cache_folder: str | os.PathLike[str] | None = None,
         progress: Callable[[str, int, int], None] | None = None) -> str:
    """Downloads a model into the cache, checks every byte, and returns its folder.

    What the environment says of the hub (HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, proxies) holds.
    progress(file, bytes done, bytes of all files) is called as it goes.
    """
    store, options, err = ffi.new("SutraHubStore *"), ffi.new("SutraHubOptions *"), ffi.new("SutraError *")
    options.struct_size = ffi.sizeof("SutraHubOptions")
    status = lib.sutra_hub_environment(ffi.addressof(lib, "glue_environment"), store, options, err)
    if status and cache_folder is None:
        fail(status, err)
    cache, commit, state = _text(cache_folder), _text(revision), _Pull(progress)
    handle = ffi.new_handle(state)
    if cache_folder is not None:
        options.cache_dir = cache
    options.revision = commit
    options.progress, options.user, options.cancel = lib.sutra_python_progress, handle, state.cancel
    result = ffi.new("SutraHubResult *")
    result.struct_size = ffi.sizeof("SutraHubResult")
    library = Path(__file__).with_name("bin") / "libsutra-hub.so.0"
    status = lib.glue_hub_pull(os.fsencode(library), os.fsencode(name), options, result, err)
    if state.error:
        raise state.error
    if status:
        raise error_of(status, err)
    return os.fsdecode(ffi.string(result.path))


def list_models(cache_folder: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Models in the cache: [{"repo": …, "revision": …, "path": …, "size": bytes}, …]."""
    made, err = ffi.new("SutraCacheList **"), ffi.new("SutraError *")
    status = lib.sutra_cache_list(_cache(cache_folder), made, err)
    if status:
        fail(status, err)
    listed = ffi.gc(made[0], lib.sutra_cache_list_free)
    models = []
    for i in range(lib.sutra_cache_list_count(listed)):
        model = ffi.new("SutraCacheModel *")
        model.struct_size = ffi.sizeof("SutraCacheModel")
        status = lib.sutra_cache_list_at(listed, i, model, err)
        if status:
            fail(status, err)
        models.append({"repo": ffi.string(model.repo).decode(), "revision": ffi.string(model.revision).decode(),
                       "path": os.fsdecode(ffi.string(model.path)), "size": model.size})
    return models
