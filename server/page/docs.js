// docs.js - the API's description for people: its operations, their fields, and a request of each to try.
import {storeKey, storedKey} from "/page/embed_client.js";
import {resolve, rows, typeWords} from "/page/schema_words.js";

const SHOWN = 6000; // characters of an answer

const $ = id => document.getElementById(id);

// make("p", {className: "note"}, "words", child …)
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function table(heads, lines) {
  const head = make("tr", {}, ...heads.map(words => make("th", {scope: "col"}, words)));
  const body = lines.map(cells => make("tr", {}, ...cells.map(cell => make("td", {}, ...[cell].flat()))));
  return make("div", {className: "wide"}, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

// Of a request what is required is said, of an answer what is not always there.
const fieldTable = (list, isAnswer) => table(["Field", "Type", "Meaning"], list.map(row => {
  const mark = isAnswer ? "optional" : "required";
  return [[make("code", {}, row.name), ...(row.isRequired !== isAnswer ? [make("span", {className: mark}, mark)] : [])], row.type, row.words];
}));

const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;

function curlLine({method, path, body}) {
  const parts = ["curl", quoted(location.origin + path)];
  if (method !== "GET" && !(method === "POST" && body !== undefined)) parts.push("-X", method);
  if (storedKey()) parts.push("-H", '"Authorization: Bearer $SUTRA_API_KEY"');
  if (body !== undefined) parts.push("-d", quoted(body));
  return parts.join(" ");
}

async function send({method, path, body}, output) {
  const headers = {};
  if (storedKey()) headers.Authorization = `Bearer ${storedKey()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  output.hidden = false;
  output.textContent = "…";
  const begin = performance.now();
  try {
    const answer = await fetch(path, {method, headers, body, cache: "no-store"});
    const text = await answer.text(), took = (performance.now() - begin).toFixed(1);
    const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}\n… the first ${SHOWN} of ${text.length} characters` : text;
    const more = ["retry-after", "x-sutra-truncated"].filter(name => answer.headers.has(name)).map(name => `${name}: ${answer.headers.get(name)}\n`);
    output.textContent = `${answer.status} ${answer.statusText}, ${took} ms\n${more.join("")}\n${shown}`;
  } catch {
    output.textContent = "The server does not answer.";
  }
}

// [[name, body]] of the requests that a description has; of one alone the name says nothing.
function examples(operation) {
  const content = operation.requestBody?.content["application/json"] ?? {};
  if ("example" in content) return [["", content.example]];
  return Object.entries(content.examples ?? {}).map(([name, {value}]) => [name, value]);
}

function fill(area, body) {
  area.value = JSON.stringify(body, null, 1);
  area.rows = Math.min(10, area.value.split("\n").length + 1);
}

// A choice among several examples; null where there is none.
function exampleChoice(list, area) {
  if (list.length < 2) return null;
  const select = make("select", {name: "example"}, ...list.map(([name]) => make("option", {}, name)));
  select.addEventListener("change", () => fill(area, list[select.selectedIndex][1]));
  return select;
}

function tryIt(method, path, operation) {
  const bodies = examples(operation);
  const area = bodies.length ? make("textarea", {spellcheck: false, className: "mono"}) : null;
  if (area) fill(area, bodies[0][1]);
  const choice = exampleChoice(bodies, area);
  const inputs = (operation.parameters ?? []).map(parameter => make("input", {name: parameter.name, value: parameter.example ?? "", spellcheck: false}));
  const line = make("code"), output = make("pre", {hidden: true, tabIndex: 0});
  output.setAttribute("role", "status");
  const copy = make("button", {type: "button"}, "Copy curl line");
  const request = () => ({
    method: method.toUpperCase(),
    path: inputs.reduce((all, input) => all.replace(`{${input.name}}`, encodeURIComponent(input.value)), path),
    body: area?.value,
  });
  const show = () => { line.textContent = curlLine(request()); };
  const form = make("form", {className: "try"},
    ...inputs.map(input => make("label", {}, input.name, input)), ...(choice ? [make("label", {}, "Example", choice)] : []), ...(area ? [make("label", {}, "Body", area)] : []),
    make("pre", {tabIndex: 0}, line), make("div", {className: "row"}, make("button", {type: "submit", className: "primary"}, "Send"), copy), output);
  form.addEventListener("input", show);
  form.addEventListener("change", show);
  form.addEventListener("submit", event => {
    event.preventDefault();
    show();
    send(request(), output);
  });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(line.textContent);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Not allowed to copy";
    }
    setTimeout(() => { copy.textContent = "Copy curl line"; }, 2000);
  });
  const details = make("details", {}, make("summary", {}, "Try it"), form);
  details.addEventListener("toggle", show);
  return details;
}

function heading(level, words, id) {
  return make(level, id ? {id} : {}, words);
}

function operationPanel(api, method, path, operation) {
  const body = operation.requestBody?.content["application/json"].schema;
  const good = resolve(api, operation.responses["200"]), panel = make("section", {className: "panel operation", id: operation.operationId});
  panel.setAttribute("aria-labelledby", `${operation.operationId}-name`);
  const name = make("h3", {id: `${operation.operationId}-name`}, make("span", {className: `method ${method}`}, method.toUpperCase()), path);
  panel.append(name, make("p", {}, make("strong", {}, operation.summary), operation.description ? `. ${operation.description}` : ""));
  const fields = [...(operation.parameters ?? []).map(parameter => (
    {name: parameter.name, type: typeWords(api, parameter.schema), words: `${parameter.description ?? ""} In the path.`.trim(), isRequired: true})),
    ...(body ? rows(api, body) : [])];
  if (fields.length > 0) panel.append(heading("h4", "Request"), fieldTable(fields, false));
  for (const [type, {schema}] of Object.entries(good?.content ?? {})) {
    const list = rows(api, schema);
    panel.append(heading("h4", `Answer: ${type}${list.length ? "" : `, ${typeWords(api, schema)}`}`));
    if (list.length > 0) panel.append(fieldTable(list, true));
  }
  panel.append(heading("h4", "Statuses"), make("ul", {className: "statuses"}, ...Object.entries(operation.responses).map(([status, response]) => (
    make("li", {}, make("b", {}, status), status === "200" ? ` ${resolve(api, response).description}` : "")))));
  panel.append(tryIt(method, path, operation));
  return panel;
}

function show(api) {
  const list = Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({path, method, operation})));
  $("title").textContent = `${api.info.title} ${api.info.version}`;
  $("about").textContent = `${api.info.summary} ${api.info.description}`;
  for (const tag of api.tags) {
    const group = list.filter(entry => entry.operation.tags.includes(tag.name));
    const links = make("ul"), title = make("h2", {}, tag.name);
    $("list").append(make("div", {}, title, links));
    $("operations").append(make("h2", {className: "group"}, tag.name), make("p", {}, tag.description));
    for (const {path, method, operation} of group) {
      const link = make("a", {href: `#${operation.operationId}`}, make("span", {className: `method ${method}`}, method.toUpperCase()), path);
      links.append(make("li", {}, link));
      $("operations").append(operationPanel(api, method, path, operation));
    }
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function find() {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const panel of document.querySelectorAll(".operation")) {
    const fits = words.every(word => panel.textContent.toLowerCase().includes(word));
    found += fits;
    panel.hidden = !fits;
    document.querySelector(`#list a[href="#${panel.id}"]`).parentElement.hidden = !fits;
  }
  for (const group of $("list").children) group.hidden = !group.querySelector("li:not([hidden])");
  for (const title of document.querySelectorAll(".group")) title.hidden = title.nextElementSibling.hidden = words.length > 0;
  $("none").hidden = found > 0;
}

$("key").value = storedKey();
$("key").addEventListener("input", () => storeKey($("key").value.trim()));
$("find").addEventListener("input", find);
try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`Status ${answer.status}.`);
  show(await answer.json());
} catch (error) {
  $("about").className = "problem";
  $("about").textContent = `The description cannot be shown: ${error.message}`;
}
