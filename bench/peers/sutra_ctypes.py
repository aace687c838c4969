"""libsutra through ctypes: just enough of sutra.h to embed into a numpy array."""

import ctypes as C

import numpy as np


class Error(C.Structure):
    _fields_ = [("status", C.c_int), ("message", C.c_char * 500), ("has_item", C.c_uint16), ("reason", C.c_uint16),
                ("item", C.c_uint32)]


class Input(C.Structure):
    _fields_ = [("text", C.c_char_p), ("text_size", C.c_size_t), ("pair", C.c_char_p), ("pair_size", C.c_size_t),
                ("token_ids", C.c_void_p), ("num_token_ids", C.c_size_t), ("prompt_name", C.c_char_p),
                ("reserved", C.c_uint64 * 2)]


class EngineOptions(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("num_threads", C.c_uint32), ("devices", C.c_char_p),
                ("policy", C.c_uint32), ("max_wait_us", C.c_uint32), ("max_batch_tokens", C.c_uint64),
                ("max_queued_tokens", C.c_uint64), ("cache_bytes", C.c_uint64), ("log", C.c_void_p),
                ("log_user", C.c_void_p), ("plugins", C.c_char_p), ("allow_mixed", C.c_uint32),
                ("device_timeout_ms", C.c_uint32)]


class EmbedOptions(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("output", C.c_int), ("dtype", C.c_int), ("dim", C.c_uint32),
                ("max_tokens", C.c_uint32), ("normalize", C.c_uint8), ("truncation", C.c_uint8),
                ("when_full", C.c_uint8), ("priority", C.c_uint8), ("timeout_ns", C.c_uint64), ("pooling", C.c_int)]


class TokensView(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("num_items", C.c_size_t), ("cu_seqlens", C.POINTER(C.c_size_t)),
                ("token_ids", C.c_void_p), ("type_ids", C.c_void_p), ("begin", C.c_void_p), ("end", C.c_void_p),
                ("tokens_seen", C.c_void_p)]


class ModelOptions(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("compute", C.c_int), ("cache_dir", C.c_char_p),
                ("memory_limit", C.c_uint64)]


NORMALIZE_YES = 1
OUT_POOLED, OUT_SCORES = 0, 3  # SutraOutput
COMPUTES = {"fp32": 1, "bf16": 2, "fp16": 3, "int8": 4}  # SutraCompute


def check(status, error):
    if status != 0:
        raise RuntimeError(error.message.decode())


def open_model(lib, path, compute, error):
    """A .sutra file of another precision is refused."""
    model, options = C.c_void_p(), ModelOptions(struct_size=C.sizeof(ModelOptions), compute=COMPUTES[compute])
    check(lib.sutra_model_open(path.encode(), C.byref(options), C.byref(model), C.byref(error)), error)
    return model


def save_bundle(library, model_folder, compute, path):
    """The model packed for a precision."""
    lib, error = C.CDLL(library), Error()
    model = open_model(lib, model_folder, compute, error)
    check(lib.sutra_model_save(model, path.encode(), C.byref(error)), error)
    lib.sutra_model_free(model)


class Sutra:
    """One model in one engine; the vector cache stays off."""

    def __init__(self, library, path, threads, max_tokens, dim, compute="fp32", batch_tokens=0, output=OUT_POOLED,
                 devices=None, plugins=None):
        self.lib = C.CDLL(library)
        self.error = Error()
        self.engine = C.c_void_p()
        self.dim = dim
        self.options = EmbedOptions(struct_size=C.sizeof(EmbedOptions), output=output, max_tokens=max_tokens,
                                    normalize=NORMALIZE_YES if output == OUT_POOLED else 0)
        self.model = open_model(self.lib, path, compute, self.error)
        engine_options = EngineOptions(struct_size=C.sizeof(EngineOptions), num_threads=threads,
                                       max_batch_tokens=batch_tokens, devices=devices and devices.encode(),
                                       plugins=plugins and plugins.encode())
        self._check(self.lib.sutra_engine_create(C.byref(engine_options), C.byref(self.engine), C.byref(self.error)))
        self._check(self.lib.sutra_model_warmup(self.engine, self.model, C.byref(self.options), C.byref(self.error)))

    def close(self):
        self.lib.sutra_engine_free(self.engine)
        self.lib.sutra_model_free(self.model)

    def _check(self, status):
        check(status, self.error)

    @staticmethod
    def inputs(texts):
        """The array of SutraInput, and the bytes that it borrows."""
        inputs = (Input * len(texts))()
        encoded = [t.encode() for t in texts]
        for i, text in enumerate(encoded):
            inputs[i].text = text
            inputs[i].text_size = len(text)
        return inputs, encoded

    def encode(self, texts):
        inputs, _borrowed = self.inputs(texts)
        return self.encode_inputs(inputs, np.empty((len(texts), self.dim), np.float32))

    def encode_inputs(self, inputs, out):
        """inputs: the array of what inputs() returned; out [n, dim] float32, which is returned."""
        self._check(self.lib.sutra_embed_into(self.engine, self.model, inputs, C.c_size_t(len(inputs)),
                                              C.byref(self.options), out.ctypes.data_as(C.c_void_p),
                                              C.c_size_t(out.nbytes), None, C.byref(self.error)))
        return out

    def count_tokens(self, prepared):
        """What inputs() returned, tokenised on the calling thread, with offsets."""
        inputs, _borrowed = prepared
        tokens, view = C.c_void_p(), TokensView(struct_size=C.sizeof(TokensView))
        self._check(self.lib.sutra_tokenize(self.model, inputs, C.c_size_t(len(inputs)), C.c_uint32(0),
                                            C.byref(tokens), C.byref(self.error)))
        self._check(self.lib.sutra_tokens_view(tokens, C.byref(view), C.byref(self.error)))
        count = view.cu_seqlens[len(inputs)]
        self.lib.sutra_tokens_free(tokens)
        return count
