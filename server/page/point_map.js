// point_map.js - texts as points of a plane, with their words on hover and focus; arrow keys go to the next point that way.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 28, WITH_NUMBERS = 24, SMALL_DOTS = 200;

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export class PointMap {
  // onFocus(index), onChoose(index)
  constructor(place, {onFocus, onChoose}) {
    Object.assign(this, {onFocus, onChoose, points: [], focused: 0});
    this.svg = make("svg", {role: "listbox", "aria-labelledby": "map-title", "aria-describedby": "map-help"});
    place.append(this.svg);
    new ResizeObserver(() => this.layOut()).observe(place);
    // not to the drawing itself: Chromium lets Tab stop at an <svg> that listens for focus
    place.addEventListener("keydown", event => this.key(event));
    place.addEventListener("focusin", event => this.tell(event.target));
    place.addEventListener("pointerover", event => this.tell(event.target));
    place.addEventListener("click", event => {
      const point = event.target.closest("[role=option]");
      if (!point) return;
      this.go(Number(point.dataset.index));
      this.onChoose(this.focused);
    });
  }

  // points: [[x, y]], one scale for both axes
  show(texts, points) {
    const radius = this.radius = texts.length > SMALL_DOTS ? 4 : 6;
    this.coordinates = points;
    this.marked = this.places = null;
    this.axes = make("g", {class: "axes", "aria-hidden": "true"});
    this.axes.append(make("line", {}), make("line", {}));
    this.links = make("g", {class: "links", "aria-hidden": "true"});
    this.points = texts.map((text, index) => {
      const point = make("g", {role: "option", tabindex: index === 0 ? 0 : -1, "aria-selected": "false", "data-index": index,
                               "aria-label": `${index + 1} ${text.slice(0, 200)}`});
      point.append(make("circle", {class: "reach", r: radius + 6}), make("circle", {class: "dot", r: radius}));
      if (texts.length <= WITH_NUMBERS) {
        const number = make("text", {x: radius + 4, y: 4, "aria-hidden": "true"});
        number.textContent = index + 1;
        point.append(number);
      }
      return point;
    });
    this.marks = make("g", {class: "marks", "aria-hidden": "true"}); // above all points
    this.svg.replaceChildren(this.axes, this.links, ...this.points, this.marks);
    this.focused = 0;
    this.layOut();
  }

  // As large as there is room; the numbers keep their size.
  layOut() {
    const width = this.svg.parentElement.clientWidth, height = Math.round(Math.min(520, Math.max(240, width * 0.66)));
    if (width === 0 || this.points.length === 0) return;
    const range = k => [Math.min(...this.coordinates.map(point => point[k])), Math.max(...this.coordinates.map(point => point[k]))];
    const [[left, right], [bottom, top]] = [range(0), range(1)], least = 1e-9;
    const scale = right - left < least && top - bottom < least ? 0
      : Math.min((width - 2 * MARGIN) / Math.max(right - left, least), (height - 2 * MARGIN) / Math.max(top - bottom, least));
    this.places = this.coordinates.map(([x, y]) => [width / 2 + scale * (x - (left + right) / 2), height / 2 - scale * (y - (bottom + top) / 2)]);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.points.forEach((point, index) => point.setAttribute("transform", `translate(${this.places[index].map(x => x.toFixed(2)).join(" ")})`));
    const ends = [{x1: 0, x2: width, y1: height / 2, y2: height / 2}, {x1: width / 2, x2: width / 2, y1: 0, y2: height}];
    ends.forEach((end, i) => Object.entries(end).forEach(([key, value]) => this.axes.children[i].setAttribute(key, value)));
    if (this.marked) this.mark(...this.marked);
  }

  mark(chosen, neighbours) {
    this.marked = [chosen, neighbours];
    if (!this.places) return;
    this.points.forEach((point, index) => point.setAttribute("aria-selected", index === chosen));
    const [x1, y1] = this.places[chosen];
    const dot = (index, name) => make("circle", {class: name, cx: this.places[index][0], cy: this.places[index][1], r: this.radius});
    this.links.replaceChildren(...neighbours.map(index => make("line", {x1, y1, x2: this.places[index][0], y2: this.places[index][1]})));
    this.marks.replaceChildren(...neighbours.map(index => dot(index, "near")), dot(chosen, "chosen"));
  }

  tell(target) {
    const point = target.closest?.("[role=option]");
    if (point) this.onFocus(Number(point.dataset.index));
  }

  go(index) {
    this.points[this.focused].setAttribute("tabindex", -1);
    this.focused = index;
    this.points[index].setAttribute("tabindex", 0);
    this.points[index].focus();
  }

  // The nearest point within a right angle around the direction.
  towards(dx, dy) {
    const [x, y] = this.places[this.focused];
    let best = this.focused, least = Infinity;
    this.places.forEach(([px, py], index) => {
      const along = (px - x) * dx + (py - y) * dy, across = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (index === this.focused || along <= 0 || across > along) return;
      const distance = along + 2 * across;
      if (distance < least) [best, least] = [index, distance];
    });
    return best;
  }

  key(event) {
    if (!event.target.closest("[role=option]") || event.altKey || event.metaKey || event.ctrlKey) return;
    const last = this.points.length - 1;
    const moves = {
      ArrowUp: () => this.towards(0, -1), ArrowDown: () => this.towards(0, 1),
      ArrowLeft: () => this.towards(-1, 0), ArrowRight: () => this.towards(1, 0),
      Home: () => 0, End: () => last,
      PageUp: () => Math.max(0, this.focused - 1), PageDown: () => Math.min(last, this.focused + 1),
    };
    if (event.key === "Enter" || event.key === " ") this.onChoose(this.focused);
    else if (moves[event.key]) this.go(moves[event.key]());
    else return;
    event.preventDefault();
  }
}
