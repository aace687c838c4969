// vector_math.js - what the page computes of vectors, as the server does: cosines, their digits, principal components.

// float32, little-endian
export function vectorOfBase64(text) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({length: bytes.length >> 2}, (_, i) => view.getFloat32(4 * i, true));
}

// Vectors of length one stay what they are, bit for bit; any other is divided by its length.
export function unitVector(vector) {
  let sum = 0;
  for (const x of vector) sum += x * x;
  if (sum === 0 || Math.abs(sum - 1) < 1e-4) return vector;
  const length = Math.sqrt(sum);
  return vector.map(x => x / length);
}

// Of unit vectors; the same sum in the same order as POST /similarity has it.
export function cosine(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return Math.fround(Math.min(1, Math.max(-1, sum)));
}

// The fewest digits, six to nine less trailing zeros, that read back as the same float32: as the server writes them.
export function floatText(value) {
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  let text = "";
  for (let digits = 6; digits <= 9; digits++) {
    text = value.toExponential(digits - 1);
    if (Math.fround(Number(text)) === value) break;
  }
  const [, sign, mantissa, exponent] = /^(-?)([\d.]+)e([+-]\d+)$/.exec(text);
  const digits = mantissa.replace(".", "").replace(/0+$/, ""), top = Number(exponent);
  if (top < -5) {
    const rest = digits.length > 1 ? "." + digits.slice(1) : "";
    return `${sign}${digits[0]}${rest}e-${String(-top).padStart(2, "0")}`;
  }
  if (top < 0) return `${sign}0.${"0".repeat(-top - 1)}${digits}`;
  return `${sign}${digits.slice(0, top + 1).padEnd(top + 1, "0")}.${digits.slice(top + 1) || "0"}`;
}

// The `count` texts most like `from`, the best first; of equal ones the first text.
export function nearest(vectors, from, count) {
  return vectors.map((vector, index) => ({index, cosine: cosine(vectors[from], vector)}))
    .filter(row => row.index !== from)
    .sort((a, b) => b.cosine - a.cosine || a.index - b.index)
    .slice(0, count);
}

export function quantile(values, q) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];
}

// ---- principal components: subspace iteration, then the eigenvectors of what the subspace sees ----

const BLOCK = 8, MOST_TURNS = 60;

function centred(vectors) {
  const dim = vectors[0].length, mean = new Float64Array(dim);
  for (const vector of vectors) for (let i = 0; i < dim; i++) mean[i] += vector[i] / vectors.length;
  return vectors.map(vector => Float64Array.from(vector, (x, i) => x - mean[i]));
}

const dot = (a, b) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

// Gram-Schmidt, twice; directions that nothing is left of become zero.
function orthonormalize(basis) {
  basis.forEach((vector, k) => {
    const before = Math.sqrt(dot(vector, vector));
    for (let turn = 0; turn < 2; turn++)
      for (let j = 0; j < k; j++) {
        const part = dot(vector, basis[j]);
        for (let i = 0; i < vector.length; i++) vector[i] -= part * basis[j][i];
      }
    const length = Math.sqrt(dot(vector, vector)), scale = length > 1e-10 * before && length > 0 ? 1 / length : 0;
    for (let i = 0; i < vector.length; i++) vector[i] *= scale;
  });
}

// rows' * rows * vector
function covarianceTimes(rows, vector) {
  const result = new Float64Array(vector.length);
  for (const row of rows) {
    const weight = dot(row, vector);
    for (let i = 0; i < row.length; i++) result[i] += weight * row[i];
  }
  return result;
}

// Eigenvalues and eigenvectors of a small symmetric matrix (Jacobi), the largest first.
function eigen(matrix) {
  const n = matrix.length, vectors = matrix.map((_, i) => matrix.map((_, j) => +(i === j)));
  for (let sweep = 0; sweep < 30; sweep++)
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(matrix[p][q]) < 1e-300) continue;
        const angle = 0.5 * Math.atan2(2 * matrix[p][q], matrix[p][p] - matrix[q][q]);
        const c = Math.cos(angle), s = Math.sin(angle);
        for (let k = 0; k < n; k++) {
          const a = matrix[k][p], b = matrix[k][q];
          matrix[k][p] = c * a + s * b;
          matrix[k][q] = c * b - s * a;
        }
        for (let k = 0; k < n; k++) {
          const a = matrix[p][k], b = matrix[q][k];
          matrix[p][k] = c * a + s * b;
          matrix[q][k] = c * b - s * a;
        }
        for (let k = 0; k < n; k++) {
          const a = vectors[k][p], b = vectors[k][q];
          vectors[k][p] = c * a + s * b;
          vectors[k][q] = c * b - s * a;
        }
      }
  return matrix.map((row, k) => ({value: row[k], vector: vectors.map(line => line[k])}))
    .sort((a, b) => b.value - a.value);
}

// {points: [[x, y]], shares: [x's part of the variance, y's]}; `pause` is awaited between turns. The same texts give the
// same map: the start is fixed, and of each component the largest part is positive.
export async function principalComponents(vectors, pause) {
  const rows = centred(vectors), dim = rows[0].length;
  const total = rows.reduce((sum, row) => sum + dot(row, row), 0);
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5;
  let basis = Array.from({length: Math.min(BLOCK, rows.length, dim)}, () => Float64Array.from({length: dim}, random));
  orthonormalize(basis);
  let pairs = [], before = -1;
  for (let turn = 1; ; turn++) {
    const images = basis.map(vector => covarianceTimes(rows, vector));
    pairs = eigen(basis.map(vector => images.map(image => dot(vector, image))));
    const seen = pairs.slice(0, 2).reduce((sum, pair) => sum + pair.value, 0);
    if (turn === MOST_TURNS || Math.abs(seen - before) <= 1e-13 * total) break;
    before = seen;
    basis = images;
    orthonormalize(basis);
    await pause();
  }
  const axes = [0, 1].map(k => {
    const axis = new Float64Array(dim);
    if (!pairs[k]) return axis;
    basis.forEach((vector, j) => vector.forEach((x, i) => { axis[i] += pairs[k].vector[j] * x; }));
    const largest = axis.reduce((best, x) => Math.abs(x) > Math.abs(best) ? x : best, 0);
    return largest < 0 ? axis.map(x => -x) : axis;
  });
  return {
    points: rows.map(row => axes.map(axis => dot(row, axis))),
    shares: [0, 1].map(k => total > 0 && pairs[k] ? Math.max(0, pairs[k].value) / total : 0),
  };
}
