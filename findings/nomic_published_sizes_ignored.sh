#!/usr/bin/env bash
# transformers 5.24.0: nomic_bert is a model of its own there, and renames the weights of checkpoints in their published
# layout. Guess: it reads the sizes of their config.json too (n_embd, n_layer, n_head, n_inner, n_positions,
# rotary_emb_base), or refuses them. Seen: they are kept as attributes that nothing reads, and the sizes are those of
# nomic-embed-text-v1.5, whatever the file says: 8,192 positions become 2,048, and another base of RoPE is lost.
# usage: findings/nomic_published_sizes_ignored.sh     needs python3 with venv and pip; makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0
cat >"$folder/config.json" <<'END'
{"model_type": "nomic_bert", "architectures": ["NomicBertModel"], "n_embd": 384, "n_layer": 6, "n_head": 6, "n_inner": 1536,
 "n_positions": 8192, "rotary_emb_base": 10000, "activation_function": "swiglu", "vocab_size": 30528}
END
seen=$(HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder" 2>"$folder/log" <<'END'
import sys

from transformers import AutoConfig

config = AutoConfig.from_pretrained(sys.argv[1])
print("hidden", config.hidden_size, "layers", config.num_hidden_layers, "heads", config.num_attention_heads)
print("feed-forward", config.intermediate_size, "positions", config.max_position_embeddings)
print("base", config.rope_parameters["rope_theta"], "kept unread", config.n_embd, config.n_positions)
END
) || { cat "$folder/log" >&2; exit 1; }
expected='hidden 768 layers 12 heads 12
feed-forward 3072 positions 2048
base 1000.0 kept unread 384 8192'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
