#!/usr/bin/env python3
"""--device: where plugins are looked for, a device that can't be had, and which one auto takes.

The devices are those of sutra_fault.so, which FAULT_MODE makes fail, slow, or faster than any processor with kernels of plain
C (SUTRA_ISA=scalar).
"""

import os
import shutil
import subprocess

from cli_case import LIBRARIES, MODEL, PLUGINS, PROGRAM, Base, lines, main, sutra

NAME = r'fault:0 \(a "faulty" dévice 设备\)'
RATE = r"[\d,]+"
TEXTS = lines([f"a green garden of stone {i}" for i in range(100)])


def embed(*args, mode="", code=0, stderr=None, program=PROGRAM, stdin=TEXTS, **variables):
    env = {"FAULT_MODE": mode, "FAULT_SLOW_US": "50000", **variables}
    if program == PROGRAM and "--device" in args and "--plugins" not in args:
        args = ("--plugins", PLUGINS, *args)
    return sutra("embed", "-m", MODEL, *args, stdin=stdin, code=code, stderr=stderr and f"^sutra: {stderr}\n$", env=env,
                 program=program)


class Fallback(Base):
    def test_the_processor_takes_the_place_of_a_device_that_is_not_there(self):
        wanted = embed()
        for mode, why in (("no-driver", "fault:0 has no driver, hélas"), ("no-devices", "the fault backend has no device"),
                          ("gone", "fault:0 is gone, hélas")):
            told = f'device "fault:0": {why}'
            instead = r"; the processor is used instead \(--strict makes this an error\)"
            self.assertEqual(embed("--device", "fault:0", mode=mode, stderr=told + instead), wanted)
            self.assertEqual(embed("--device", "fault:0", "--strict", mode=mode, code=1, stderr=told), b"")
            self.assertEqual(embed("--device", "fault:0,fault:1", mode=mode, code=1, stderr=told), b"")

    def test_a_device_that_is_there_is_used(self):
        wanted = embed()
        self.assertEqual(embed("--device", "fault:0"), wanted)
        self.assertEqual(embed("--device", "fault:0", "--strict"), wanted)
        self.assertNotEqual(embed("--device", "fault:0", mode="fast"), wanted)

    def test_what_is_no_device_is_an_error(self):
        embed("--device", "fault:8", code=1, stderr='device "fault:8" does not exist: the fault backend has 8')
        embed("--device", "fautl:0", code=1, stderr='device "fautl:0" is of no known backend: cpu, fault')
        embed("--device", "cuda:0", stderr='device "cuda:0": there is no plugin for it; the processor is used instead .*')
        embed("--device", "fault:0", mode="error", code=1, stderr=r"(?s:.*)fault:0 fails, hélas(?s:.*)")

    def test_other_commands(self):
        reason = 'device "fault:0": fault:0 is gone, hélas; the processor is used instead .*\n'
        variables = {"FAULT_MODE": "gone"}
        device = ("-m", MODEL, "--plugins", PLUGINS, "--device", "fault:0")
        table = sutra("similarity", "-m", MODEL, "a", "b")
        self.assertEqual(sutra("similarity", *device, "a", "b", env=variables, stderr=f"^sutra: {reason}$"), table)
        vectors = self.dir / "v.npy"
        sutra("embed", *device, "-o", vectors, "a", "b", env=variables, stderr=f"^sutra: {reason}$")
        sutra("search", *device, vectors, "a", env=variables, stderr=f"^sutra: {reason}$")

    def test_a_run_goes_on_where_the_device_was_not_there(self):
        """The recipe of --resume has the device that was used: it is the one of a run without --device."""
        source, out = self.write("a.txt", TEXTS), self.dir / "x.npy"
        embed("--plugins", "", "-i", source, "-o", out, "--resume")
        wanted = out.read_bytes()
        out.unlink()
        embed("-i", source, "-o", out, "--resume", "--device", "fault:0", mode="gone", stderr=".* is used instead .*")
        self.assertEqual(out.read_bytes(), wanted)


class Automatic(Base):
    def auto(self, reason, **options):
        return embed("--device", "auto", stderr=reason, **options)

    def test_nothing_is_said_without_plugins(self):
        self.assertEqual(embed("--plugins", "", "--device", "auto", mode="fast"), embed("--plugins", ""))

    def test_a_fast_device_is_taken(self):
        rows = self.auto(f"device: {NAME}: {RATE} tokens/s, the processor {RATE}", mode="fast", SUTRA_ISA="scalar")
        self.assertEqual(rows, embed("--device", "fault:0", mode="fast"))

    def test_a_slow_device_is_not(self):
        rows = self.auto(f"device: the processor: {RATE} tokens/s, {NAME} {RATE}", mode="slow")
        self.assertEqual(rows, embed())

    def test_what_fails_loses(self):
        wanted = embed()
        for mode, why in (("error", "fault:0 fails, hélas"), ("refuses", ".*fault:0 does not like it")):
            self.assertEqual(self.auto(f"device: the processor: {RATE} tokens/s; {NAME}: {why}", mode=mode), wanted)

    def test_a_plugin_without_a_device_says_why(self):
        wanted = embed()
        for mode, why in (("no-driver", "fault:0 has no driver, hélas"), ("no-devices", "the fault backend has no device")):
            told = f'device: the processor, there is no other; device "fault:0": {why}'
            self.assertEqual(self.auto(told, mode=mode), wanted)
            self.assertEqual(embed("--device", "auto", "--strict", mode=mode, stderr=told), wanted)

    def test_few_texts_are_not_worth_it(self):
        told = r"device: the processor: {} not worth measuring which is faster \(--device NAME takes another\)"
        alone = embed("a", "b", stdin=b"")
        self.assertEqual(embed("--device", "auto", "a", "b", stdin=b"", mode="fast", stderr=told.format("2 texts are")), alone)
        many = [f"music {i}" for i in range(65)]
        rows = embed("--device", "auto", *many, stdin=b"", mode="fast", stderr=f"device: {NAME}.*", SUTRA_ISA="scalar")
        self.assertNotEqual(rows, embed(*many, stdin=b""))
        pair = ("similarity", "-m", MODEL, "--plugins", PLUGINS, "--device", "auto", "a")
        self.assertEqual(sutra(*pair, stderr=f"^sutra: {told.format('1 text is')}\n$"), sutra("similarity", "-m", MODEL, "a"))

    def test_serving(self):
        env = {**os.environ, "FAULT_MODE": "fast", "SUTRA_ISA": "scalar"}
        with subprocess.Popen([PROGRAM, "serve", "-m", MODEL, "--port", "0", "--plugins", PLUGINS, "--device", "auto"],
                              stderr=subprocess.PIPE, env=env) as run:
            try:
                told = run.stderr.readline().decode()
                ready = run.stderr.readline().decode()
            finally:
                run.terminate()
            self.assertRegex(told, f"^sutra: device: {NAME}: {RATE} tokens/s, the processor {RATE}\n$")
            self.assertRegex(ready, "^listening on ")
            self.assertEqual((run.wait(), run.stderr.read()), (0, b""))


class Folders(Base):
    """A copy of the program, with plugins where they are looked for."""

    def place(self, program, plugins):
        for path in (program, plugins):
            path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROGRAM, program)
        shutil.copytree(PLUGINS, plugins)
        return str(program)

    def check(self, program):
        wanted = embed()
        self.assertEqual(embed("--device", "fault:0", program=program), wanted)
        self.assertNotEqual(embed("--device", "fault:0", program=program, mode="fast"), wanted)
        embed("--device", "auto", program=program, mode="slow", stderr=f"device: the processor: {RATE} tokens/s, {NAME} {RATE}")
        gone = embed("--device", "fault:0", program=program, mode="gone", stderr=".*is gone, hélas; the processor is used .*")
        self.assertEqual(gone, wanted)
        self.assertEqual(embed(program=program, mode="fast"), wanted)
        for nothing in (("--plugins", ""), ("--plugins", str(self.dir / "none"))):
            (self.dir / "none").mkdir(exist_ok=True)
            embed("--device", "fault:0", *nothing, program=program, code=1, stderr="(?s:.*)no known backend: cpu")
        embed("--device", "fault:0", program=program, code=1, SUTRA_PLUGINS=str(self.dir / "none"),
              stderr="(?s:.*)no known backend: cpu")

    def test_beside_the_program(self):
        self.check(self.place(self.dir / "build/sutra", self.dir / "build/plugins"))

    def test_in_the_library_folder(self):
        self.check(self.place(self.dir / "bin/sutra", self.dir / "bin" / LIBRARIES / "sutra/plugins"))

    def test_a_folder_without_plugins_is_none(self):
        program = self.place(self.dir / "bin/sutra", self.dir / "else")
        (self.dir / "bin/plugins").mkdir()
        (self.dir / "bin/plugins/sutra0.so").write_bytes(b"")
        self.assertEqual(embed("--device", "auto", program=program), embed())
        embed("--device", "fault:0", program=program, code=1, stderr='device "fault:0" is of no known backend: cpu')


if __name__ == "__main__":
    main()
