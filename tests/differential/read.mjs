// Reads bodies from standard input, one a line in hexadecimal, and prints what JSON.parse understands, one object a line.
import { createInterface } from "node:readline";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function message(value) {
  const params = value?.params ?? {};
  const get = (name) => (Object.hasOwn(params, name) ? params[name] : null);
  return {
    method: value.method ?? null,
    id: value.id ?? null,
    name: get("name"),
    uri: get("uri"),
    ref: get("ref"),
    arguments: get("arguments"),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const value = JSON.parse(utf8.decode(Buffer.from(line, "hex")));
    answer = { messages: (Array.isArray(value) ? value : [value]).map(message) };
  } catch (error) {
    answer = { refused: String(error.name) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
