# Completion of the sutra command for bash. Made by completions/generate.py; do not edit.

_sutra_models() {
    local names
    names=$(sutra list 2>/dev/null | sed '1d; s/ .*//')
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$current")
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$current")
}

_sutra() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "embed tokenize similarity search rerank serve eval bench pull list info convert quantize distill verify help --help --version" -- "$current")
        return
    fi
    case $previous in
    -m | --model)
        _sutra_models
        return
        ;;
    --revision)
        mapfile -t COMPREPLY < <(compgen -W "REVISION NAME" -- "$current")
        return
        ;;
    -i | --input)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    -o | --output)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --format)
        mapfile -t COMPREPLY < <(compgen -W "npy jsonl csv safetensors sqlite" -- "$current")
        return
        ;;
    --chunk)
        mapfile -t COMPREPLY < <(compgen -W "tokens sentences paragraphs" -- "$current")
        return
        ;;
    --input-format)
        mapfile -t COMPREPLY < <(compgen -W "text jsonl csv tsv" -- "$current")
        return
        ;;
    --rejects)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --checkpoint)
        mapfile -t COMPREPLY < <(compgen -W "N S" -- "$current")
        return
        ;;
    --output-dtype)
        mapfile -t COMPREPLY < <(compgen -W "float32 float16 int8 uint8 binary ubinary int8-fixed uint8-fixed" -- "$current")
        return
        ;;
    --ranges)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --calibrate)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --save-ranges)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --pooling)
        mapfile -t COMPREPLY < <(compgen -W "cls mean max mean-sqrt weighted-mean last" -- "$current")
        return
        ;;
    --long-text)
        mapfile -t COMPREPLY < <(compgen -W "truncate error window" -- "$current")
        return
        ;;
    --aggregate)
        mapfile -t COMPREPLY < <(compgen -W "mean max length center last" -- "$current")
        return
        ;;
    --profile)
        mapfile -t COMPREPLY < <(compgen -W "ultra-efficient efficient high-quality auto" -- "$current")
        return
        ;;
    --compute)
        mapfile -t COMPREPLY < <(compgen -W "fp32 bf16 fp16 int8 auto int4w" -- "$current")
        return
        ;;
    --policy)
        mapfile -t COMPREPLY < <(compgen -W "fastest least-loaded round-robin random" -- "$current")
        return
        ;;
    --with)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --metric)
        mapfile -t COMPREPLY < <(compgen -W "cosine dot hamming" -- "$current")
        return
        ;;
    --type)
        mapfile -t COMPREPLY < <(compgen -W "float32 float16 int8 uint8 binary ubinary" -- "$current")
        return
        ;;
    --rescore)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --index)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --openai-tokens)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --log)
        mapfile -t COMPREPLY < <(compgen -W "off json text" -- "$current")
        return
        ;;
    --from)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --embeddings)
        mapfile -t COMPREPLY < <(compgen -W "int8 fp32" -- "$current")
        return
        ;;
    --scales)
        mapfile -t COMPREPLY < <(compgen -W "dynamic min-max percentile mse entropy" -- "$current")
        return
        ;;
    --teacher)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --texts)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --vectors)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --method)
        mapfile -t COMPREPLY < <(compgen -W "projection static" -- "$current")
        return
        ;;
    --chunk-tokens | --chunk-overlap | --flush-after | --field | --id | --shard | --dedupe-memory | --dim | --max-tokens | --window-overlap | --prompt-name | --min-quality | --threads | --device | --plugins | --top | --oversample | --glob | --max-file-bytes | --alias | --host | --port | --api-key | --cors-origin | --max-body | --max-answers | --max-inputs | --max-request-tokens | --max-connections | --max-streams | --max-queued-tokens | --cache-bytes | --receive-ms | --send-ms | --idle-ms | --queue-ms | --drain-ms | --document-prompt | --block-kib | --smooth | --keep | --seed | --epochs | --batch | --patience | --learning-rate | --neighbour-weight | --temperature | --mse-weight | --cosine-weight)
        return
        ;;
    esac
    case ${COMP_WORDS[1]} in
    embed) words="-m --model --revision --no-cache -i --input -o --output --format --json --stats --stream --chunk --chunk-tokens --chunk-overlap --flush-after --field --input-format --id --rejects --shard --resume --checkpoint --dedupe-memory --dim --output-dtype --ranges --calibrate --save-ranges --pooling --no-normalize --max-tokens --long-text --window-overlap --aggregate --prompt-name --profile --compute --min-quality --strict --threads --device --plugins --policy --allow-mixed -h --help" ;;
    tokenize) words="-m --model --revision --no-cache -i --input --field --max-tokens --json -h --help" ;;
    similarity) words="-m --model --revision --no-cache -i --input --with --field --json --dim --output-dtype --ranges --calibrate --save-ranges --pooling --no-normalize --max-tokens --long-text --window-overlap --aggregate --prompt-name --profile --compute --min-quality --strict --threads --device --plugins --policy --allow-mixed -h --help" ;;
    search) words="-m --model --revision --no-cache -i --input --top --metric --type --rescore --oversample --prompt-name --json --glob --hidden --max-file-bytes --chunk --chunk-tokens --chunk-overlap --index --no-index --reindex --checkpoint --by-file --stats --profile --compute --min-quality --strict --threads --device --plugins --policy --allow-mixed -h --help" ;;
    rerank) words="-m --model --revision --no-cache -i --input --field --top --json --raw-scores --max-tokens --long-text --prompt-name --compute --min-quality --strict --threads --device --plugins --policy --allow-mixed -h --help" ;;
    serve) words="-m --model --alias --host --port --api-key --cors-origin --openai-tokens --truncate --no-page --max-body --max-answers --max-inputs --max-request-tokens --max-connections --max-streams --max-queued-tokens --cache-bytes --log --receive-ms --send-ms --idle-ms --queue-ms --drain-ms --compute --min-quality --strict --threads --device --plugins --policy --allow-mixed --no-cache -h --help" ;;
    eval) words="-m --model --revision --no-cache --dim --output-dtype --ranges --calibrate --save-ranges --pooling --no-normalize --max-tokens --long-text --window-overlap --aggregate --prompt-name --document-prompt --json --profile --compute --min-quality --strict --threads --device --plugins --policy --allow-mixed -h --help" ;;
    bench) words="-m --model --revision -i --input --threads --compute --block-kib --quick --json -h --help" ;;
    pull) words="--revision --from --json -h --help" ;;
    list) words="--json -h --help" ;;
    info) words="-m --model --revision --profile --json -h --help" ;;
    convert) words="-m --model --revision -o --output --compute --external-data --json -h --help" ;;
    quantize) words="-m --model --revision -o --output --compute --embeddings --calibrate --scales --smooth --keep --compare --threads --json -h --help" ;;
    distill) words="--teacher --revision --texts --field --vectors -o --output --method --dim --seed --epochs --batch --patience --learning-rate --neighbour-weight --temperature --mse-weight --cosine-weight --resume --checkpoint --threads --json -h --help" ;;
    verify) words="-m --model --revision --json -h --help" ;;
    help) words="embed tokenize similarity search rerank serve eval bench pull list info convert quantize distill verify" ;;
    esac
    if [[ $current == -* || ${COMP_WORDS[1]} == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    else
        case ${COMP_WORDS[1]} in
        pull) _sutra_models ;;
        info) _sutra_models ;;
        convert) _sutra_models ;;
        quantize) _sutra_models ;;
        verify) _sutra_models ;;
        eval) mapfile -t COMPREPLY < <(compgen -W "sts retrieval" -- "$current") && mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current") ;;
        bench) mapfile -t COMPREPLY < <(compgen -W "kernels breakdown ablation" -- "$current") && mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        esac
    fi
}

complete -o filenames -F _sutra sutra
