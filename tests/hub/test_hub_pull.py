"""Pull and import against a local hub: layout of the cache, answers, redirects, digests.

usage: test_hub_pull.py HUB_PULL LIBSUTRA_HUB [unittest arguments]"""

import json
import os
import pathlib
import shutil
import ssl
import subprocess
import unittest

import hub_server
from hub_case import *
from hub_server import COMMIT, Hub, blob_id


class Layout(HubTest):
    def test_pull(self):
        done = self.pull(token="secret")
        path = self.assertModel()
        self.assertEqual(done.values["path"], str(path))
        self.assertEqual(done.values["revision"], COMMIT)
        self.assertEqual(done.values["weights"], sha256(WEIGHTS))
        self.assertEqual(done.values["files"], str(len(MODEL)))
        total = sum(map(len, MODEL.values()))
        for key in ("size", "received", "most"):
            self.assertEqual(done.values[key], str(total))
        self.assertEqual((done.values["pinned"], done.values["licence"]), ("0", "mit"))
        self.assertEqual(path, self.repo() / "snapshots" / COMMIT)
        self.assertEqual((self.repo() / "refs" / "main").read_text(), COMMIT)
        for name, data in MODEL.items():
            etag = sha256(data) if len(data) > self.hub.large else blob_id(data)
            up = "../" * (2 + name.count("/"))
            self.assertEqual(os.readlink(path / name), f"{up}blobs/{etag}")
        self.assertEqual(len(self.blobs()), len(MODEL))
        manifest = json.loads((path / "sutra.json").read_text())
        self.assertEqual((manifest["name"], manifest["revision"]), (self.hub.repo, COMMIT))
        self.assertEqual(manifest["files"], {
            name: {"sha256": sha256(data), "size": len(data)} for name, data in MODEL.items()})
        listed = self.call("list")
        self.assertEqual(listed.values, {self.hub.repo: f"{COMMIT} {total} 1"})

    def test_only_needed_files_are_asked_for(self):
        self.pull()
        asked = {r[1].split(COMMIT + "/")[1] for r in self.hub.requests if "/resolve/" in r[1]}
        self.assertEqual(asked, set(MODEL))

    def test_second_pull_downloads_nothing(self):
        self.pull()
        self.hub.requests.clear()
        self.assertEqual(self.pull().values["received"], "0")
        self.assertEqual(self.hub.asked(""), self.hub.asked("/revision/main"))
        self.assertModel()

    def test_new_commit(self):
        self.pull()
        self.hub.commit = "f" * 40
        self.hub.files["config.json"] = b'{"model_type": "mpnet"}'
        done = self.pull()
        self.assertEqual(done.values["received"], str(len(self.hub.files["config.json"])))
        self.assertModel({**MODEL, "config.json": self.hub.files["config.json"]})
        self.assertEqual(self.call("find", revision=COMMIT).returncode, OK)

    def test_revisions(self):
        self.hub.revisions.add("refs/pr/1")
        self.pull(revision="refs/pr/1")
        self.assertEqual((self.repo() / "refs/refs/pr/1").read_text(), COMMIT)
        self.assertNotFound()
        self.assertEqual(self.call("find", revision="refs/pr/1").returncode, OK)
        self.assertIn("/revision/refs%2Fpr%2F1?", self.hub.requests[0][3])
        self.pull(revision=COMMIT)
        self.assertFalse((self.repo() / "refs" / COMMIT).exists())
        self.assertEqual(self.call("find", revision=COMMIT).returncode, OK)
        self.pull(ARGUMENT, "revision", revision="../x")

    def test_offline(self):
        self.pull(IO, "not in the cache", offline=1)
        self.assertEqual(self.hub.requests, [])
        self.pull()
        self.hub.requests.clear()
        done = self.pull(offline=1)
        self.assertEqual(done.values["weights"], sha256(WEIGHTS))
        self.assertEqual(done.values["received"], "0")
        self.assertEqual(self.hub.requests, [])

    def test_shards(self):
        first, second = WEIGHTS[:1_000_000], WEIGHTS[1_000_000:]
        index = {"weight_map": {"a": "model-00001-of-00002.safetensors",
                                "b": "model-00002-of-00002.safetensors"}}
        files = {**SMALL, "model.safetensors.index.json": json.dumps(index).encode(),
                 "model-00001-of-00002.safetensors": first}
        self.hub.files = dict(files)
        self.pull(IO, "model-00002-of-00002.safetensors", "missing")
        self.assertNotFound()
        self.hub.files["model-00002-of-00002.safetensors"] = second
        self.pull()
        self.assertModel(self.hub.files)

    def test_encoder_in_a_folder(self):
        """Old repositories: modules.json names the encoder's folder."""
        modules = json.dumps([{"path": "0_Transformer"}, {"path": "1_Pooling"}]).encode()
        top = {"modules.json": modules, "1_Pooling/config.json": SMALL["1_Pooling/config.json"]}
        below = {f"0_Transformer/{name}": SMALL[name] for name in ("config.json", "tokenizer.json", "vocab.txt")}
        files = {**top, **below, "0_Transformer/model.safetensors": WEIGHTS}
        self.hub.files = {**UNWANTED, **files, "0_Transformer/pytorch_model.bin": b"pickle",
                          "0_Transformer/onnx/model.safetensors": b"x"}
        done = self.pull()
        self.assertModel(files)
        self.assertEqual(done.values["weights"], sha256(WEIGHTS))
        listed = self.call("list").values[self.hub.repo].split()
        self.assertEqual(listed[1], str(sum(map(len, files.values()))))
        shutil.rmtree(self.cache)
        del self.hub.files["0_Transformer/config.json"]
        self.pull(UNSUPPORTED, "no config.json of an encoder")
        # a copy of the configuration beside modules.json does not make the folder complete
        self.hub.files["config.json"] = SMALL["config.json"]
        self.pull(IO, "0_Transformer/config.json: missing")
        self.assertNotFound()
        shutil.rmtree(self.cache)
        self.hub.files["0_Transformer/config.json"] = SMALL["config.json"]
        del self.hub.files["0_Transformer/model.safetensors"]
        self.pull(UNSUPPORTED, "pytorch_model.bin only")

    def test_static_embedding(self):
        self.hub.files = {"modules.json": b'[{"path": "0_StaticEmbedding"}]',
                          "0_StaticEmbedding/model.safetensors": WEIGHTS,
                          "0_StaticEmbedding/tokenizer.json": b"{}"}
        self.pull(UNSUPPORTED, "StaticEmbedding", "not supported")

    def test_sha256(self):
        path = self.folder / "file"
        for data in (b"", b"abc", WEIGHTS):
            path.write_bytes(data)
            self.assertEqual(self.call("sha256", path=path).values["sha256"], sha256(data))
        self.assertEqual(self.call("sha256", path=self.folder / "none").returncode, IO)
        self.assertEqual(self.call("sha256", path=self.folder).returncode, IO)

    def test_names(self):
        self.pull(ARGUMENT, "did you mean all-MiniLM-L6-v2", name="all-minilm-l6-v")
        self.pull(ARGUMENT, "org/name", name="org/../x")
        self.assertEqual(self.hub.requests, [])


class Answers(HubTest):
    def test_statuses_that_pass(self):
        for code in (429, 500, 502, 503, 504, 408):
            self.hub.fault("/revision/main", hub_server.status(code))
            self.hub.fault("/model.safetensors", hub_server.status(code), label="hub")
            self.hub.fault("/model.safetensors", hub_server.status(code), label="cdn")
            done = self.pull()
            self.assertEqual(done.stderr.count("note: "), 3)
            self.assertIn(f"answered {code}; trying again in", done.stderr)
            self.assertModel()
            shutil.rmtree(self.cache)

    def test_attempts_are_bounded(self):
        for code in (429, 500):
            self.hub.requests.clear()
            self.hub.fault("/revision/main", hub_server.status(code), times=10)
            self.pull(IO, str(code), attempts=4)
            self.assertEqual(len(self.hub.requests), 4)
            self.hub.faults.clear()

    def test_retry_after(self):
        self.hub.fault("/revision/main", hub_server.status(429, headers=[("Retry-After", "1")]))
        self.assertIn("trying again in 1.0 s", self.pull(max_backoff=5000).stderr)
        self.hub.fault("/revision/main", hub_server.status(429, headers=[("Retry-After", "99999")]))
        self.assertIn("trying again in 0.1 s", self.pull(max_backoff=100).stderr)

    def test_pauses_grow(self):
        self.hub.fault("/revision/main", hub_server.status(500), times=4)
        notes = [n.split()[-2] for n in self.pull(attempts=5, backoff=100, max_backoff=400)
                 .stderr.splitlines() if "note" in n]
        self.assertEqual(notes, ["0.1", "0.2", "0.4", "0.4"])

    def test_refused(self):
        for code in (401, 403):
            self.hub.requests.clear()
            self.hub.fault("/revision/main", hub_server.status(code))
            self.pull(IO, str(code), "HF_TOKEN")
            self.hub.fault("/revision/main", hub_server.status(code))
            self.pull(IO, str(code), "this token", token="secret")
            self.hub.fault("/revision/main", hub_server.status(code, "GatedRepo"))
            self.pull(IO, "gated", "accept its terms", "HF_TOKEN")
            self.assertEqual(len(self.hub.requests), 3)
        self.hub.fault("/model.safetensors", hub_server.status(403, "GatedRepo"))
        self.pull(IO, "gated")
        self.assertNotFound()
        self.hub.fault("/revision/main", hub_server.status(401))
        done = self.pull(IO, "did you mean bge-small-en-v1.5", name="baai/bge-smal-en-v1.5")

    def test_token_is_not_shown(self):
        self.hub.fault("/revision/main", hub_server.status(401))
        self.assertNotIn("secret", self.pull(IO, token="secret").stderr)
        self.pull(ARGUMENT, "token", token="a\r\nHost: x")

    def test_unknown(self):
        self.pull(ARGUMENT, "404", "did you mean all-MiniLM-L6-v2", name="org/all-MiniLM-L6-v3")
        self.hub.fault("/revision/main", hub_server.status(404, "RevisionNotFound"))
        self.pull(ARGUMENT, "no revision main")
        self.hub.fault("/config.json", hub_server.status(404))
        self.pull(ARGUMENT, "404")
        self.assertNotFound()

    def test_unreachable(self):
        self.pull(IO, "can't be reached", "--from DIR", endpoint="http://127.0.0.1:1")
        self.pull(IO, "can't be reached", endpoint="http://name.invalid")
        self.pull(ARGUMENT, "endpoint", endpoint="ftp://127.0.0.1")
        self.pull(ARGUMENT, "endpoint", endpoint="file:///etc/passwd")
        self.assertFalse(self.cache.exists())

    def test_unreachable_later(self):
        """The hub goes away after the listing: tried again, since it was there."""
        def action(handler, data):
            handler.body(data)
            self.hub.server.shutdown()
            self.hub.server.socket.close()
            handler.drop()
            return True
        self.hub.fault("/revision/main", action)
        done = self.pull(IO)
        self.assertEqual(done.stderr.count("note: "), 2)

    def test_senseless_listings(self):
        """Every answer that makes no sense is refused before anything is written."""
        def each(name, **facts):
            return lambda l: {**l, "siblings": [
                {**s, **facts} if s["rfilename"] == name else s for s in l["siblings"]]}
        def add(entry):
            return lambda l: {**l, "siblings": l["siblings"] + [entry]}
        digest = "states no valid size and digest"
        weights, small = "model.safetensors", "config.json"
        cases = [(lambda l, text=text: text, "file list") for text in
                 (b"", b"<html></html>", b"[" * 100000, b"[]", b"{}")]
        cases += [(lambda l, sha=sha: {**l, "sha": sha}, "sha is not a commit") for sha in
                  ("main", 5, None, "../" * 13 + "x", "A" * 40, "a" * 39, "a" * 65)]
        cases += [(add({"size": 1}), "has no name"), (add({"rfilename": 1}), "has no name"),
                  (lambda l: {**l, "siblings": l["siblings"] * 2}, "listed twice")]
        cases += [(each(weights, **facts), digest) for facts in
                  ({"size": -1}, {"size": "1"}, {"size": None}, {"size": 1.5}, {"lfs": {}},
                   {"lfs": {"sha256": "../" * 21 + "x"}}, {"lfs": {"sha256": "A" * 64}},
                   {"lfs": {"sha256": "a" * 63}})]
        cases += [(each(small, blobId=blob), digest) for blob in
                  (None, "../" * 13 + "x", "a" * 41, "A" * 40)]
        for edit, word in cases:
            self.hub.edit_listing = edit
            self.pull(FORMAT, word, attempts=1)
            self.assertFalse(self.cache.exists())
        self.hub.edit_listing = each(weights, size=2**63 - 1)
        self.pull(IO, "not enough space")
        self.assertNotFound()

    def test_old_error_codes_are_forgotten(self):
        self.hub.fault("/revision/main", hub_server.status(503, "RevisionNotFound"))
        self.hub.fault("/revision/main", hub_server.status(404))
        self.pull(ARGUMENT, "knows no such repository")

    def test_models_that_are_not_for_us(self):
        self.hub.files = {**SMALL, "pytorch_model.bin": b"pickle"}
        self.pull(UNSUPPORTED, "pytorch_model.bin only, and only model.safetensors is read",
                  'SentenceTransformer("org/model").save_pretrained')
        del self.hub.files["pytorch_model.bin"]
        self.pull(UNSUPPORTED, "has no model.safetensors")
        self.hub.files = {"model.safetensors": WEIGHTS}
        self.pull(UNSUPPORTED, "no config.json")
        self.hub.files = {"config.json": b"{}", "model.safetensors": b"weights"}
        self.pull(IO, "no tokenizer.json")
        self.assertNotFound()


class Redirects(HubTest):
    def test_token_stays_with_the_hub(self):
        self.pull(token="secret")
        for server, path, headers, _ in self.hub.requests:
            self.assertEqual(headers.get("Authorization"),
                             "Bearer secret" if server == "hub" else None, path)
        self.assertTrue(self.weights_requests())

    def test_other_name_of_the_same_address(self):
        """localhost is another host than 127.0.0.1, whoever answers."""
        port = self.hub.url.rsplit(":", 1)[1]
        self.hub.fault(COMMIT + "/config.json", hub_server.redirect(
            f"http://localhost:{port}/org/model/resolve/{COMMIT}/config.json?again"))
        self.pull(token="secret")
        first, second = self.hub.asked("/resolve/" + COMMIT + "/config.json")
        self.assertEqual(first[2]["Authorization"], "Bearer secret")
        self.assertNotIn("Authorization", second[2])

    def test_renamed_repository(self):
        """The hub's own redirect, relative, keeps the token."""
        self.hub.fault("/revision/main", hub_server.redirect(
            f"/api/models/org/model/revision/{COMMIT}?blobs=true", code=307))
        self.pull(token="secret")
        self.assertEqual(self.hub.asked("/revision/" + COMMIT)[0][2]["Authorization"],
                         "Bearer secret")
        self.assertModel()

    def test_loops_and_bad_targets(self):
        self.hub.fault("/revision/main", hub_server.redirect(
            "/api/models/org/model/revision/main"), times=50)
        self.pull(IO, "redirects too often")
        self.assertLess(len(self.hub.requests), 15)
        self.hub.faults.clear()
        for target in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x",
                       "http://", "x" * 9000):
            self.hub.fault("/revision/main", hub_server.redirect(target))
            done = self.call("pull", endpoint=self.hub.url, attempts=1)
            self.assertIn(done.returncode, (IO, ARGUMENT), done.stderr)
            self.assertNotIn("root:", done.stderr)

    def test_tls(self):
        if not shutil.which("openssl"):
            self.skip("the openssl program is not installed")
        pem = self.folder / "server.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", pem.with_suffix(".key"), "-out", pem],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, pem.with_suffix(".key"))
        self.hub.close()
        self.hub = Hub(self.files, context=context)
        self.hub.large = 10**9
        self.addCleanup(self.hub.close)
        self.pull(IO, "can't be reached", "certificate")
        self.pull(ca_file=pem)
        self.assertModel()
        self.hub.fault("/revision/main", hub_server.redirect(self.hub.cdn.url + "/x"))
        self.pull(IO, "redirects from https to http", ca_file=pem)


class Pinned(HubTest):
    def setUp(self):
        super().setUp()
        self.hub.repo = "sentence-transformers/all-MiniLM-L6-v2"
        self.pin = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

    def test_hub_states_another_digest(self):
        self.pull(FORMAT, "registry", self.pin, sha256(WEIGHTS), name="all-minilm-l6-v2")
        self.assertEqual(self.hub.asked("/config.json"), [])
        self.assertNotFound()

    def test_hub_states_the_digest_and_sends_other_bytes(self):
        def edit(listing):
            for entry in listing["siblings"]:
                if entry["rfilename"] == "model.safetensors":
                    entry["lfs"]["sha256"] = self.pin
            return listing
        self.hub.edit_listing = edit
        self.pull(FORMAT, "registry's", self.pin, sha256(WEIGHTS), name="all-MiniLM-L6-v2")
        self.assertNotFound()
        self.assertFalse([n for n in self.blobs() if n.startswith(self.pin)])

    def test_hub_states_only_a_blob_id(self):
        self.hub.large = 10**9
        self.pull(FORMAT, "registry's", self.pin, sha256(WEIGHTS), name="all-MiniLM-L6-v2")


class Import(HubTest):
    def source(self, files=None):
        folder = self.folder / "source"
        shutil.rmtree(folder, ignore_errors=True)
        for name, data in (files or self.files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder

    def take(self, expected=OK, *words, **keys):
        done = self.call("import", **{"from": self.source(keys.pop("files", None)), **keys})
        self.assertEqual(done.returncode, expected, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        return done

    def test_import(self):
        done = self.take()
        path = self.assertModel()
        self.assertTrue(path.name.startswith("imported-"))
        self.assertEqual(done.values["revision"], path.name)
        self.assertEqual(done.values["received"], str(sum(map(len, MODEL.values()))))
        self.assertEqual(done.values["pinned"], "0")
        manifest = json.loads((path / "sutra.json").read_text())
        self.assertEqual(manifest["revision"], path.name)
        self.assertEqual(manifest["files"]["model.safetensors"],
                         {"sha256": sha256(WEIGHTS), "size": len(WEIGHTS)})
        shutil.rmtree(self.folder / "source")
        self.assertModel()
        again = self.take()
        self.assertEqual((again.values["received"], again.values["path"]), ("0", str(path)))
        self.assertEqual(self.hub.requests, [])

    def test_import_after_pull_shares_blobs(self):
        self.pull()
        self.assertEqual(self.take().values["received"], "0")
        self.assertModel()

    def test_pull_after_import(self):
        self.take()
        self.assertEqual(self.pull().values["received"], "0")
        self.assertEqual(self.assertModel().name, COMMIT)

    def test_other_weights_than_the_registry(self):
        self.hub.repo = "sentence-transformers/all-MiniLM-L6-v2"
        self.take(FORMAT, "registry", "53aa5117", sha256(WEIGHTS), name="all-MiniLM-L6-v2")
        self.assertFalse(self.cache.exists())

    def test_lacking_files(self):
        self.take(UNSUPPORTED, "pytorch_model.bin only", files={**SMALL, "pytorch_model.bin": b"x"})
        self.take(UNSUPPORTED, "no config.json", files={"model.safetensors": b"x"})
        without = {k: v for k, v in MODEL.items() if k != "1_Pooling/config.json"}
        self.take(IO, "1_Pooling/config.json", files=without)
        self.assertNotFound()
        self.assertEqual(self.call("import", **{"from": self.folder / "none"}).returncode, IO)
        self.assertEqual(self.call("import", **{"from": __file__}).returncode, IO)

    def test_unfinished_copy(self):
        blobs = self.repo() / "blobs"
        blobs.mkdir(parents=True)
        (blobs / (sha256(WEIGHTS) + ".incomplete")).write_bytes(b"x" * 1000)
        self.take()
        self.assertModel()

    def test_cancel(self):
        self.take(CANCELLED, cancel_after=0)
        self.assertNotFound()


if __name__ == "__main__":
    main()
