"""The peers, each used as its own documentation recommends; text in, normalised float32 vectors out.

An engine is made once a process, in one of its modes. `encode(texts, batch)` returns [len(texts), dim] in input order;
`prepare(batch)`, where there is one, gets ready for a batch size and is not timed. Texts are sorted by length before
they are batched where the peer does not do that itself. Derived model files are made once, in `work`.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np


def sorted_batches(texts, batch):
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    for start in range(0, len(order), batch):
        yield order[start:start + batch]


def mean_pool(hidden, mask):
    """hidden [b, s, h], mask [b, s] -> unit vectors [b, h]."""
    weights = mask.astype(np.float32)
    vectors = (weights[:, None, :] @ hidden)[:, 0]  # its length is divided out, and so is the number of tokens
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class TokenizedEngine:
    """Peers that take padded ids: the fast tokenizer, one batch of like lengths at a time."""

    def __init__(self, settings):
        from tokenizers import Tokenizer
        self.dim = settings["dim"]
        self.tokenizer = Tokenizer.from_file(f"{settings['model']}/tokenizer.json")
        self.tokenizer.enable_truncation(settings["max_tokens"])
        self.tokenizer.enable_padding()

    def tokenize(self, texts):
        """ids and mask, [b, s] int64."""
        encoded = self.tokenizer.encode_batch(texts)
        return np.array([e.ids for e in encoded], np.int64), np.array([e.attention_mask for e in encoded], np.int64)

    def encode(self, texts, batch):
        out = np.empty((len(texts), self.dim), np.float32)
        for rows in sorted_batches(texts, batch):
            ids, mask = self.tokenize([texts[i] for i in rows])
            out[rows] = mean_pool(self.hidden(ids, mask), mask)
        return out


class SentenceTransformers:
    """sentence-transformers on torch, fp32, which turns on inference mode itself; eager or compiled by inductor."""

    def __init__(self, settings, mode):
        import torch
        from sentence_transformers import SentenceTransformer
        torch.set_num_threads(settings["threads"])
        self.model = SentenceTransformer(settings["model"], device="cpu")
        self.model.max_seq_length = settings["max_tokens"]
        if mode == "compiled":
            self.model[0].auto_model.compile()

    def encode(self, texts, batch):
        return np.asarray(self.model.encode(texts, batch_size=batch, normalize_embeddings=True, convert_to_numpy=True,
                                            show_progress_bar=False), np.float32)


def export_onnx(settings):
    """last_hidden_state as a function of ids, mask and types, with free batch and length."""
    path = Path(settings["work"], "model.onnx")
    if not path.exists():
        import torch
        from transformers import AutoModel
        model = AutoModel.from_pretrained(settings["model"], attn_implementation="eager").eval()

        class Hidden(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, input_ids, attention_mask, token_type_ids):
                return self.model(input_ids=input_ids, attention_mask=attention_mask,
                                  token_type_ids=token_type_ids).last_hidden_state

        names = ["input_ids", "attention_mask", "token_type_ids"]
        ids = torch.ones(2, 16, dtype=torch.long)
        axes = {name: {0: "batch", 1: "length"} for name in names + ["hidden"]}
        torch.onnx.export(Hidden(), (ids, ids, torch.zeros_like(ids)), str(path), input_names=names,
                          output_names=["hidden"], dynamic_axes=axes, opset_version=17, dynamo=False)
    return str(path)


class ZenTorch(TokenizedEngine):
    """torch.compile with AMD's backend, as its user guide has it for encoders: no_grad, shapes left to the compiler,
    frozen weights; its modes are the guide's matrix algorithms for latency and for throughput."""

    def __init__(self, settings, mode):
        del mode  # an environment variable
        super().__init__(settings)
        import torch
        import zentorch  # noqa: F401 - registers the backend
        from transformers import AutoModel
        torch.set_num_threads(settings["threads"])
        self.torch = torch
        self.model = torch.compile(AutoModel.from_pretrained(settings["model"]).eval(), backend="zentorch")

    def hidden(self, ids, mask):
        ids, mask = self.torch.from_numpy(ids), self.torch.from_numpy(mask)
        with self.torch.no_grad():
            return self.model(input_ids=ids, attention_mask=mask,
                              token_type_ids=self.torch.zeros_like(ids)).last_hidden_state.numpy()


class OnnxRuntime(TokenizedEngine):
    """ONNX Runtime with its transformer fusions."""

    def __init__(self, settings, mode):
        del mode
        super().__init__(settings)
        import onnxruntime
        path = Path(settings["work"], "model-fused.onnx")
        if not path.exists():
            from onnxruntime.transformers import optimizer
            config = json.loads(Path(settings["model"], "config.json").read_text())
            fused = optimizer.optimize_model(export_onnx(settings), model_type="bert", opt_level=1,
                                             num_heads=config["num_attention_heads"],
                                             hidden_size=config["hidden_size"])
            fused.save_model_to_file(str(path))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings["threads"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name for i in self.session.get_inputs()}

    def hidden(self, ids, mask):
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return self.session.run(None, {k: v for k, v in feed.items() if k in self.inputs})[0]


class OpenVino(TokenizedEngine):
    """OpenVINO in fp32. Latency mode: one request over all threads. Throughput mode: as many requests as it asks for. In
    both the requests are asynchronous: the next batch is tokenised while they run."""

    def __init__(self, settings, mode):
        super().__init__(settings)
        import openvino
        core = openvino.Core()
        self.compiled = core.compile_model(core.read_model(export_onnx(settings)), "CPU", {
            "INFERENCE_NUM_THREADS": settings["threads"], "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": mode.upper()})
        self.request = self.compiled.create_infer_request()
        jobs = self.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.queue = openvino.AsyncInferQueue(self.compiled, max(2, jobs) if mode == "throughput" else 1)
        self.queue.set_callback(self.finish)

    @staticmethod
    def finish(request, context):
        out, rows, mask = context
        out[rows] = mean_pool(request.get_output_tensor(0).data, mask)

    def feed(self, texts):
        ids, mask = self.tokenize(texts)
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}

    def encode(self, texts, batch):
        if len(texts) == 1:
            feed = self.feed(texts)
            return mean_pool(self.request.infer(feed, share_outputs=True)[0], feed["attention_mask"])
        out = np.empty((len(texts), self.dim), np.float32)
        for rows in sorted_batches(texts, batch):
            feed = self.feed([texts[i] for i in rows])
            self.queue.start_async(feed, (out, rows, feed["attention_mask"]))
        self.queue.wait_all()
        return out


class CTranslate2(TokenizedEngine):
    """CTranslate2's encoder in fp32; it takes ragged id lists and pads them itself."""

    def __init__(self, settings, mode):
        del mode
        super().__init__(settings)
        import ctranslate2
        self.tokenizer.no_padding()
        folder = Path(settings["work"], "ct2")
        if not folder.exists():
            ctranslate2.converters.TransformersConverter(settings["model"]).convert(str(folder))
        self.encoder = ctranslate2.Encoder(str(folder), device="cpu", compute_type="float32",
                                           intra_threads=settings["threads"])

    def encode(self, texts, batch):
        out = np.empty((len(texts), self.dim), np.float32)
        for rows in sorted_batches(texts, batch):
            ids = [e.ids for e in self.tokenizer.encode_batch([texts[i] for i in rows])]
            hidden = np.asarray(self.encoder.forward_batch(ids).last_hidden_state)
            mask = np.zeros(hidden.shape[:2], np.int64)
            for row, tokens in enumerate(ids):
                mask[row, :len(tokens)] = 1
            out[rows] = mean_pool(hidden, mask)
        return out


class LlamaCpp:
    """llama.cpp through llama-cpp-python, fp32 GGUF, its own tokenizer; `batch` texts share a run."""

    def __init__(self, settings, mode):
        del mode
        import llama_cpp
        path = Path(settings["work"], "model-f32.gguf")
        if not path.exists():
            from gguf_from_hf import convert
            convert(settings["model"], str(path))
        self.llama_cpp = llama_cpp
        self.settings = settings
        self.path = str(path)
        self.model = None
        self.batch = 0
        self.prepare(8)

    def prepare(self, batch):
        """Tokens of one run: the batch size that a user of llama.cpp tunes."""
        if batch == self.batch:
            return
        tokens = batch * self.settings["max_tokens"]
        threads = self.settings["threads"]
        self.model = None
        self.model = self.llama_cpp.Llama(self.path, embedding=True, n_ctx=tokens, n_batch=tokens, n_ubatch=tokens,
                                          n_threads=threads, n_threads_batch=threads, flash_attn=True, verbose=False)
        self.batch = batch

    def encode(self, texts, batch):
        out = np.empty((len(texts), self.settings["dim"]), np.float32)
        for rows in sorted_batches(texts, batch):
            out[rows] = self.embed([texts[i] for i in rows])
        return out

    def embed(self, texts):
        """A text over max_tokens is cut as the tokenizers library cuts: the end token is kept."""
        limit = self.settings["max_tokens"]
        tokens = [self.model.tokenize(t.encode(), add_bos=True, special=False) for t in texts]
        tokens = [t if len(t) <= limit else t[:limit - 1] + t[-1:] for t in tokens]
        self.fill(tokens)
        context = self.model._ctx
        context.kv_cache_clear()
        context.decode(self.model._batch)
        get = self.llama_cpp.llama_get_embeddings_seq
        shape = (self.settings["dim"],)
        vectors = np.array([np.ctypeslib.as_array(get(context.ctx, s), shape) for s in range(len(tokens))])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def fill(self, tokens):
        """As the binding's add_sequence, without its five stores from Python for each token."""
        batch = self.model._batch.batch
        lengths = [len(t) for t in tokens]
        total = sum(lengths)
        as_array = np.ctypeslib.as_array
        as_array(batch.token, (total,))[:] = np.concatenate([np.asarray(t, np.int32) for t in tokens])
        as_array(batch.pos, (total,))[:] = np.concatenate([np.arange(n, dtype=np.int32) for n in lengths])
        as_array(batch.n_seq_id, (total,))[:] = 1
        as_array(batch.logits, (total,))[:] = 1
        at = 0
        for sequence, length in enumerate(lengths):
            for _ in range(length):
                batch.seq_id[at][0] = sequence
                at += 1
        batch.n_tokens = total


class SutraEngine:
    """libsutra, through sutra_embed_into, on the model as `sutra convert` packs it, as the peers have theirs converted.
    It orders and packs the texts itself: `batch` does not apply."""

    def __init__(self, settings, mode):
        del mode
        from sutra_ctypes import Sutra
        self.sutra = Sutra(settings["library"], settings["bundle"], settings["threads"], settings["max_tokens"],
                           settings["dim"])

    def encode(self, texts, batch):
        del batch
        return self.sutra.encode(texts)

    def tokenizer_input(self, texts):
        return self.sutra.inputs(texts)

    def count_tokens(self, prepared):
        return self.sutra.count_tokens(prepared)


class Tokenizers:
    """The tokenizers library alone. Its modes: with offsets, as Sutra has them too, and without."""

    def __init__(self, settings, mode):
        from tokenizers import Tokenizer
        self.tokenizer = Tokenizer.from_file(f"{settings['model']}/tokenizer.json")
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.encode_batch = getattr(self.tokenizer, mode)

    @staticmethod
    def tokenizer_input(texts):
        return texts

    def count_tokens(self, prepared):
        return sum(map(len, self.encode_batch(prepared)))


class Peer:
    """One line of the registry. modes: name -> environment variables of the process that runs it. python: the variable
    that names the Python which has the peer, None for the one that runs this."""

    def __init__(self, engine, packages=(), batches=(1, 2, 4, 8, 16, 32, 64), modes=None, python=None):
        self.engine, self.packages, self.batches = engine, packages, batches
        self.modes = modes or {"": {}}
        self.python_variable = python

    def python(self):
        return os.environ.get(self.python_variable, "") if self.python_variable else sys.executable


ZENTORCH = {"TORCHINDUCTOR_FREEZING": "1"}
ONE_CORE = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
PEERS = {
    "sutra": Peer(SutraEngine, batches=(0,)),
    "st-torch": Peer(SentenceTransformers, ("sentence-transformers", "torch", "transformers"),
                     modes={"eager": {}, "compiled": {"TORCHINDUCTOR_FREEZING": "1"}}),
    "zentorch": Peer(ZenTorch, ("zentorch", "torch", "transformers"), python="SUTRA_ZENTORCH_PYTHON",
                     modes={"latency": {**ZENTORCH, "ZENDNNL_MATMUL_ALGO": "1"},
                            "throughput": {**ZENTORCH, "ZENDNNL_MATMUL_ALGO": "5"}}),
    "onnxruntime": Peer(OnnxRuntime, ("onnxruntime",)),
    "openvino": Peer(OpenVino, ("openvino",), modes={"latency": {}, "throughput": {}}),
    "ctranslate2": Peer(CTranslate2, ("ctranslate2",)),
    "llama.cpp": Peer(LlamaCpp, ("llama-cpp-python",), batches=(1, 2, 4, 8, 16)),  # its attention grows with the run
}
TOKENIZERS = {"tokenizers": Peer(Tokenizers, ("tokenizers",), modes={"encode_batch": ONE_CORE,
                                                                     "encode_batch_fast": ONE_CORE})}


def environment(peer, mode, threads, work):
    """Of the process that runs a peer: read by the libraries when they are loaded."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return {**os.environ, **limits, "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "true",
            "HF_HUB_OFFLINE": "1", "TORCHINDUCTOR_CACHE_DIR": f"{work}/inductor", "SUTRA_CACHE": f"{work}/cache",
            **peer.modes[mode]}
