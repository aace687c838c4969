// schema_words.js - JSON schemas of an OpenAPI document as words and rows. Knows what server/openapi.json uses.

const byName = {string: "text", integer: "whole number", number: "number", boolean: "true or false", object: "object", null: "null"};

export function resolve(document, value) {
  while (value?.$ref) value = value.$ref.slice(2).split("/").reduce((part, name) => part[name], document);
  return value;
}

const isPlain = schema => !(schema.properties || schema.items || schema.oneOf || schema.anyOf);

export function typeWords(document, given) {
  const schema = resolve(document, given), either = schema.oneOf ?? schema.anyOf;
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.filter(value => value !== null).map(value => JSON.stringify(value)).join(", ");
  if (either) return [...new Set(either.map(one => typeWords(document, one)))].join(", or ");
  const types = [schema.type ?? []].flat().filter(type => type !== "null");
  if (types.length === 0) return "anything";
  return types.map(type => type === "array" && schema.items ? `list: ${typeWords(document, schema.items)}` : byName[type] ?? type).join(" or ");
}

function limits({minimum, maximum, default: standard}) {
  const parts = [];
  if (minimum !== undefined && maximum !== undefined) parts.push(`${minimum} … ${maximum}`);
  else if (minimum !== undefined && minimum !== 0) parts.push(`from ${minimum}`);
  if (standard !== undefined) parts.push(`default ${JSON.stringify(standard)}`);
  return parts.length ? `(${parts.join("; ")})` : "";
}

// [{name, type, words, isRequired}] of an object's members, those of objects within after it: data[].index
export function rows(document, given, prefix = "") {
  const schema = resolve(document, given);
  if (schema.items && !isPlain(resolve(document, schema.items))) return rows(document, schema.items, `${prefix}[]`);
  if (!schema.properties) {
    const either = (schema.oneOf ?? schema.anyOf ?? []).flatMap(one => rows(document, one, prefix));
    return [...new Map(either.map(row => [row.name, {...row, isRequired: false}])).values()];
  }
  return Object.entries(schema.properties).flatMap(([name, value]) => {
    const member = resolve(document, value), path = prefix ? `${prefix}.${name}` : name;
    const words = [member.description, limits(member)].filter(Boolean).join(" ");
    const row = {name: path, type: typeWords(document, value), words, isRequired: schema.required?.includes(name) ?? false};
    return [row, ...(isPlain(member) ? [] : rows(document, value, path))];
  });
}
