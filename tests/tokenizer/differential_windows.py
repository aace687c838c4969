"""The cases of differential.py for windows of long texts: those of `tokenizers` with truncation and a stride."""

import itertools
import json
import struct
import subprocess

from tokenizers import Tokenizer

NO_OVERLAP = 0xFFFFFFFF  # SUTRA_WINDOW_NO_OVERLAP; 0 is a default that the reference has not


def windows_of_ours(program, text_of_json, requests):
    """For each (text, max_tokens, overlap) its windows, [(ids, type ids)]."""
    def string(data):
        return struct.pack("<I", len(data)) + data
    data = b"J" + string(text_of_json.encode())
    for text, max_tokens, overlap in requests:
        data += b"W" + struct.pack("<II", max_tokens, overlap or NO_OVERLAP) + string(text.encode())
    answers = subprocess.run([program], input=data, stdout=subprocess.PIPE, check=True).stdout
    words = struct.unpack(f"<{len(answers) // 4}I", answers)
    assert words[:2] == (0, 0), "the tokenizer was not built"
    at, results = 2, []
    for _ in requests:
        status, count = words[at:at + 2]
        assert status == 0, "a text has no windows"
        at += 2
        windows = []
        for _ in range(count):
            size = words[at]
            windows.append((list(words[at + 1:at + 1 + size]), list(words[at + 1 + size:at + 1 + 2 * size])))
            at += 1 + 2 * size
        results.append(windows)
    return results


def windows_of_reference(tokenizer, text, max_tokens, overlap):
    tokenizer.enable_truncation(max_tokens, stride=overlap)
    first = tokenizer.encode(text)
    return [(window.ids, window.type_ids) for window in [first] + first.overflowing]


def case(check, name, description, requests):
    text = json.dumps(description, ensure_ascii=False)
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    check.inputs += len(requests)
    for request, ours in zip(requests, windows_of_ours(check.program, text, requests)):
        expected = windows_of_reference(tokenizer, *request)
        if name.endswith("odd"):  # the reference gives type 0 to the text's tokens, but in the first window
            assert ours[0] == expected[0] and all(types[:-1] == [3] * (len(types) - 1) for _, types in ours)
            ours, expected = [ids for ids, _ in ours], [ids for ids, _ in expected]
        if ours != expected:
            check.failures += 1
            print(f"FAILED {name}: {request}\n  ours      {ours}\n  reference {expected}")
            break


def all_cases(check, rng, texts, tokenizers):
    """tokenizers: name -> (description, special tokens of a text)."""
    for name, (description, special) in tokenizers.items():
        requests = []
        for size, stride in itertools.product((1, 2, 3, 5, 8, 30), range(8)):
            if stride >= size:
                continue
            # around the ends of windows, and of any length
            requests += [(" ".join("a" * n), size + special, stride) for n in range(1, 4 * size + 3)]
            requests += [(" ".join(rng.choices(texts, k=rng.randint(1, 4))), size + special, stride) for _ in range(10)]
        case(check, f"windows, {name}", description, requests)
