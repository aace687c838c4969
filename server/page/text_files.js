// text_files.js - texts out of what is dropped: lines, JSON lines, tables. Whatever is chosen or changed is told.

const LARGEST = 16 << 20;
const NAMES = ["text", "content", "passage", "sentence", "sentence1", "body", "title", "query"];

const isText = value => typeof value === "string";
const chosenName = names => NAMES.find(name => names.some(given => given.toLowerCase() === name));

export const lines = text => text.split(/\r?\n/).filter(line => line.trim() !== "");

// RFC 4180, with `separator` instead of commas.
export function tableRows(text, separator) {
  const rows = [];
  let row = [], field = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[i + 1] === '"') field += text[++i];
      else quoted = false;
    } else if (c === '"' && field === "") {
      quoted = true;
    } else if (c === separator || c === "\n") {
      row.push(field);
      field = "";
      if (c === "\n") {
        rows.push(row);
        row = [];
      }
    } else if (c !== "\r" || text[i + 1] !== "\n") {
      field += c;
    }
  }
  if (quoted) throw new Error("a quote is not closed");
  if (field !== "" || row.length > 0) rows.push([...row, field]);
  return rows;
}

function ofTable(text, separator) {
  const rows = tableRows(text, separator).filter(row => row.some(field => field.trim() !== ""));
  if (rows.length === 0) return {texts: [], how: ""};
  const named = chosenName(rows[0]);
  if (named) {
    const column = rows[0].findIndex(name => name.toLowerCase() === named);
    return {texts: rows.slice(1).map(row => row[column] ?? ""), how: `column “${rows[0][column]}”`};
  }
  const widths = rows[0].map((_, column) => rows.reduce((sum, row) => sum + (row[column] ?? "").length, 0));
  const column = widths.indexOf(Math.max(...widths));
  const how = rows[0].length > 1 ? `column ${column + 1}, the longest; the first line taken for a text` : "";
  return {texts: rows.map(row => row[column] ?? ""), how};
}

function ofJsonLines(text) {
  let field;
  const texts = lines(text).map((line, i) => {
    let value;
    try {
      value = JSON.parse(line);
    } catch {
      throw new Error(`line ${i + 1} is not JSON`);
    }
    if (isText(value)) return value;
    if (value === null || typeof value !== "object") throw new Error(`line ${i + 1} is neither a text nor an object`);
    const names = Object.keys(value).filter(name => isText(value[name]));
    if (!names.includes(field)) field = names.find(name => name.toLowerCase() === chosenName(names)) ?? names[0];
    if (field === undefined) throw new Error(`line ${i + 1} has no text`);
    return value[field];
  });
  return {texts, how: field === undefined ? "" : `field “${field}”`};
}

function read(name, text) {
  const ending = name.toLowerCase().split(".").pop();
  if (ending === "jsonl" || ending === "ndjson") return ofJsonLines(text);
  if (ending === "csv") {
    const first = text.split("\n", 1)[0];
    return ofTable(text, first.split(";").length > first.split(",").length ? ";" : ",");
  }
  if (ending === "tsv") return ofTable(text, "\t");
  if (ending === "txt") return {texts: lines(text), how: ""};
  throw new Error("not a .txt, .jsonl, .csv or .tsv file");
}

// {texts, note}; an Error says what is wrong. Texts come to be one a line.
export async function textsOfFile(file) {
  try {
    if (file.size > LARGEST) throw new Error("larger than 16 MiB");
    let text;
    try {
      text = new TextDecoder("utf-8", {fatal: true}).decode(await file.arrayBuffer());
    } catch {
      throw new Error("not UTF-8 text");
    }
    const {texts, how} = read(file.name, text);
    const full = texts.filter(line => line.trim() !== "");
    const flat = full.map(line => line.replace(/\s*[\r\n]+\s*/g, " "));
    const changed = flat.filter((line, i) => line !== full[i]).length;
    const parts = [`${file.name}: ${full.length} ${full.length === 1 ? "text" : "texts"}`];
    if (how) parts.push(how);
    if (texts.length > full.length) parts.push(`${texts.length - full.length} empty ones left out`);
    if (changed) parts.push(`line breaks became spaces in ${changed}`);
    if (full.length === 0) throw new Error("no texts in it");
    return {texts: flat, note: parts.join("; ") + "."};
  } catch (error) {
    throw new Error(`${file.name}: ${error.message}.`);
  }
}
