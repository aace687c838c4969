// heat_map.js - cosines of all pairs as a table whose cells are colours, hold the number as the server writes it, and are
// walked with arrow keys. Bounded, since cells grow with the square of the texts.
import {cosine, floatText} from "/page/vector_math.js";

export const MOST_TEXTS = 64;
const WITH_NUMBERS = 12; // texts whose cells have room for digits
const RAMPS = {
  light: ["#f3f6f8", "#cfe0ea", "#8fb9d3", "#4a8ab3", "#1f5f8b", "#123b5a"],
  dark: ["#1a2129", "#1f3a4d", "#245a7c", "#3a82b0", "#7cb4d8", "#d3e8f5"],
};

const isDark = matchMedia("(prefers-color-scheme: dark)");
const channels = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));

// part: 0 … 1
function colour(part) {
  const ramp = RAMPS[isDark.matches ? "dark" : "light"], place = part * (ramp.length - 1);
  const low = Math.min(ramp.length - 2, Math.floor(place));
  const [a, b] = [channels(ramp[low]), channels(ramp[low + 1])];
  return a.map((x, i) => Math.round(x + (b[i] - x) * (place - low)));
}

// Black or white, whichever stands out more (WCAG's relative luminance).
function ink(rgb) {
  const [r, g, b] = rgb.map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

const css = rgb => `rgb(${rgb.join(" ")})`;

export class HeatMap {
  // onFocus(row, column, number), onChoose(row)
  constructor({table, low, high, ramp}, {onFocus, onChoose}) {
    Object.assign(this, {table, low, high, ramp, onFocus, onChoose, size: 0});
    table.addEventListener("keydown", event => this.key(event));
    table.addEventListener("focusin", event => this.tell(event.target));
    table.addEventListener("pointerover", event => this.tell(event.target));
    table.addEventListener("click", event => {
      const cell = event.target.closest("td");
      if (cell) this.choose(cell);
    });
    isDark.addEventListener("change", () => this.paint());
  }

  // True: there are many, so that the table wants width.
  show(texts, vectors) {
    const n = this.size = Math.min(texts.length, MOST_TEXTS);
    this.rows = Array.from({length: n}, (_, i) => Array.from({length: n}, (_, j) => cosine(vectors[i], vectors[j])));
    this.least = Math.min(...this.rows.flat());
    const dense = n > WITH_NUMBERS;
    this.table.classList.toggle("dense", dense);
    this.table.style.setProperty("--columns", n);
    const head = document.createElement("tr");
    head.append(document.createElement("td"), ...texts.slice(0, n).map((text, j) => this.header("col", j, text, String(j + 1))));
    this.cells = this.rows.map((row, i) => row.map((value, j) => this.cell(i, j, value)));
    const body = this.cells.map((cells, i) => {
      const line = document.createElement("tr");
      line.append(this.header("row", i, texts[i], `${i + 1} ${texts[i]}`), ...cells);
      return line;
    });
    this.table.replaceChildren(head, ...body);
    this.focused = this.cells[0][0];
    this.focused.tabIndex = 0;
    this.low.textContent = this.least.toFixed(2);
    this.high.textContent = "1.00";
    this.paint();
    return dense;
  }

  header(scope, index, text, label) {
    const header = document.createElement("th");
    header.scope = scope;
    header.textContent = label.slice(0, 200);
    header.title = text.slice(0, 500);
    header.dataset.index = index;
    return header;
  }

  cell(row, column, value) {
    const cell = document.createElement("td");
    cell.tabIndex = -1;
    cell.dataset.row = row;
    cell.dataset.column = column;
    cell.dataset.short = value.toFixed(2).replace(/^-?0\.00$/, "0").replace("0.", ".");
    const number = document.createElement("span");
    number.textContent = floatText(value);
    cell.append(number);
    return cell;
  }

  paint() {
    if (this.size === 0) return;
    const range = Math.max(1e-6, 1 - this.least);
    this.rows.forEach((row, i) => row.forEach((value, j) => {
      const rgb = colour((value - this.least) / range), style = this.cells[i][j].style;
      style.setProperty("--fill", css(rgb));
      style.setProperty("--ink", ink(rgb));
    }));
    const stops = Array.from({length: 9}, (_, i) => css(colour(i / 8)));
    this.ramp.style.setProperty("background-image", `linear-gradient(to right, ${stops.join(", ")})`);
  }

  mark(chosen) {
    for (const header of this.table.querySelectorAll("th")) header.classList.toggle("chosen", Number(header.dataset.index) === chosen);
  }

  tell(target) {
    const cell = target.closest?.("td[data-row]");
    if (cell) this.onFocus(Number(cell.dataset.row), Number(cell.dataset.column), cell.textContent);
  }

  choose(cell) {
    if (cell.dataset.row === undefined) return;
    this.go(Number(cell.dataset.row), Number(cell.dataset.column));
    this.onChoose(Number(cell.dataset.row));
  }

  go(row, column) {
    const last = this.size - 1, within = x => Math.min(last, Math.max(0, x));
    this.focused.tabIndex = -1;
    this.focused = this.cells[within(row)][within(column)];
    this.focused.tabIndex = 0;
    this.focused.focus();
  }

  key(event) {
    const cell = event.target.closest("td[data-row]");
    if (!cell || event.altKey || event.metaKey) return;
    const row = Number(cell.dataset.row), column = Number(cell.dataset.column), last = this.size - 1;
    const moves = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      Home: [event.ctrlKey ? 0 : row, 0], End: [event.ctrlKey ? last : row, last],
      PageUp: [row - 8, column], PageDown: [row + 8, column],
    };
    if (event.key === "Enter" || event.key === " ") this.choose(cell);
    else if (moves[event.key]) this.go(...moves[event.key]);
    else return;
    event.preventDefault();
  }
}
