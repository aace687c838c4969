"""Model: a sentence-transformers model, or a reranker, opened for this process's engine."""
from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Literal, Sequence, overload

import numpy as np

from . import hub, runtime, vectors
from ._native import ffi, lib
from .exceptions import FormatError, UnsupportedError, fail
from .inputs import NULL, Texts, as_pairs, as_strings, one_of, pair_texts
from .requests import ITEM_DTYPE, Progress, Request, run, run_async
from .chunks import ChunkMethods
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPUTES = {None: lib.SUTRA_COMPUTE_DEFAULT, "fp32": lib.SUTRA_COMPUTE_FP32, "bf16": lib.SUTRA_COMPUTE_BF16,
            "fp16": lib.SUTRA_COMPUTE_FP16, "int8": lib.SUTRA_COMPUTE_INT8}
TRUNCATIONS = {"model": lib.SUTRA_TRUNCATE_MODEL, "right": lib.SUTRA_TRUNCATE_RIGHT, "left": lib.SUTRA_TRUNCATE_LEFT,
               "error": lib.SUTRA_TRUNCATE_ERROR, "window": lib.SUTRA_TRUNCATE_WINDOW}
DOCUMENT_PROMPTS = ("document", "passage", "corpus")
OUTPUTS = ("sentence_embedding", "token_embeddings", None)

Precision = Literal["float32", "float16", "int8", "uint8", "binary", "ubinary"]
Truncation = Literal["model", "right", "left", "error", "window"]


class Model(ChunkMethods):
    """A model by name or path.

    name_or_path  a registry name, a repository of the hub, a folder, or a .sutra file
    precision     arithmetic of the encoder: "fp32", "bf16", "fp16", "int8"; None: fp32, or the bundle's
    device        "cpu", "cpu@0-7", "cuda:0", several, in a list or with commas between them, or "auto": the processor
                  or a device of the plugins, whichever is measured to be faster with this model
    num_threads   of the engine, which models with the same device, num_threads and cache_bytes share; 0: every core
    cache_bytes   memory of that engine for vectors of texts seen before
    """

    def __init__(
        self,
        name_or_path: str | os.PathLike[str],
        *,
        precision: Literal["fp32", "bf16", "fp16", "int8"] | None = None,
        device: str | Sequence[str] | None = None,
        num_threads: int = 0,
        cache_bytes: int = 0,
        plugins: str | os.PathLike[str] | None = None,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        truncate_dim: int | None = None,
        similarity_fn_name: Literal["cosine", "dot", "euclidean", "manhattan"] | None = None,
        revision: str | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
    ) -> None:
        compute = one_of(COMPUTES, precision, "precision")
        devices = device if isinstance(device, str) else ",".join(device or ["cpu"])
        self._settings = runtime.EngineSettings(devices, num_threads, cache_bytes, os.fspath(plugins or ""))
        if devices != "auto":
            runtime.engine(self._settings)
        self.path = hub.find(os.fspath(name_or_path), revision, cache_folder, local_files_only)
        self._handle: Any = self._open(compute)
        if devices == "auto":
            self._settings = runtime.choose(self._settings, self._handle)
        self.device = self._settings.devices
        self._info = self._read_info()
        self._names: dict[str, Any] = {"": ffi.new("char[]", b"")}
        self._options: dict[Any, Any] = {}
        self._own_prompts = {ffi.string(self._info.prompt_names[i]).decode(): ffi.string(self._info.prompts[i]).decode()
                             for i in range(self._info.num_prompts)}
        self._told_of_documents = False
        self._declared = {**self._own_prompts, **(prompts or {})}
        self.prompts: dict[str, str] = {"query": "", "document": "", **self._declared}
        if default_prompt_name is not None and default_prompt_name not in self.prompts:
            raise self._no_prompt(default_prompt_name)
        if default_prompt_name is None and self._info.default_prompt:
            default_prompt_name = ffi.string(self._info.default_prompt).decode()
        self.default_prompt_name = default_prompt_name
        self._max_tokens = 0
        self.truncate_dim = truncate_dim
        if truncate_dim is not None:
            self._check_dim(truncate_dim)
        self.similarity_fn_name: str = similarity_fn_name or self._stored_similarity()
        vectors.check_function(self.similarity_fn_name)
        self.tokenizer = Tokenizer(self)

    def _open(self, compute: int) -> Any:
        options = ffi.new("SutraModelOptions *")
        options.struct_size = ffi.sizeof("SutraModelOptions")
        options.compute = compute
        made, err = ffi.new("SutraModel **"), ffi.new("SutraError *")
        status = lib.sutra_model_open(os.fsencode(self.path), options, made, err)
        if status:
            fail(status, err)
        return ffi.gc(made[0], lib.sutra_model_free)

    def _read_info(self) -> Any:
        info, err = ffi.new("SutraModelInfo *"), ffi.new("SutraError *")
        info.struct_size = ffi.sizeof("SutraModelInfo")
        status = lib.sutra_model_info(self._handle, info, err)
        if status:
            fail(status, err)
        return info

    def _stored_similarity(self) -> str:
        config = Path(self.path) / "config_sentence_transformers.json"
        if not config.is_file():
            return "cosine"
        try:
            name = json.loads(config.read_text("utf-8")).get("similarity_fn_name")
        except (ValueError, AttributeError) as error:
            raise FormatError(f"{config}: {error}") from None
        return name or "cosine"

    # ---- what it is ----

    @property
    def handle(self) -> Any:
        """The open model, for the package's own use."""
        if self._handle is None:
            raise ValueError("the model is closed")
        return self._handle

    def close(self) -> None:
        """Gives the weights back, once calls that are under way are over."""
        self._handle = self._info = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._handle is None:
            return "Model(closed)"
        compute = ffi.string(lib.sutra_compute_name(self._info.compute)).decode()
        return (f"Model({self.name!r}, dimension={self.dimension}, max_seq_length={self.max_seq_length}, "
                f"precision={compute!r}, device={self.device!r})")

    def __reduce__(self) -> Any:
        raise TypeError("a Model cannot be pickled: open it where it is used")

    @property
    def info(self) -> Any:
        self.handle
        return self._info

    @property
    def name(self) -> str:
        return str(ffi.string(self.info.name).decode())

    @property
    def dimension(self) -> int:
        """Elements of a vector."""
        return self.truncate_dim or self.info.dim

    def get_embedding_dimension(self) -> int:
        return self.dimension

    def get_sentence_embedding_dimension(self) -> int:
        return self.dimension

    @property
    def is_reranker(self) -> bool:
        return bool(self.info.outputs & 1 << lib.SUTRA_OUT_SCORES)

    @property
    def max_seq_length(self) -> int:
        """Tokens that a text is cut to, special ones included; 4294967295: it is not cut."""
        return self._max_tokens or self.info.max_tokens

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        most = self.info.max_positions or 2**32 - 1  # static models have no positions
        if not 1 <= tokens <= most:
            raise ValueError(f"max_seq_length {tokens}: the model has positions for 1 to {most}")
        self._max_tokens = tokens
        self._options.clear()

    @contextmanager
    def truncate_embeddings(self, truncate_dim: int | None) -> Iterator[None]:
        """Within it vectors have truncate_dim elements."""
        before = self.truncate_dim
        if truncate_dim is not None:
            self._check_dim(truncate_dim)
        self.truncate_dim = truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = before

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a .sutra file: the model packed for this processor and its precision."""
        err = ffi.new("SutraError *")
        status = lib.sutra_model_save(self.handle, os.fsencode(path), err)
        if status:
            fail(status, err)

    # ---- vectors ----

    @overload
    def encode(
        self, inputs: str | Sequence[str] | NDArray[Any] | None = None, prompt_name: str | None = None,
        prompt: str | None = None, batch_size: int = 32, show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding"] = "sentence_embedding", precision: Precision | None = "float32",
        convert_to_numpy: Literal[True] = True, convert_to_tensor: Literal[False] = False, device: str | None = None,
        normalize_embeddings: bool = False, truncate_dim: int | None = None, *, ranges: NDArray[np.float32] | None = None,
        truncation: Truncation = "model", return_items: Literal[False] = False, sentences: str | Sequence[str] | None = None,
    ) -> NDArray[Any]: ...

    @overload
    def encode(
        self, inputs: str | Sequence[str] | NDArray[Any] | None = None, prompt_name: str | None = None,
        prompt: str | None = None, batch_size: int = 32, show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] | None = "sentence_embedding",
        precision: Precision | None = "float32", convert_to_numpy: bool = True, convert_to_tensor: bool = False,
        device: str | None = None, normalize_embeddings: bool = False, truncate_dim: int | None = None, *,
        ranges: NDArray[np.float32] | None = None, truncation: Truncation = "model", return_items: bool = False,
        sentences: str | Sequence[str] | None = None,
    ) -> Any: ...

    def encode(
        self,
        inputs: str | Sequence[str] | NDArray[Any] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] | None = "sentence_embedding",
        precision: Precision | None = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        *,
        ranges: NDArray[np.float32] | None = None,
        truncation: Truncation = "model",
        return_items: bool = False,
        sentences: str | Sequence[str] | None = None,
    ) -> Any:
        """Vectors of texts: [n, dimension], of one str [dimension]; see docs/PYTHON.md for each option.

        batch_size changes nothing: the engine makes up its batches. precision is the type of the elements; int8 and
        uint8 take ranges [2, dimension], else -1 … 1. return_items: (vectors, an array with what became of each text).
        """
        call = _EncodeCall(self, sentences if inputs is None else inputs, prompt_name, prompt, batch_size, output_value,
                           precision, convert_to_numpy, convert_to_tensor, device, normalize_embeddings, truncate_dim,
                           ranges, truncation, return_items)
        if show_progress_bar is None:
            show_progress_bar = False
        for request in call.requests:
            run(request, Progress(request.texts.n) if show_progress_bar else None)
        return call.finish()

    async def aencode(
        self,
        inputs: str | Sequence[str] | NDArray[Any],
        prompt_name: str | None = None,
        prompt: str | None = None,
        *,
        output_value: Literal["sentence_embedding", "token_embeddings"] | None = "sentence_embedding",
        precision: Precision | None = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        ranges: NDArray[np.float32] | None = None,
        truncation: Truncation = "model",
        return_items: bool = False,
    ) -> Any:
        """encode() that asyncio waits for; no thread is held. A task that is cancelled gives its texts up."""
        call = _EncodeCall(self, inputs, prompt_name, prompt, 32, output_value, precision, convert_to_numpy,
                           convert_to_tensor, None, normalize_embeddings, truncate_dim, ranges, truncation, return_items)
        for request in call.requests:
            await run_async(request)
        return call.finish()

    @property
    def query_prompt_name(self) -> str | None:
        return "query" if "query" in self.prompts else None

    @property
    def document_prompt_name(self) -> str | None:
        """Of "document", "passage" and "corpus" the first that the model or its user has."""
        named = [name for name in DOCUMENT_PROMPTS if name in self.prompts]
        return next((name for name in named if name in self._declared or self.prompts[name]), named[0] if named else None)

    def _name_of_documents(self) -> str | None:
        trained = self.document_prompt_name
        if trained not in (None, "document") and not self._told_of_documents:
            self._told_of_documents = True
            runtime.logger.warning('%s: encode_document() leaves out the prompt "%s", as sentence-transformers does; '
                                   'prompt_name="%s" puts it before', self.name, trained, trained)
        return "document" if "document" in self.prompts else None

    def encode_query(self, inputs: Any = None, prompt_name: str | None = None, prompt: str | None = None,
                     **options: Any) -> Any:
        """encode() with the prompt query_prompt_name."""
        if prompt_name is None and prompt is None:
            prompt_name = self.query_prompt_name
        return self.encode(inputs, prompt_name, prompt, **options)

    def encode_document(self, inputs: Any = None, prompt_name: str | None = None, prompt: str | None = None,
                        **options: Any) -> Any:
        """encode() with the prompt "document", as sentence-transformers has it: empty where the model has none."""
        if prompt_name is None and prompt is None:
            prompt_name = self._name_of_documents()
        return self.encode(inputs, prompt_name, prompt, **options)

    async def aencode_query(self, inputs: Any, prompt_name: str | None = None, prompt: str | None = None,
                            **options: Any) -> Any:
        """aencode() with the prompt query_prompt_name."""
        if prompt_name is None and prompt is None:
            prompt_name = self.query_prompt_name
        return await self.aencode(inputs, prompt_name, prompt, **options)

    async def aencode_document(self, inputs: Any, prompt_name: str | None = None, prompt: str | None = None,
                               **options: Any) -> Any:
        """aencode() with the prompt of encode_document()."""
        if prompt_name is None and prompt is None:
            prompt_name = self._name_of_documents()
        return await self.aencode(inputs, prompt_name, prompt, **options)

    def encode_multi_process(self, inputs: Sequence[str], pool: None = None, **options: Any) -> Any:
        """encode(): its threads do what sentence-transformers wants processes for."""
        if pool is not None:
            raise ValueError("pool: there are none, the engine's threads take every core; leave it out")
        return self.encode(inputs, **options)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """[n1, n2]: similarity_fn_name of each of the first with each of the second."""
        return vectors.similarity(embeddings1, embeddings2, self.similarity_fn_name)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """[n]: similarity_fn_name of each of the first with the one of the second at its place."""
        return vectors.similarity_pairwise(embeddings1, embeddings2, self.similarity_fn_name)

    # ---- scores ----

    def predict(self, inputs: Any, prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
                show_progress_bar: bool | None = None, *, raw_scores: bool = False, convert_to_tensor: bool = False,
                return_items: bool = False) -> Any:
        """Scores [n] of pairs of texts by a reranker; of one pair a number. raw_scores: logits."""
        _check_batch_size(batch_size)
        pairs, is_one = as_pairs(inputs, "predict")
        name, prefix = self._prompt_of(prompt, prompt_name)
        texts = pair_texts(pairs, name, prefix)
        options = self._make_options(lib.SUTRA_OUT_SCORES)
        options.raw_scores = raw_scores
        scores = np.empty((texts.n, 1), np.float32)
        request = Request(runtime.engine(self._settings), self.handle, texts, options, scores, "predict")
        run(request, Progress(texts.n) if show_progress_bar else None)
        given: Any = scores[:, 0] if texts.n else np.array([])
        if convert_to_tensor:
            given = vectors.to_tensor(scores[:, 0])
        given = given[0] if is_one else given
        return (given, items_of(request)) if return_items else given

    def rank(self, query: str, documents: Sequence[str], top_k: int | None = None, return_documents: bool = False,
             prompt_name: str | None = None, prompt: str | None = None, batch_size: int = 32,
             show_progress_bar: bool | None = None, *, raw_scores: bool = False) -> list[dict[str, Any]]:
        """Documents by their score for the query, the best first: [{"corpus_id": 2, "score": 0.9, "text": …}, …]."""
        texts, _ = as_strings(documents, "rank")
        scores = self.predict([(query, text) for text in texts], prompt_name, prompt, batch_size, show_progress_bar,
                              raw_scores=raw_scores)
        order = np.argsort(-scores, kind="stable")[:top_k]
        return [{"corpus_id": int(i), "score": float(scores[i]), **({"text": texts[i]} if return_documents else {})}
                for i in order]

    # ---- tokens ----

    def tokenize(self, texts: str | Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """input_ids, token_type_ids, attention_mask [n, longest], cut to max_seq_length, without prompts."""
        return self.tokenizer.padded(texts, self.max_seq_length)

    # ---- options ----

    def _no_prompt(self, name: str) -> ValueError:
        return ValueError(f"Prompt name {name!r} not found in the configured prompts dictionary with keys "
                          f"{list(self.prompts)!r}.")

    def _prompt_of(self, prompt: str | None, prompt_name: str | None) -> tuple[Any, str]:
        """(the model's name of the prompt, what goes before each text otherwise)."""
        if prompt is None:
            name = prompt_name if prompt_name is not None else self.default_prompt_name
            if name is None:
                return NULL, ""
            if name not in self.prompts:
                raise self._no_prompt(name)
            prompt = self.prompts[name]
            if self._own_prompts.get(name) == prompt:
                return self._c_name(name), ""
        if not isinstance(prompt, str):
            raise TypeError(f"prompt: expected a str, got {type(prompt).__name__}")
        for name, text in self._own_prompts.items():
            if text == prompt:
                return self._c_name(name), ""
        if prompt and not self.info.include_prompt:
            raise UnsupportedError("this model leaves prompts out of its pooling: it takes its own prompts alone, "
                                   f"which are {list(self._own_prompts)!r}")
        return self._names[""], prompt

    def _c_name(self, name: str) -> Any:
        if name not in self._names:
            self._names[name] = ffi.new("char[]", name.encode())
        return self._names[name]

    def _check_dim(self, dim: int) -> None:
        if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
            raise TypeError(f"truncate_dim: expected an int, got {type(dim).__name__}")
        if not 1 <= dim <= self.info.dim:
            raise ValueError(f"truncate_dim {dim}: the model's vectors have {self.info.dim} elements")

    def _make_options(self, output: int) -> Any:
        options = ffi.new("SutraEmbedOptions *")
        options.struct_size = ffi.sizeof("SutraEmbedOptions")
        options.output = output
        options.max_tokens = self._max_tokens
        return options

    def _embed_options(self, output: int, dtype: int, dim: int, normalize: bool, truncation: str) -> Any:
        key = (output, dtype, dim, normalize, truncation)
        options = self._options.get(key)
        if options is None:
            options = self._make_options(output)
            options.dtype = dtype
            options.dim = dim
            options.normalize = lib.SUTRA_NORMALIZE_YES if normalize else lib.SUTRA_NORMALIZE_NO
            options.truncation = one_of(TRUNCATIONS, truncation, "truncation")
            self._options[key] = options
        return options


def _check_batch_size(batch_size: Any) -> None:
    if batch_size <= 0:
        raise ValueError(f"batch_size must be a positive integer, got {batch_size}.")


def items_of(request: Request) -> NDArray[Any]:
    """What became of each text: tokens_seen, tokens_used, flags, …"""
    return np.frombuffer(ffi.buffer(request.items), ITEM_DTYPE) if request.texts.n else np.empty(0, ITEM_DTYPE)


class _EncodeCall:
    """encode(): its requests, and what becomes of their rows."""

    __slots__ = ("requests", "is_one", "rows", "output_value", "as_tensor", "as_list", "return_items", "model", "texts")

    def __init__(self, model: Model, inputs: Any, prompt_name: str | None, prompt: str | None, batch_size: int,
                 output_value: str | None, precision: str | None, convert_to_numpy: bool, convert_to_tensor: bool,
                 device: str | None, normalize: bool, truncate_dim: int | None, ranges: Any, truncation: str,
                 return_items: bool) -> None:
        _check_batch_size(batch_size)
        if device is not None and device != model.device:
            raise ValueError(f"device {device!r}: the model is on {model.device!r}; open another one there")
        if output_value not in OUTPUTS:
            raise ValueError(f"output_value {output_value!r} is not known, must be one of {OUTPUTS}")
        dtype, element, per_byte = one_of(vectors.TYPES, precision, "precision")
        handle, engine = model.handle, runtime.engine(model._settings)
        strings, self.is_one = as_strings(inputs, "encode")
        name, prefix = model._prompt_of(prompt, prompt_name)
        if prefix:
            strings = tuple(prefix + text if isinstance(text, str) else text for text in strings)
        texts = Texts(strings, name)
        dim = truncate_dim if truncate_dim is not None else model.truncate_dim
        if dim is not None:
            model._check_dim(dim)
        self.model, self.texts, self.output_value, self.return_items = model, texts, output_value, return_items
        self.as_tensor = convert_to_tensor or (not convert_to_numpy and texts.n > 0)
        self.as_list = not convert_to_numpy and not convert_to_tensor
        if self.as_tensor:
            vectors.torch_module()
        self.requests: list[Request] = []
        self.rows: Any = None
        if output_value != "token_embeddings":
            length = dim or model.info.dim
            options = model._embed_options(lib.SUTRA_OUT_POOLED, dtype, dim or 0, normalize, truncation)
            self.rows = np.empty((texts.n, (length + per_byte - 1) // per_byte), element)
            request = Request(engine, handle, texts, options, self.rows, "encode")
            if ranges is not None:
                request.options, request.keep = vectors.with_ranges(options, ranges, length)
            self.requests.append(request)
        if output_value != "sentence_embedding":
            options = model._embed_options(lib.SUTRA_OUT_TOKENS, lib.SUTRA_F32, 0, False, truncation)
            self.requests.append(Request(engine, handle, texts, options, None, "encode"))

    def finish(self) -> Any:
        if self.output_value == "sentence_embedding":
            given = self._rows()
        else:
            tokens = self.requests[-1].tokens
            if self.as_tensor:
                tokens = self.requests[-1].tokens = [vectors.to_tensor(of_text) for of_text in tokens]
            given = tokens if self.output_value else self._all()
        if self.is_one:
            given = given[0]
        return (given, items_of(self.requests[0])) if self.return_items else given

    def _rows(self) -> Any:
        if not len(self.rows) and not self.as_tensor:
            return [] if self.as_list else np.array([])
        if not self.as_tensor:
            return self.rows
        tensor = vectors.to_tensor(self.rows)
        if not len(self.rows):
            tensor = tensor.new_zeros((0,), dtype=vectors.torch_module().float32)
        return list(tensor) if self.as_list else tensor

    def _all(self) -> list[dict[str, Any]]:
        prompt, err = ffi.new("const char **"), ffi.new("SutraError *")
        status = lib.sutra_model_prompt(self.model.handle, self.texts.prompt_name, prompt, err)
        if status:
            fail(status, err)
        before = ffi.string(prompt[0]).decode() if prompt[0] else ""
        encodings = self.model.tokenizer.encode_batch([before + text for text in self.texts.strings],
                                                      self.model.max_seq_length)
        return [{"input_ids": np.array(encoding.ids, np.int64),
                 "token_type_ids": np.array(encoding.type_ids, np.int64),
                 "attention_mask": np.ones(len(encoding.ids), np.int64),
                 "token_embeddings": tokens, "sentence_embedding": row}
                for encoding, tokens, row in zip(encodings, self.requests[-1].tokens, self.rows)]
