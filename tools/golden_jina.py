"""jina-embeddings-v2 for make_goldens.py, whose code is no part of transformers: a BertModel of transformers without
positions, whose attention adds ALiBi on both sides and whose feed-forward is gated."""
import math

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertModel
from transformers.models.bert import modeling_bert


def slopes(heads):
    """Press et al. 2022: of a power of two the geometric series that begins with its own ratio."""
    def series(n):
        ratio = 2.0 ** -(8.0 / n)
        return [ratio ** (i + 1) for i in range(n)]

    power = 2 ** math.floor(math.log2(heads))
    return series(power) if power == heads else series(power) + series(2 * power)[0::2][:heads - power]


class Gated(nn.Module):
    """In place of intermediate and output of a BertLayer."""

    def __init__(self, config):
        super().__init__()
        self.gated_layers = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.wo = nn.Linear(config.intermediate_size, config.hidden_size)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x, residual):
        gate, up = self.gated_layers(x).chunk(2, dim=-1)
        return self.layernorm(residual + self.wo(nn.functional.gelu(gate) * up))


class Same(nn.Module):
    def forward(self, x):
        return x


def attend(module, query, key, value, mask, scaling=None, dropout=0.0, **kwargs):
    n = query.shape[2]
    at = torch.arange(n)
    distance = (at[:, None] - at[None, :]).abs().to(query.dtype)
    slope = torch.tensor(slopes(query.shape[1]), dtype=torch.float64).to(query.dtype)
    scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1]) - slope[:, None, None] * distance
    return (torch.softmax(scores, dim=-1) @ value).transpose(1, 2).contiguous(), None


def jina_model(folder, dtype):
    config = BertConfig.from_pretrained(folder)
    config._attn_implementation = "eager"
    model = BertModel(config, add_pooling_layer=False)
    for layer in model.encoder.layer:
        layer.intermediate, layer.output = Same(), Gated(config)
    weights = {k.replace(".mlp.", ".output."): v.float() for k, v in load_file(f"{folder}/model.safetensors").items()}
    weights["embeddings.position_embeddings.weight"] = torch.zeros(config.max_position_embeddings, config.hidden_size)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and set(missing) <= {"embeddings.position_ids", "embeddings.token_type_ids"}, (missing, unexpected)
    return model.eval().to(dtype)


class Encoder(nn.Module):
    """What SentenceTransformer wants of its first module."""

    def __init__(self, folder, dtype):
        super().__init__()
        self.auto_model = jina_model(folder, dtype)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.tokenizer.model_max_length = self.auto_model.config.max_position_embeddings

    def preprocess(self, texts, **kwargs):
        return self.tokenizer(texts, truncation=True, return_tensors="pt")

    def forward(self, features):
        keys = ("input_ids", "token_type_ids", "attention_mask")
        states = self.auto_model(**{k: features[k] for k in keys}).last_hidden_state
        return {"token_embeddings": states, "attention_mask": features["attention_mask"]}


class JinaReference:
    """As much of a SentenceTransformer as make_goldens.py asks for."""

    def __init__(self, folder, device, model_kwargs):
        del device
        self.encoder = Encoder(folder, model_kwargs["dtype"])
        self.prompts, self.default_prompt_name = {}, None

    def preprocess(self, texts):
        return self.encoder.preprocess(texts)

    @torch.no_grad()
    def encode(self, texts, output_value="sentence_embedding", **kwargs):
        rows = []
        for text in texts:
            states = self.encoder(self.preprocess([text]))["token_embeddings"][0]
            pooled = states.mean(dim=0)
            rows.append(states if output_value == "token_embeddings" else pooled / pooled.norm())
        return rows if output_value == "token_embeddings" else torch.stack(rows).numpy()


def jina_reference(folder, device, model_kwargs):
    modeling_bert.eager_attention_forward = attend
    return JinaReference(folder, device, model_kwargs)
