// page.js - what the page shows and when: texts in, one request for vectors, one chosen text in all views.
import {ApiError, embedTexts, listModels, readMetrics, storeKey, storedKey} from "/page/embed_client.js";
import {HeatMap, MOST_TEXTS} from "/page/heat_map.js";
import {PointMap} from "/page/point_map.js";
import {lines, textsOfFile} from "/page/text_files.js";
import {floatText, nearest, principalComponents, quantile, unitVector} from "/page/vector_math.js";

const MOST = 2000, NEIGHBOURS = 10, SPARKS = 60, POLL_MS = 2000, MOST_LATENCIES = 5000;
const EXAMPLE = [
  "The cat sleeps on the warm windowsill.", "A kitten is napping in the sun.", "Dogs bark at the mail carrier every morning.",
  "The central bank raised interest rates again.", "Inflation slowed for the third month in a row.", "Shares fell after the earnings report.",
  "Whisk the eggs, then fold in the flour.", "Let the bread rise for an hour before baking.",
];

const $ = id => document.getElementById(id);
const plural = (n, one, many = one + "s") => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const brief = text => text.length > 120 ? text.slice(0, 119) + "…" : text;
const figure = x => !Number.isFinite(x) ? "–" : x === 0 ? "0" : x >= 100 ? Math.round(x).toLocaleString("en") : x >= 10 ? x.toFixed(1) : x.toFixed(2);
const pause = () => new Promise(resolve => setTimeout(resolve));

let texts = [], vectors = [], running = null;
const latencies = [], totals = {requests: 0, texts: 0, tokens: 0};

// ---- what goes wrong ----

function showProblem(message) {
  $("problem").hidden = !message;
  $("problem").textContent = message ?? "";
}

function showServer(state, words) {
  $("server").dataset.state = state;
  $("server").textContent = words;
}

function fail(error) {
  $(error.status === 401 ? "key-form" : "status").after($("problem"));
  if (error.status === 401) {
    const had = storedKey() !== "";
    storeKey("");
    $("key-form").hidden = false;
    $("embed").disabled = true;
    showServer("key", had ? "The key is not this server’s" : "A key is needed");
    showProblem(had ? "The server does not take this API key." : null);
    $("key").value = "";
    $("key").focus();
    return;
  }
  if (error.status === 0) showServer("gone", "No answer");
  showProblem(error instanceof ApiError ? error.message : `The page failed: ${error.message}`);
}

// ---- models ----

async function loadModels() {
  try {
    const models = await listModels(), select = $("model"), before = select.value;
    select.replaceChildren(...models.map(model => {
      const name = model.root && model.root !== model.id ? `${model.id} (${model.root})` : model.id;
      return new Option(name, model.id);
    }));
    if (models.some(model => model.id === before)) select.value = before;
    select.disabled = false;
    $("key-form").hidden = true;
    showServer("ready", "Ready");
    showProblem(null);
    showCount();
  } catch (error) {
    fail(error);
  }
}

// ---- texts ----

function showCount() {
  const n = lines($("texts").value).length;
  $("count").textContent = n === 0 ? "none" : n > MOST ? `${plural(n, "text")}; the first ${MOST.toLocaleString("en")} are taken` : plural(n, "text");
  if (!running) $("embed").disabled = n === 0 || $("model").disabled || !$("key-form").hidden;
}

function setTexts(list, note) {
  $("texts").value = list.join("\n");
  $("file-note").textContent = note;
  showCount();
}

async function takeFiles(files) {
  showProblem(null);
  try {
    const taken = [];
    for (const file of files) taken.push(await textsOfFile(file));
    setTexts(taken.flatMap(part => part.texts), taken.map(part => part.note).join(" "));
  } catch (error) {
    showProblem(error.message);
  }
}

function listenToDrops() {
  let depth = 0;
  const over = on => $("drop").classList.toggle("over", on);
  const hasFiles = event => event.dataTransfer.types.includes("Files");
  addEventListener("dragenter", event => { if (hasFiles(event)) over(++depth > 0); });
  addEventListener("dragleave", event => { if (hasFiles(event)) over(--depth > 0); });
  addEventListener("dragover", event => { if (hasFiles(event)) event.preventDefault(); });
  addEventListener("drop", event => {
    depth = 0;
    over(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    takeFiles([...event.dataTransfer.files]);
  });
}

// ---- vectors ----

function showPace(batches, begin) {
  const seconds = (performance.now() - begin) / 1000, sum = key => batches.reduce((all, batch) => all + batch[key], 0);
  $("own-texts").textContent = figure(sum("count") / seconds);
  $("own-tokens").textContent = figure(sum("tokens") / seconds);
  $("own-p50").textContent = figure(quantile(latencies, 0.5));
  $("own-p95").textContent = figure(quantile(latencies, 0.95));
  $("own-note").textContent = `${plural(totals.requests, "request")}, ${plural(totals.texts, "text")}, ${plural(totals.tokens, "token")} so far; throughput of the last run.`;
}

async function embedOnce(wanted, signal) {
  const begin = performance.now(), batches = [];
  let done = 0;
  const found = await embedTexts(wanted, $("model").value, $("truncate").checked, {
    signal,
    onBatch(batch) {
      const count = batch.vectors.length;
      batches.push({count, tokens: batch.tokens, truncated: batch.truncated});
      latencies.push(batch.milliseconds);
      if (latencies.length > MOST_LATENCIES) latencies.shift();
      totals.requests++;
      totals.texts += count;
      totals.tokens += batch.tokens;
      done += count;
      $("progress").value = done / wanted.length;
      showPace(batches, begin);
    },
    onWait: seconds => { $("status").textContent = `The server is busy; asking again in ${seconds} s.`; },
  });
  const truncated = batches.reduce((all, batch) => all + batch.truncated, 0);
  const words = `${plural(wanted.length, "text")}, ${plural(found[0].length, "dimension")}, ${figure(performance.now() - begin)} ms.`;
  $("status").textContent = truncated ? `${words} ${plural(truncated, "text was", "texts were")} cut to what the model takes.` : words;
  return found;
}

async function run() {
  const wanted = lines($("texts").value).slice(0, MOST);
  if (running || wanted.length === 0 || $("embed").disabled) return;
  running = new AbortController();
  showProblem(null);
  $("embed").textContent = "Stop";
  $("progress").hidden = false;
  $("progress").value = 0;
  $("status").textContent = "";
  try {
    let found = await embedOnce(wanted, running.signal);
    await showResults(wanted, found.map(unitVector));
    while ($("repeat").checked) found = await embedOnce(wanted, running.signal);
    showServer("ready", "Ready");
  } catch (error) {
    if (running.signal.aborted) $("status").textContent = "Stopped.";
    else fail(error);
  } finally {
    running = null;
    $("embed").textContent = "Embed";
    $("progress").hidden = true;
    showCount();
  }
}

// ---- results ----

const heat = new HeatMap({table: $("heat"), low: $("heat-low"), high: $("heat-high"), ramp: $("heat-ramp")}, {
  onFocus: (row, column, number) => {
    const value = document.createElement("strong");
    value.textContent = number;
    $("heat-detail").replaceChildren(value, ` ${row + 1} ${brief(texts[row])} · ${column + 1} ${brief(texts[column])}`);
  },
  onChoose: choose,
});
const map = new PointMap($("map"), {
  onFocus: index => { $("map-detail").textContent = `${index + 1} ${brief(texts[index])}`; },
  onChoose: choose,
});

function choose(index) {
  const near = nearest(vectors, index, NEIGHBOURS);
  $("chosen").value = index;
  $("near-note").textContent = `the ${near.length} nearest of ${plural(texts.length - 1, "other")}`;
  $("near").replaceChildren(...near.map(row => {
    const line = document.createElement("tr"), number = document.createElement("td"), words = document.createElement("td");
    const button = document.createElement("button");
    number.textContent = floatText(row.cosine);
    number.style.setProperty("--part", Math.max(0, row.cosine));
    button.type = "button";
    button.textContent = `${row.index + 1} ${brief(texts[row.index])}`;
    button.title = texts[row.index].slice(0, 500);
    button.addEventListener("click", () => {
      choose(row.index);
      $("chosen").focus();
    });
    words.append(button);
    line.append(number, words);
    return line;
  }));
  heat.mark(index);
  map.mark(index, near.slice(0, 3).map(row => row.index));
}

async function showResults(wanted, found) {
  texts = wanted;
  vectors = found;
  const several = texts.length > 1;
  $("empty").hidden = several;
  for (const id of ["heat-panel", "map-panel", "near-panel"]) $(id).hidden = !several;
  if (!several) {
    $("empty-title").textContent = "One text has nothing to be compared with";
    return;
  }
  const {points, shares} = await principalComponents(vectors, pause);
  $("heat-panel").classList.toggle("wide", heat.show(texts, vectors));
  $("heat-note").textContent = texts.length > MOST_TEXTS ? `the first ${MOST_TEXTS} of ${plural(texts.length, "text")}` : plural(texts.length, "text");
  $("heat-detail").textContent = "Point at a cell, or walk through them.";
  map.show(texts, points);
  $("map-note").textContent = `${shares.map(share => `${(100 * share).toFixed(1)} %`).join(" + ")} of the variance`;
  $("map-detail").textContent = "Point at a text, or walk through them.";
  $("chosen").replaceChildren(...texts.map((text, index) => new Option(`${index + 1} ${brief(text)}`, index)));
  choose(0);
}

// ---- the server's pace ----

const rates = [];
let last = null;

function showServerPace(now, metrics) {
  if (last) {
    const seconds = (now - last.now) / 1000;
    const rate = name => Math.max(0, (metrics[name] - last.metrics[name]) / seconds);
    rates.push(rate("sutra_tokens_total"));
    if (rates.length > SPARKS) rates.shift();
    $("all-tokens").textContent = figure(rates.at(-1));
    $("all-texts").textContent = figure(rate("sutra_texts_total"));
    const most = Math.max(...rates, 1), step = 120 / (SPARKS - 1), from = SPARKS - rates.length;
    $("spark").firstElementChild.setAttribute("d", rates.map((y, i) => `${i ? "L" : "M"}${((from + i) * step).toFixed(1)} ${(27 - 26 * y / most).toFixed(1)}`).join(""));
  }
  $("all-flight").textContent = Math.max(0, metrics.sutra_requests_in_flight - 1).toLocaleString("en");
  $("all-waiting").textContent = metrics.sutra_engine_waiting_texts.toLocaleString("en");
  last = {now, metrics};
}

async function watchServer() {
  if (document.hidden || !$("key-form").hidden) return;
  try {
    const metrics = await readMetrics();
    showServerPace(performance.now(), metrics);
    $("server-note").textContent = "from /metrics, all clients";
    if ($("server").dataset.state === "gone") await loadModels();
  } catch (error) {
    last = null;
    $("server-note").textContent = error.status === 0 ? "no answer" : "/metrics is not for this page";
    if (error.status === 0) showServer("gone", "No answer");
  }
}

// ---- start ----

$("embed").addEventListener("click", () => running ? running.abort() : run());
$("texts").addEventListener("input", () => { $("file-note").textContent = ""; showCount(); });
$("texts").addEventListener("keydown", event => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  run();
});
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { takeFiles([...$("file").files]); $("file").value = ""; });
$("example").addEventListener("click", () => setTexts(EXAMPLE, ""));
$("clear").addEventListener("click", () => { setTexts([], ""); $("texts").focus(); });
$("chosen").addEventListener("change", () => choose(Number($("chosen").value)));
$("key-form").addEventListener("submit", event => {
  event.preventDefault();
  storeKey($("key").value.trim());
  loadModels();
});
listenToDrops();
loadModels().then(watchServer);
setInterval(watchServer, POLL_MS);
document.addEventListener("visibilitychange", watchServer);
