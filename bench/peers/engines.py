"""The peers, each used as its own documentation recommends; text in, normalised float32 vectors out.

An engine is made once a process, in one precision (settings["compute"]: fp32, bf16 or int8) and in one of the modes
that it has there. `encode(texts, batch)` returns [len(texts), dim] in input order;
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
    """sentence-transformers on torch, which turns on inference mode itself; eager or compiled by inductor. bf16:
    weights and arithmetic. int8: torch's dynamic quantisation of the linear layers."""

    def __init__(self, settings, mode):
        import torch
        from sentence_transformers import SentenceTransformer
        torch.set_num_threads(settings["threads"])
        dtype = torch.bfloat16 if settings["compute"] == "bf16" else torch.float32
        self.model = SentenceTransformer(settings["model"], device="cpu", model_kwargs={"dtype": dtype})
        self.model.max_seq_length = settings["max_tokens"]
        if settings["compute"] == "int8":
            torch.ao.quantization.quantize_dynamic(self.model[0].auto_model, {torch.nn.Linear}, torch.qint8,
                                                   inplace=True)
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
    frozen weights, bf16 by autocast; its modes are the guide's matrix algorithms for latency and for throughput."""

    def __init__(self, settings, mode):
        del mode  # an environment variable
        super().__init__(settings)
        import torch
        import zentorch  # noqa: F401 - registers the backend
        from transformers import AutoModel
        torch.set_num_threads(settings["threads"])
        self.torch, self.bf16 = torch, settings["compute"] == "bf16"
        self.model = torch.compile(AutoModel.from_pretrained(settings["model"]).eval(), backend="zentorch")

    def hidden(self, ids, mask):
        ids, mask = self.torch.from_numpy(ids), self.torch.from_numpy(mask)
        with self.torch.no_grad(), self.torch.autocast("cpu", self.torch.bfloat16, enabled=self.bf16):
            hidden = self.model(input_ids=ids, attention_mask=mask, token_type_ids=self.torch.zeros_like(ids))
        return hidden.last_hidden_state.float().numpy()


class OnnxRuntime(TokenizedEngine):
    """ONNX Runtime with its transformer fusions. int8: its dynamic quantisation of the fused graph, by channel."""

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
        if settings["compute"] == "int8":
            path = self.quantized(path, Path(settings["work"], "model-fused-int8.onnx"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings["threads"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name for i in self.session.get_inputs()}

    @staticmethod
    def quantized(fused, path):
        if not path.exists():
            from onnxruntime.quantization import QuantType, quantize_dynamic
            quantize_dynamic(str(fused), str(path), weight_type=QuantType.QInt8, per_channel=True,
                             extra_options={"DefaultTensorType": 1})  # float, where shapes are not inferred
        return path

    def hidden(self, ids, mask):
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return self.session.run(None, {k: v for k, v in feed.items() if k in self.inputs})[0]


class OpenVino(TokenizedEngine):
    """OpenVINO. Latency mode: one request over all threads. Throughput mode: as many requests as it asks for. In both
    the requests are asynchronous: the next batch is tokenised while they run. int8: quantised by NNCF after training,
    the rest of the graph in bf16 or f32, which the mode names."""

    def __init__(self, settings, mode):
        super().__init__(settings)
        import openvino
        core = openvino.Core()
        hint, _, rest = mode.partition(", ")
        model = self.quantized(settings, core) if settings["compute"] == "int8" else export_onnx(settings)
        self.compiled = core.compile_model(core.read_model(model), "CPU", {
            "INFERENCE_NUM_THREADS": settings["threads"], "PERFORMANCE_HINT": hint.upper(),
            "INFERENCE_PRECISION_HINT": rest or {"fp32": "f32", "bf16": "bf16"}[settings["compute"]]})
        self.request = self.compiled.create_infer_request()
        jobs = self.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.queue = openvino.AsyncInferQueue(self.compiled, max(2, jobs) if hint == "throughput" else 1)
        self.queue.set_callback(self.finish)

    def quantized(self, settings, core):
        path = Path(settings["work"], "model-int8.xml")
        if not path.exists():
            import nncf
            import openvino
            texts = json.loads(Path(settings["calibration"]).read_text(encoding="utf-8"))
            dataset = nncf.Dataset(texts, lambda text: self.feed([text]))
            openvino.save_model(nncf.quantize(core.read_model(export_onnx(settings)), dataset, subset_size=len(texts),
                                              model_type=nncf.ModelType.TRANSFORMER), str(path))
        return str(path)

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
    """CTranslate2's encoder; it takes ragged id lists and pads them itself. It says where it has no bf16."""

    def __init__(self, settings, mode):
        del mode
        super().__init__(settings)
        import ctranslate2
        self.tokenizer.no_padding()
        self.float32 = ctranslate2.DataType.float32
        folder = Path(settings["work"], "ct2")
        if not folder.exists():
            ctranslate2.converters.TransformersConverter(settings["model"]).convert(str(folder))
        compute = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}[settings["compute"]]
        self.encoder = ctranslate2.Encoder(str(folder), device="cpu", compute_type=compute,
                                           intra_threads=settings["threads"])

    def encode(self, texts, batch):
        out = np.empty((len(texts), self.dim), np.float32)
        for rows in sorted_batches(texts, batch):
            ids = [e.ids for e in self.tokenizer.encode_batch([texts[i] for i in rows])]
            hidden = self.encoder.forward_batch(ids).last_hidden_state
            hidden = np.asarray(hidden.to(self.float32) if hidden.dtype != self.float32 else hidden)
            mask = np.zeros(hidden.shape[:2], np.int64)
            for row, tokens in enumerate(ids):
                mask[row, :len(tokens)] = 1
            out[rows] = mean_pool(hidden, mask)
        return out


class LlamaCpp:
    """llama.cpp through llama-cpp-python, its own tokenizer; `batch` texts share a run. The matrices of the GGUF are
    fp32, fp16, bf16 or Q8_0."""

    def __init__(self, settings, mode):
        del mode
        import llama_cpp
        kind = {"fp32": "F32", "fp16": "F16", "bf16": "BF16", "int8": "Q8_0"}[settings["compute"]]
        path = Path(settings["work"], f"model-{kind.lower()}.gguf")
        if not path.exists():
            from gguf_from_hf import convert
            convert(settings["model"], str(path), kind)
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


def bundle(settings):
    """Sutra's file of a precision; run.py writes it."""
    return str(Path(settings["work"], f"model-{settings['compute']}.sutra"))


class SutraEngine:
    """libsutra, through sutra_embed_into, on the model as it packs it for a precision, as the peers have theirs
    converted. It orders and packs the texts itself: `batch` does not apply."""

    def __init__(self, settings, mode):
        del mode
        from sutra_ctypes import Sutra
        self.sutra = Sutra(settings["library"], bundle(settings), settings["threads"], settings["max_tokens"],
                           settings["dim"], settings["compute"])

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


MODELESS = {"": {}}
ALL = {"fp32": MODELESS, "bf16": MODELESS, "int8": MODELESS}
COMPUTES = tuple(ALL)


class Peer:
    """One line of the registry. modes: {precision: {name: environment variables of the process that runs it}}; for a
    precision that it does not have, the reason. python: the variable that names the Python which has the peer, None
    for the one that runs this."""

    def __init__(self, engine, packages=(), batches=(1, 2, 4, 8, 16, 32, 64), modes=None, python=None):
        self.engine, self.packages, self.batches = engine, packages, batches
        self.modes = modes or ALL
        self.python_variable = python

    def python(self):
        return os.environ.get(self.python_variable, "") if self.python_variable else sys.executable


FROZEN = {"TORCHINDUCTOR_FREEZING": "1"}
TORCH = {"eager": {}, "compiled": FROZEN}
ZENTORCH = {"latency": {**FROZEN, "ZENDNNL_MATMUL_ALGO": "1"}, "throughput": {**FROZEN, "ZENDNNL_MATMUL_ALGO": "5"}}
HINTS = {"latency": {}, "throughput": {}}
ONE_CORE = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
PEERS = {
    "sutra": Peer(SutraEngine, batches=(0,)),
    "st-torch": Peer(SentenceTransformers, ("sentence-transformers", "torch", "transformers"),
                     modes={"fp32": TORCH, "bf16": TORCH, "int8": {"eager": {}}}),
    "zentorch": Peer(ZenTorch, ("zentorch", "torch", "transformers"), python="SUTRA_ZENTORCH_PYTHON",
                     modes={"fp32": ZENTORCH, "bf16": ZENTORCH, "int8": "its int8 takes models made by AMD Quark"}),
    "onnxruntime": Peer(OnnxRuntime, ("onnxruntime",),
                        modes={**ALL, "bf16": "its CPU provider has no bf16 matrix products"}),
    "openvino": Peer(OpenVino, ("openvino",), modes={
        "fp32": HINTS, "bf16": HINTS, "int8": {f"{hint}, {rest}": {} for hint in HINTS for rest in ("bf16", "f32")}}),
    "ctranslate2": Peer(CTranslate2, ("ctranslate2",)),
    "llama.cpp": Peer(LlamaCpp, ("llama-cpp-python",), batches=(1, 2, 4, 8, 16)),  # its attention grows with the run
}
TOKENIZERS = {"tokenizers": Peer(Tokenizers, ("tokenizers",),
                                 modes={"fp32": {"encode_batch": ONE_CORE, "encode_batch_fast": ONE_CORE}})}


def entry(name, compute):
    """What is measured: a peer in a precision."""
    return name if compute == "fp32" else f"{name} {compute}"


def parts(entry_name):
    """Name and precision of an entry."""
    name, _, compute = entry_name.partition(" ")
    return name, compute or "fp32"


def modes_of(entry_name):
    """{mode: variables}, or the reason why there is none."""
    name, compute = parts(entry_name)
    return {**PEERS, **TOKENIZERS}[name].modes[compute]


def environment(entry_name, mode, threads, work):
    """Of the process that runs a peer: read by the libraries when they are loaded."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return {**os.environ, **limits, "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "true",
            "HF_HUB_OFFLINE": "1", "TORCHINDUCTOR_CACHE_DIR": f"{work}/inductor", "SUTRA_CACHE": f"{work}/cache",
            **modes_of(entry_name)[mode]}
