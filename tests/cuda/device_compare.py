"""What the checks of a device measure: deviations, cosines, steps between codes, types made of floats."""

import numpy as np

import device_engine as de


def deviation(found, expected):
    """The largest difference of an element, relative to the norm of its row. NaN counts as infinity. Rows of zeros (of
    inputs that failed, of none of whose tokens is pooled) must be zeros."""
    if found.shape != expected.shape:
        return np.inf
    if not len(found):
        return 0.0
    norm = np.linalg.norm(expected, axis=1, keepdims=True)
    difference = np.abs(found - expected)
    worst = np.where(norm > 0, difference / np.where(norm > 0, norm, 1), np.where(difference > 0, np.inf, 0))
    return float(np.max(np.nan_to_num(worst, nan=np.inf, posinf=np.inf)))


def cosines(found, expected):
    """Of each row. Rows that are both zero have 1; NaN is -1."""
    if found.shape != expected.shape:
        return np.full(max(1, len(expected)), -1.0)
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    both_zero = ~np.any(found, axis=1) & ~np.any(expected, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.sum(found * expected, axis=1) / norms
    return np.where(both_zero, 1.0, np.nan_to_num(cosine, nan=-1.0, posinf=-1.0, neginf=-1.0))


def convert(rows, dtype):
    """What sutra.h says of a type: [n, dim] float32 as its elements."""
    if dtype == de.F32:
        return rows
    if dtype == de.F16:
        return rows.astype(np.float16)
    if dtype in (de.I8, de.U8):
        codes = np.clip(np.rint(np.float32(127) * rows), -127, 127).astype(np.int16)
        return codes.astype(np.int8) if dtype == de.I8 else (codes + 128).astype(np.uint8)
    bits = np.packbits(rows > 0, axis=1)
    return bits if dtype == de.UBINARY else (bits.astype(np.int16) - 128).astype(np.int8)


def range_codes(rows, ranges, dtype):
    """I8 and U8 with ranges [2, dim], as sutra.h says: floor((x - least) / step) from 0 to 255, I8 less 128."""
    step = (ranges[1] - ranges[0]) / np.float32(255)
    codes = np.clip(np.floor((rows - ranges[0]) / np.where(step > 0, step, np.float32(1))), 0, 255).astype(np.int16)
    return (codes - 128).astype(np.int8) if dtype == de.I8 else codes.astype(np.uint8)


class CodeDifference:
    """How codes of one type differ. too_far: elements more than a step apart; differing: those that differ at all;
    total: elements. A float16 element is a step apart within one unit in the last place more than `slack`, and counts as
    differing from there on, too. A bit is too far when the float it was made of is not within `slack` of zero."""

    def __init__(self):
        self.too_far = self.differing = self.total = 0

    def add(self, found, expected, dtype, floats, slack):
        """floats [n, dim]: what `expected` was made of; slack: by how much they may be off."""
        self.total += floats.size
        if found.shape != expected.shape or found.dtype != expected.dtype:
            self.too_far += max(1, floats.size)
        elif dtype in (de.BINARY, de.UBINARY):
            bits = np.unpackbits((found ^ expected).view(np.uint8), axis=1)
            differs = bits[:, :floats.shape[1]].astype(bool)
            self.differing += int(np.sum(differs))
            self.too_far += int(np.sum(differs & (np.abs(floats) > slack))) + int(np.sum(bits[:, floats.shape[1]:]))
        elif dtype == de.F16:
            a, b = found.astype(np.float64), expected.astype(np.float64)
            step = np.spacing(np.maximum(np.abs(found), np.abs(expected))).astype(np.float64)
            self.differing += int(np.sum(~(np.abs(a - b) <= slack)))
            self.too_far += int(np.sum(~(np.abs(a - b) <= step + slack)))
        else:
            steps = np.abs(found.astype(np.int16) - expected.astype(np.int16))
            self.differing += int(np.sum(steps > 0))
            self.too_far += int(np.sum(steps > 1))

    def share(self):
        return self.differing / self.total if self.total else 0.0

    def good(self, rare):
        """rare: the share that may differ; one element may always."""
        return self.total > 0 and self.too_far == 0 and self.differing <= max(1, rare * self.total)

    def __str__(self):
        return f"{self.differing} of {self.total} codes differ, {self.too_far} by more than a step"


class Report:
    """A line a check as it is done, a summary at the end."""

    def __init__(self, write=print):
        self.write, self.passed, self.failed, self.left_out = write, 0, [], 0

    def check(self, good, name, figures):
        self.write(f"{'ok    ' if good else 'FAILED'} {name}: {figures}")
        if good:
            self.passed += 1
        else:
            self.failed.append(name)
        return good

    def leave_out(self, name, reason):
        self.left_out += 1
        self.write(f"left out {name}: {reason}")

    def summary(self):
        """The exit status."""
        for name in self.failed:
            self.write(f"failed: {name}")
        self.write(f"{self.passed} passed, {len(self.failed)} failed" + (f", {self.left_out} left out" * bool(self.left_out)))
        return 1 if self.failed or not self.passed else 0
