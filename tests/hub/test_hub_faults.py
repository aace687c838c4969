"""Pull against a local hub and a disk that misbehave.

usage: test_hub_faults.py HUB_PULL LIBSUTRA_HUB [unittest arguments]

After every failure the same question: does a lookup still return only a model that is complete and
right, and does the next pull mend things?"""

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

import hub_server
from hub_case import *
from hub_server import COMMIT, Hub, blob_id


class Cuts(HubTest):
    def test_resume(self):
        self.hub.fault("/model.safetensors", hub_server.cut(1_000_000), label="cdn")
        self.hub.fault("/model.safetensors", hub_server.cut(700_000), label="cdn")
        done = self.pull()
        self.assertModel()
        ranges = [r[2].get("Range") for r in self.weights_requests()]
        self.assertEqual(len(ranges), 3)
        self.assertIsNone(ranges[0])
        begins = [int(r.removeprefix("bytes=").rstrip("-")) for r in ranges[1:]]
        self.assertTrue(0 < begins[0] <= 1_000_000 and begins[0] < begins[1] <= 1_700_000, begins)
        self.assertEqual(done.values["received"], done.values["size"])

    def test_resume_by_a_later_pull(self):
        self.hub.fault("/model.safetensors", hub_server.cut(1_500_000), label="cdn")
        self.pull(IO, "download failed", attempts=1)
        self.assertEqual(self.incomplete(), [sha256(WEIGHTS) + ".incomplete"])
        self.assertNotFound()
        self.hub.requests.clear()
        done = self.pull()
        self.assertLess(int(done.values["received"]), len(WEIGHTS))
        self.assertEqual(len(self.weights_requests()), 1)
        self.assertIn("Range", self.weights_requests()[0][2])
        self.assertModel()
        self.assertEqual(self.incomplete(), [])

    def test_many_cuts_with_progress(self):
        """More cuts than attempts, but each brings a megabyte."""
        self.hub.files["model.safetensors"] = WEIGHTS * 4
        self.hub.fault("/model.safetensors", hub_server.cut(1_500_000), times=7, label="cdn")
        self.pull(attempts=2)
        self.assertModel({**SMALL, "model.safetensors": WEIGHTS * 4})

    def test_cuts_without_progress_end(self):
        self.hub.fault("/model.safetensors", hub_server.cut(0), times=100, label="cdn")
        self.pull(IO)
        self.assertEqual(len(self.weights_requests()), 3)

    def test_body_that_ends_early(self):
        self.hub.fault("/model.safetensors", hub_server.cut_without_length(1_000_000), label="cdn")
        self.hub.fault("/config.json", hub_server.cut_without_length(3))
        self.hub.fault("/revision/main", hub_server.cut(20))
        self.pull()
        self.assertModel()

    def test_server_without_ranges(self):
        self.hub.fault("/model.safetensors", hub_server.cut(1_000_000), label="cdn")
        self.hub.fault("/model.safetensors", hub_server.ignore_range, label="cdn")
        self.pull()
        self.assertModel()

    def test_wrong_range(self):
        self.hub.fault("/model.safetensors", hub_server.cut(1_000_000), label="cdn")
        self.hub.fault("/model.safetensors", hub_server.wrong_range, label="cdn")
        self.pull(FORMAT, "another part")
        self.assertNotFound()
        self.pull()
        self.assertModel()

    def test_range_that_was_not_asked_for(self):
        self.hub.fault("/config.json", hub_server.wrong_range)
        self.pull(FORMAT, "another part")

    def test_damaged_incomplete_files(self):
        """What lies there is garbage, too long, or whole but wrong: the result is right all the same."""
        etag = sha256(WEIGHTS)
        for garbage in (b"x" * 1000, WEIGHTS + b"x", b"x" * len(WEIGHTS), WEIGHTS, WEIGHTS[:-1]):
            blobs = self.repo() / "blobs"
            blobs.mkdir(parents=True)
            (blobs / (etag + ".incomplete")).write_bytes(garbage)
            self.pull()
            self.assertModel()
            shutil.rmtree(self.cache)

    def test_rejected_range(self):
        blobs = self.repo() / "blobs"
        blobs.mkdir(parents=True)
        (blobs / (sha256(WEIGHTS) + ".incomplete")).write_bytes(WEIGHTS[:5000])
        self.hub.fault("/model.safetensors", hub_server.status(416), label="cdn")
        self.pull()
        self.assertModel()

    def test_stalled(self):
        self.hub.fault("/model.safetensors", hub_server.stall(300), label="cdn")
        self.pull(stall=1)
        self.assertModel()

    def test_cancel(self):
        self.hub.pace = 0.01
        done = self.pull(CANCELLED, "stopped", cancel_after=1_000_000)
        self.assertNotIn("note", done.stderr)
        self.assertNotFound()
        self.hub.pace = 0
        self.assertLess(int(self.pull().values["received"]), len(WEIGHTS))
        self.assertModel()


class WrongContent(HubTest):
    def test_weights(self):
        self.hub.fault("/model.safetensors", hub_server.flip, label="cdn")
        wrong = bytearray(WEIGHTS)
        wrong[len(wrong) // 2] ^= 1
        self.pull(FORMAT, "model.safetensors", sha256(WEIGHTS), sha256(wrong), "removed")
        self.assertNotFound()
        self.assertFalse([n for n in self.blobs() if n.startswith(sha256(WEIGHTS))])
        self.pull()
        self.assertModel()

    def test_small_file(self):
        self.hub.fault("/1_Pooling/config.json", hub_server.flip)
        right = blob_id(MODEL["1_Pooling/config.json"])
        self.pull(FORMAT, "1_Pooling/config.json", right, "git blob id")
        self.assertNotFound()
        self.assertFalse([n for n in self.blobs() if n.startswith(right)])
        self.pull()
        self.assertModel()

    def test_resumed_and_wrong(self):
        """A wrong beginning on disk is fetched anew; a wrong file is refused even then."""
        blobs = self.repo() / "blobs"
        blobs.mkdir(parents=True)
        (blobs / (sha256(WEIGHTS) + ".incomplete")).write_bytes(b"x" * 1000)
        self.hub.fault("/model.safetensors", hub_server.flip, times=2, label="cdn")
        self.pull(FORMAT, "wrong content")
        self.assertEqual(self.incomplete(), [])
        self.assertEqual(len(self.weights_requests()), 2)

    def test_too_long(self):
        for name in ("config.json", "model.safetensors"):
            self.hub.fault(f"{COMMIT}/{name}", hub_server.replace(MODEL[name] + b"x"),
                           label="cdn" if name == "model.safetensors" else None)
            self.pull(FORMAT, "more than")
            self.assertNotFound()
            self.pull()
            self.assertModel()
            shutil.rmtree(self.cache)

    def test_endless_file(self):
        self.hub.fault("/model.safetensors", hub_server.endless, label="cdn")
        self.hub.fault("/model.safetensors", hub_server.endless, label="hub")
        self.pull(FORMAT, "more than 3000000 bytes")
        self.assertLessEqual(sum(p.stat().st_size for p in (self.repo() / "blobs").iterdir()),
                             sum(map(len, MODEL.values())))
        self.pull(FORMAT, "more than 3000000 bytes")
        self.pull()
        self.assertModel()

    def test_endless_listing(self):
        self.hub.fault("/revision/main", hub_server.endless)
        self.pull(FORMAT, "more than 16777216 bytes")

    def test_endless_error_page(self):
        def action(handler, data):
            handler.send_response(404)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            while True:
                handler.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        self.hub.fault("/revision/main", action)
        self.pull(ARGUMENT, "404")

    def test_damaged_blob_in_the_cache(self):
        self.pull()
        for name, etag in (("model.safetensors", sha256(WEIGHTS)),
                           ("config.json", blob_id(MODEL["config.json"]))):
            blob = self.repo() / "blobs" / etag
            data = bytearray(blob.read_bytes())
            for damaged in (bytes([data[0] ^ 1]) + bytes(data[1:]), bytes(data[:-1]), b""):
                blob.write_bytes(damaged)
                if len(damaged) != len(data):
                    self.assertNotFound()
                self.assertEqual(self.pull().values["received"], str(len(data)))
                self.assertModel()


class Containment(HubTest):
    def outside(self):
        folder = self.folder / "outside"
        folder.mkdir(exist_ok=True)
        (folder / "file").write_bytes(b"untouched")
        return folder

    def assertOutsideUntouched(self):
        folder = self.folder / "outside"
        self.assertEqual([p.name for p in folder.iterdir()], ["file"])
        self.assertEqual((folder / "file").read_bytes(), b"untouched")

    def test_names_in_the_listing(self):
        names = ["../config.json", "../../evil/config.json", "/config.json", "a/../../config.json",
                 "../1_Pooling/config.json", "1_Pooling/../config.json", "..", ".", "",
                 "model-../x.safetensors", "model-..\\x.safetensors", "config.json/../x",
                 "refs/main", "sutra.json", "1_Pooling/../../../refs/config.json",
                 ".._Pooling/../config.json"]
        self.hub.edit_listing = lambda l: {**l, "siblings": l["siblings"] + [
            {"rfilename": name, "size": 4, "blobId": blob_id(b"evil")} for name in names]}
        self.pull()
        self.assertModel()
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["cache"])
        self.assertEqual(sorted(p.name for p in self.cache.iterdir()),
                         [".locks", "models--org--model"])

    def test_linked_folders(self):
        """A folder of the cache that is a link: an error, and nothing is written behind it."""
        outside = self.outside()
        for part in ("", "blobs", "refs", "snapshots", f"snapshots/{COMMIT}",
                     f"snapshots/{COMMIT}/1_Pooling"):
            link = self.repo() / part if part else self.repo()
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(outside, target_is_directory=True)
            self.pull(IO, "links are not followed", link.name)
            self.assertOutsideUntouched()
            self.assertNotFound()
            link.unlink()
            self.pull()
            self.assertModel()
            shutil.rmtree(self.cache)
        self.cache.mkdir()
        (self.cache / ".locks").symlink_to(outside, target_is_directory=True)
        self.pull(IO, "links are not followed", ".locks")
        self.assertOutsideUntouched()

    def test_linked_files(self):
        """A file that is a link to elsewhere is replaced; what it points to stays as it is."""
        outside = self.outside() / "file"
        etag = sha256(WEIGHTS)
        for part in (f"blobs/{etag}", f"blobs/{etag}.incomplete", "refs/main",
                     f"snapshots/{COMMIT}/config.json", f"snapshots/{COMMIT}/1_Pooling/config.json",
                     f"snapshots/{COMMIT}/sutra.json", "blobs/sutra-file.incomplete",
                     "blobs/sutra-link.incomplete"):
            for make in (lambda p: p.symlink_to(outside), lambda p: os.link(outside, p),
                         lambda p: os.mkfifo(p)):
                path = self.repo() / part
                path.parent.mkdir(parents=True)
                make(path)
                self.pull()
                self.assertOutsideUntouched()
                self.assertModel()
                self.assertEqual((self.repo() / "refs/main").read_text(), COMMIT)
                shutil.rmtree(self.cache)

    def test_cache_behind_a_link(self):
        """The cache folder itself may be a link: the user's choice."""
        real = self.folder / "disk"
        real.mkdir()
        self.cache.symlink_to(real, target_is_directory=True)
        self.pull()
        self.assertModel()

    def test_cache_that_cannot_be(self):
        (self.folder / "file").write_bytes(b"")
        self.pull(IO, str(self.folder / "file"), cache=self.folder / "file" / "cache")
        self.pull(IO, str(self.folder / "file"), cache=self.folder / "file")


class Processes(HubTest):
    def start(self, **keys):
        keys = {"endpoint": self.hub.url, "attempts": 3, "backoff": 1, **keys}
        return subprocess.Popen(self.command("pull", **keys), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def test_two_at_once(self):
        self.hub.pace = 0.005
        both = [self.start(), self.start(), self.start()]
        for process in both:
            _, errors = process.communicate()
            self.assertEqual(process.returncode, OK, errors)
        self.assertModel()
        self.assertEqual(len(self.weights_requests()), 1)
        self.assertEqual(self.incomplete(), [])

    def test_waiting_can_be_stopped(self):
        """A lock that is never given back."""
        locks = self.cache / ".locks" / self.repo().name
        locks.mkdir(parents=True)
        with open(locks / (sha256(WEIGHTS) + ".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = self.start()
            for line in process.stderr:
                if line == "waiting\n":
                    break
            self.assertIsNone(process.poll())
            self.assertEqual(self.weights_requests(), [])
        self.assertEqual(process.wait(), OK)
        process.communicate()
        self.assertModel()

    def kill_at(self, seconds):
        """Exit code, and how long it ran."""
        begin = time.monotonic()
        process = self.start()
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        return process.returncode, time.monotonic() - begin

    def check_after_kill(self):
        found = self.call("find")
        if found.returncode == OK:
            self.assertModel()

    def test_killed_anywhere(self):
        """SIGKILL at random times, most of them late, where the snapshot is made."""
        self.hub.pace = 0.002
        begin = time.monotonic()
        self.pull()
        whole = time.monotonic() - begin
        rng = random.Random(3)
        killed = 0
        for i in range(12):
            if self.cache.exists():  # the process may have died before it made it
                shutil.rmtree(self.cache)
            if i % 2:  # another tool wrote the reference before the files, as some do
                (self.repo() / "refs").mkdir(parents=True)
                (self.repo() / "refs" / "main").write_text(COMMIT)
            share = rng.uniform(0, 1.0) if i % 3 == 0 else rng.uniform(0.8, 1.0)
            for _ in range(2):
                code, seconds = self.kill_at(whole * share)
                if code == -signal.SIGKILL:
                    killed += 1
                else:  # the machine is less busy than it was
                    whole = min(whole, seconds)
                self.check_after_kill()
            if i % 6 == 0:
                self.hub.pace, pace = 0, self.hub.pace
                self.pull()
                self.assertModel()
                self.assertEqual(self.incomplete(), [])
                self.hub.pace = pace
        self.assertGreater(killed, 4)


class SystemCalls(HubTest):
    """Every call that changes the disk, in turn: the process is killed before it, or it fails."""
    files = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": WEIGHTS[:200_000],
             "modules.json": SMALL["modules.json"], "1_Pooling/config.json": b"{}"}

    def prepare(self):
        """Another tool has written the reference before the files, as some do."""
        shutil.rmtree(self.cache, ignore_errors=True)
        (self.repo() / "refs").mkdir(parents=True)
        (self.repo() / "refs" / "main").write_text(COMMIT)

    def check(self):
        found = self.call("find").returncode == OK
        if found:
            self.assertModel(self.files)
        return found

    def test_killed(self):
        found = 0
        for n in range(1, 300):
            self.prepare()
            done = subprocess.run(self.command("pull", endpoint=self.hub.url, kill_call=n),
                                  capture_output=True)
            found += self.check()
            if done.returncode == OK:
                break
            self.assertEqual(done.returncode, -signal.SIGKILL)
            if n % 10 == 0:
                self.pull()
                self.assertModel(self.files)
                self.assertEqual(self.incomplete(), [])
        self.assertTrue(50 < n < 299, n)
        self.assertLess(found, 20)

    def fail_each(self, for_ever):
        self.prepare()
        calls = int(self.pull().values["calls"])
        failed = 0
        for n in range(1, calls + 1):
            self.prepare()
            done = self.call("pull", endpoint=self.hub.url, attempts=1, fail_call=n,
                             fail_for_ever=for_ever)
            failed += done.returncode != OK
            if done.returncode == OK:
                self.assertModel(self.files)
            else:
                self.assertEqual(done.returncode, IO, done.stderr)
                self.assertIn("No space left", done.stderr)
                self.check()
            if n % 10 == 0:
                self.pull()
                self.assertModel(self.files)
        self.assertGreater(failed, calls // 2)

    def test_fails_once(self):
        self.fail_each(0)

    def test_fails_for_ever(self):
        self.fail_each(1)


class FullDisk(HubTest):
    def mount(self, size):
        self.cache = self.folder / "small"
        self.cache.mkdir()
        if os.geteuid() != 0:
            self.skip("a small file system can be mounted by root only")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.cache],
                              capture_output=True, text=True)
        if done.returncode:
            self.skip("a small file system cannot be mounted here: " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", self.cache], check=True)

    def test_not_enough_space(self):
        self.mount(2_000_000)
        self.pull(IO, "not enough space", "3.0 MB", str(self.cache))
        self.assertEqual(self.weights_requests(), [])
        self.assertEqual(self.blobs(), [])

    def test_fills_up(self):
        self.mount(4_500_000)
        def fill():
            with open(self.cache / "other", "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 4096)
                except OSError:
                    pass
        self.hub.fault("/model.safetensors", hub_server.after_half(fill), label="cdn")
        self.pull(IO, "No space left", "model.safetensors")
        self.assertEqual(self.incomplete(), [])
        self.assertNotFound()
        (self.cache / "other").unlink()
        self.pull()
        self.assertModel()


if __name__ == "__main__":
    main()
